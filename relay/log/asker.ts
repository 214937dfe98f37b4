/** Who asks, as metrics and the slow-question log name it: never a key or an address. */
export type PeerClass = 'local' | 'key' | 'address' | 'relay'

/** One question to the log, and who pays for the reader's time that it takes. */
export interface Asker {
  /** Identity of the connection or HTTP request; compared, never read. */
  readonly connection: object
  /** The authenticated key, or the address. Reader time is charged to it. */
  readonly owner: string
  /** The address. Keys are free, so an address may spend only a few times the budget of one key. */
  readonly origin: string
  readonly peer: PeerClass
  /** True once the answer is not wanted any more: the connection ended, the subscription was closed or replaced. */
  readonly left: () => boolean
  /** Milliseconds of the reader's time that this question has taken; counted up by the store. */
  readerMs: number
}

/** The question was dropped before it was answered, because its asker does not want the answer any more. */
export class AskerLeftError extends Error {
  override readonly name = 'AskerLeftError'
  readonly code = 'asker-left'
  constructor() {
    super('the answer is not wanted any more')
  }
}

export const hasLeft = (error: unknown): boolean => error instanceof AskerLeftError

/** Counts for metrics, by peer class. */
export interface TurnCounts {
  turns: number
  ms: number
  /** Questions dropped because their asker had left. */
  dropped: number
  /** Turns of those above their budget. */
  late: number
}
