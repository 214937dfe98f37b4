import type { Cursor } from '../../protocol/cursor.ts'
import type { Delivery, WorkState } from './types.ts'

/** One received message as it is kept. Names of senders are looked up when it is read, so they are never stale. */
export interface Mail {
  readonly id: string
  readonly from: string
  readonly text: string
  readonly act: string
  readonly at: number
  readonly root?: string
  readonly replyTo?: string
  readonly private: boolean
  readonly contentType?: string
  readonly deadline?: number
  readonly seq?: number
  readonly relay: string
  /** Cannot be decrypted, or another fault of its content. */
  readonly error?: string
  /** The verified event, as JSON. */
  readonly event: string
}

export interface StoredMail extends Mail {
  /** Arrival order in this store, from 1. */
  readonly ordinal: number
  readonly read: boolean
  readonly state: WorkState
  readonly attempts: number
}

/** Whose position: a feed is one filter at one relay. */
export interface FeedKey {
  readonly relay: string
  /** The filter as text. */
  readonly filter: string
}

/** A position, and the access scope under which it was told (empty if the relay names none). */
export interface Position extends Cursor {
  readonly scope: string
}

export interface MailBatch {
  readonly feed: FeedKey
  readonly mail: readonly Mail[]
  /** Everything up to here is recorded once this batch is. */
  readonly position?: Position
}

export interface OutgoingMail {
  readonly id: string
  readonly to: string
  /** The signed event as JSON, re-sent unchanged. */
  readonly event: string
  /** Seconds since 1970 after which it is not sent any more. */
  readonly expires?: number
}

/** `epoch` is the relay's when it acknowledged; both absent on a relay without SEQ. */
export type Outcome =
  | {
      readonly id: string
      readonly state: 'stored'
      readonly relay: string
      readonly seq?: number
      readonly epoch?: string
    }
  | { readonly id: string; readonly state: 'refused'; readonly relay: string; readonly reason: string }
  | { readonly id: string; readonly state: 'expired' }

export interface WorkResult {
  readonly state: WorkState
  readonly error?: string
  /** Not to be tried again before this time (ms since 1970). */
  readonly dueMs?: number
  /** Sets the count of attempts; one that was stopped by us does not count. */
  readonly attempts?: number
}

export interface MailQuery {
  readonly unread?: boolean
  readonly from?: string
  readonly limit?: number
}

/**
 * The mail of one agent. Synchronous, every method one transaction, durable when it returns (memory stores apart) or, where
 * `durable` exists, in order and once that resolves. All implementations pass test/sdk/mail-store.test.ts.
 */
export interface MailStore {
  /**
   * Only where writing is asynchronous (IndexedDB): resolves when everything written so far is kept. Nothing leaves the
   * outbox before; what is received needs no wait, because its position never gets ahead of it. Rejects with the reason
   * it could not be kept; calling again tries again.
   */
  durable?(): Promise<void>
  /** Inserts unknown messages and moves the position, all or nothing. Returns the new ones in order. */
  record(batch: MailBatch): readonly StoredMail[]
  /** The feed's positions, most recently told first: one per scope and epoch, the last 8 of each scope. */
  positions(feed: FeedKey): readonly Position[]
  get(id: string): StoredMail | undefined
  /** At most `limit` messages whose id begins with `prefix`. */
  find(prefix: string, limit: number): readonly StoredMail[]
  /** Oldest first; with `limit` the newest that many. */
  list(query: MailQuery): readonly StoredMail[]
  /** Messages answering `id` after an ordinal, oldest first. */
  repliesTo(id: string, afterOrdinal: number): readonly StoredMail[]
  markRead(id: string): void
  counts(): { readonly queue: number; readonly unread: number }
  /** Distinct senders of unread messages. */
  unreadSenders(): readonly string[]

  /** The oldest message of that act that is `new`, or `failed` and due; `from` restricts senders. */
  nextWork(query: {
    readonly act: string
    readonly nowMs: number
    readonly from?: readonly string[]
  }): StoredMail | undefined
  /** When the next `failed` message falls due, ms since 1970. */
  nextDueMs(): number | undefined
  /** Unread `new` messages whose act is none of `except`, oldest first. */
  unhandled(query: {
    readonly except: readonly string[]
    readonly from?: readonly string[]
    readonly limit: number
  }): readonly StoredMail[]
  /** Marks as being worked on; returns the attempt's number, from 1. */
  beginWork(id: string): number
  /** Writes the outcome of an attempt and, in the same transaction, queues the reply. What is `done` is read. */
  endWork(id: string, result: WorkResult, reply?: OutgoingMail): void
  /** At start: what a dead process was working on falls due again. Returns how many. */
  reopenWork(): number

  /** Queues; a known id is left as it is. */
  enqueue(mail: OutgoingMail): void
  /** Queued messages after an ordinal, in order. */
  queued(afterOrdinal: number, limit: number): readonly (OutgoingMail & { readonly ordinal: number })[]
  settle(outcomes: readonly Outcome[]): void
  delivery(id: string): Delivery | undefined
  /** Recipient of a sent message. */
  recipient(id: string): string | undefined
  /** The highest acknowledged position at a relay in its most recent epoch. */
  lastAcknowledged(relay: string): Cursor | undefined
  /** Queues again what that relay acknowledged above `seq`: it has lost it. Returns how many. */
  reoffer(relay: string, afterSeq: number): number

  close(): void
}
