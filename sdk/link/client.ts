import type { NostrEvent } from '../../protocol/event.ts'
import type { FilterJson } from '../../protocol/filter.ts'
import type { EoseHints } from '../../protocol/hints.ts'

export interface RequestHandlers {
  /** A verified event that matches; the others are counted in `invalid` and dropped. `seq` only in log order. */
  onEvent?(event: NostrEvent, seq: number | undefined): void
  /** After every stored event before it was handed to `onEvent`. */
  onEose?(hints: EoseHints): void
  /** The relay ended the subscription; its own words. Also on loss of the connection, with an `error:` reason. */
  onClosed?(reason: string): void
  /** Log order: the first frame and checkpoints. */
  onSeq?(seq: number, epoch: string): void
}

export interface Request {
  close(): void
  /** Events dropped so far: bad shape, id or signature, or not asked for. */
  readonly invalid: number
}

/** The relay's answer to an EVENT. */
export interface PublishResult {
  readonly accepted: boolean
  /** The relay's own words. */
  readonly message: string
  /** Position in the relay's log, if it speaks SEQ. */
  readonly seq?: number
}

export interface Negotiation {
  /**
   * Sends a message in hex, NEG-OPEN first, and resolves to the relay's. One at a time. Rejects with RelayRefusedError on NEG-ERR, and
   * if the first gets no answer at all, as from relays that do not know NIP-77; RelayUnreachableError once the connection is lost.
   */
  ask(message: string): Promise<string>
  close(): void
}

/** One connection, no reconnect, no memory: for queries and scripts. */
export interface RelayClient {
  readonly url: string
  request(filters: readonly FilterJson[], handlers: RequestHandlers): Request
  /** Rejects with RelayUnreachableError if the connection is lost or no OK comes within the time limit. */
  publish(event: NostrEvent): Promise<PublishResult>
  /** Rejects with RelayRefusedError if the relay does not count. */
  count(filters: readonly FilterJson[]): Promise<number>
  /** A reconciliation (NIP-77) over what this filter finds at the relay. */
  negotiate(filter: FilterJson): Negotiation
  /** UTF-8 bytes received so far. */
  readonly bytes: number
  close(): Promise<void>
}
