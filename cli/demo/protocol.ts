import type { SyncSummary } from '../../sdk/index.ts'

/** What the sleeping agent's process tells its parent over the process channel. */
export type AgentReport =
  | { readonly type: 'awake'; readonly pid: number }
  /** A handler ran for this message. */
  | { readonly type: 'handled'; readonly message: HandledMessage }
  /** Caught up with the relay. `verified` and `rejected` count what its verifier was asked in this run. */
  | {
      readonly type: 'caught-up'
      readonly summary: SyncSummary
      readonly verified: number
      readonly rejected: number
    }
  /** The answer to `list`: the whole inbox, in the order of arrival. */
  | { readonly type: 'inbox'; readonly ids: readonly string[] }
  | { readonly type: 'failed'; readonly error: string }

export interface HandledMessage {
  readonly id: string
  readonly from: string
  readonly text: string
  readonly act: string
  /** -1 on a relay without a log. */
  readonly seq: number
}

export type AgentOrder = { readonly type: 'list' }
