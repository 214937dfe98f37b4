import type { Cursor } from '../../protocol/cursor.ts'
import type { AcknowledgedStore } from '../link/acknowledged.ts'
import type { Copy, Delivery, Envelope, Receipt, WorkState } from './types.ts'

/** One received message as it is kept. Names of senders are looked up when it is read, so they are never stale. */
export interface Mail extends Envelope {
  readonly id: string
  readonly from: string
  readonly text: string
  readonly act: string
  readonly at: number
  readonly root?: string
  readonly replyTo?: string
  readonly private: boolean
  /** Came in a gift wrap (NIP-59): `agent` is a message of ours, `chat` one of NIP-17. */
  readonly wrap?: 'agent' | 'chat'
  readonly contentType?: string
  readonly deadline?: number
  readonly seq?: number
  readonly relay: string
  /** Cannot be decrypted, or another fault of its content. */
  readonly error?: string
  /** Its sender is to be told that it was received. */
  readonly receiptDue?: boolean
  /** Its sender was nobody's contact when it came. `held`: in the request box, out of the inbox. */
  readonly stranger?: 'listed' | 'held'
  /** The verified event, as JSON; of a wrapped message the rumor, which has no signature. */
  readonly event: string
}

/** What a receipt has to know of the message that it is for. */
export type ReceiptDue = Pick<Mail, 'id' | 'from' | 'private' | 'wrap'>

export interface StoredMail extends Mail {
  /** Arrival order in this store, from 1. */
  readonly ordinal: number
  readonly read: boolean
  readonly state: WorkState
  readonly attempts: number
  /** What the handler's work came to, for repeats of its `idem` key. */
  readonly result?: Result
}

/** A handler's answer as it was sent. */
export interface Result {
  readonly act: string
  readonly text: string
  readonly contentType?: string
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

/** An event that was received and left no message under its own id. */
export interface Seen {
  readonly id: string
  /** Its created_at, seconds since 1970. */
  readonly at: number
}

export interface MailBatch {
  readonly feed: FeedKey
  readonly mail: readonly Mail[]
  /** Kept if they are about a message this agent sent, and signed by whom it was sent to. */
  readonly receipts?: readonly Receipt[]
  /** Strangers whose messages were not kept: the request box is full, or they were denied. One entry per message. */
  readonly dropped?: readonly string[]
  /** Held messages that give way to these, by id; their senders are among `dropped`. */
  readonly displaced?: readonly string[]
  /** Wraps, receipts, and what was not kept of strangers. */
  readonly seen?: readonly Seen[]
  /** When the batch was received, ms since 1970. */
  readonly nowMs?: number
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
  /** Sent before with this key to the same recipient: see {@link MailStore.sentAs}. */
  readonly idem?: string
  /** Of a wrap (NIP-59): the sealed event inside, as JSON, to wrap it again by the right date. */
  readonly seal?: string
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
  /** Not taken now, and offered again. */
  | { readonly id: string; readonly state: 'waiting'; readonly relay: string; readonly reason: string }
  | { readonly id: string; readonly state: 'expired' }
  | { readonly id: string; readonly state: 'undeliverable'; readonly reason: string }

export type { Copy }

/** Times, ms since 1970, between which everything that is kept was written by a clock that was right. */
export interface RecountTimes {
  readonly nowMs: number
  readonly settledBeforeMs: number
  readonly waitsBeforeMs: number
}

/** Times, ms since 1970, before which something must have been heard last for a message to be let go. */
export interface PruneTimes {
  readonly nowMs: number
  /** Stored: copies that still wait for other relays are given up. */
  readonly storedBeforeMs: number
  /** A terminal receipt came: forgotten. */
  readonly concludedBeforeMs: number
  /** A receipt came, or the deadline passed: forgotten. */
  readonly heardBeforeMs: number
  /** Anything that is not queued: forgotten. */
  readonly settledBeforeMs: number
}

/** A message waiting for one relay. `place`: its order there. */
export interface WaitingCopy extends OutgoingMail {
  readonly place: number
}

/** What is known of a key's relays (JSON), and when it was last asked for, ms since 1970. */
export interface RelayNote {
  readonly text: string
  readonly askedMs: number
}

export interface WorkResult {
  readonly state: WorkState
  readonly error?: string
  /** Not to be tried again before this time (ms since 1970). */
  readonly dueMs?: number
  /** Sets the count of attempts; one that was stopped by us does not count. */
  readonly attempts?: number
  readonly result?: Result
  /** A terminal receipt goes with it: `received` need not be told any more. */
  readonly receipted?: boolean
}

/** What waits for a handler. Held messages never do. */
export interface WorkQuery {
  /** Direct messages of this act. */
  readonly act?: string
  /** Of that act those whose body has this schema; without it all but `notSchemas`. */
  readonly schema?: string
  readonly notSchemas?: readonly string[]
  /** Or: messages on these topics and below them. */
  readonly topics?: readonly string[]
  readonly nowMs: number
  /** Only from these. */
  readonly from?: readonly string[]
  /** Not from these, for now. */
  readonly notFrom?: readonly string[]
}

/** A sender who is nobody's contact, and what it has sent. */
export interface Stranger {
  readonly pubkey: string
  /** Unread in the inbox. */
  readonly listed: number
  /** In the request box. */
  readonly held: number
  /** Not kept, and not fetched again since the sender was accepted. Counted per arrival: a message that came over two relays counts twice. */
  readonly dropped: number
  readonly verdict?: Verdict
}

export type Verdict = 'accepted' | 'denied'

export interface MailCounts {
  /** Messages and receipts that no relay has yet where their recipient reads; where none is known, none at all. */
  readonly queue: number
  readonly unread: number
  /** Sent messages and receipts that the relays of their recipient refused for good, or did not take in time. */
  readonly undelivered: number
  /** Received messages that handlers gave up on. */
  readonly failed: number
}

export interface MailQuery {
  readonly unread?: boolean
  readonly from?: string
  readonly state?: 'set-aside'
  /** The request box instead of the inbox. */
  readonly held?: boolean
  /** Only ordinals above. */
  readonly after?: number
  /** The newest that many; with `after` the oldest that many. */
  readonly limit?: number
}

/**
 * The mail of one agent. Synchronous, every method one transaction, durable when it returns (memory stores apart) or, where
 * `durable` exists, in order and once that resolves. All implementations pass test/sdk/mail-store.test.ts.
 */
export interface MailStore extends AcknowledgedStore {
  /**
   * Where writing is asynchronous (IndexedDB), or the disk is not waited for (SQLite: what dies with the machine only): resolves when
   * everything written so far is kept. Nothing leaves the outbox before; what is received needs no wait, because its position never
   * gets ahead of it. Rejects with the reason it could not be kept; calling again tries again.
   */
  durable?(): Promise<void>
  /**
   * Inserts unknown messages and receipts and moves the position, all or nothing. Returns the new messages in order. A receipt
   * ends the waiting of its message's copies: the recipient has it, whoever brought it.
   */
  record(batch: MailBatch): readonly StoredMail[]
  /** All that `seen` named, of more than 20,000 the latest by their own time; `since` (seconds since 1970): from there on it is complete. */
  seen(): { readonly events: readonly Seen[]; readonly since: number }
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
  counts(): MailCounts
  /** Distinct senders of unread messages. */
  unreadSenders(): readonly string[]

  /** Of what is `new`, or `failed` and due: the oldest of the highest priority. Among hundreds that are not due yet, any that is. */
  nextWork(query: WorkQuery): StoredMail | undefined
  /** When the next `failed` message falls due after that time, ms since 1970. */
  nextDueMs(afterMs?: number): number | undefined
  /** What waits for a handler or is being worked on, due or not. */
  countWork(query: Omit<WorkQuery, 'nowMs' | 'notFrom'>): number
  /** Unread `new` direct messages whose act is none of `except`: of each act the oldest, oldest first. */
  unhandled(query: {
    readonly except: readonly string[]
    readonly from?: readonly string[]
    readonly limit: number
  }): readonly StoredMail[]
  /** Marks as being worked on; returns the attempt's number, from 1. */
  beginWork(id: string): number
  /** Writes the outcome of an attempt and, in the same transaction, queues reply and receipt. What is `done` is read. */
  endWork(id: string, result: WorkResult, outgoing?: readonly OutgoingMail[]): void
  /** At start: what a dead process was working on falls due again. Returns how many. */
  reopenWork(): number

  /** The first finished message of that sender with that `idem` key. */
  finished(from: string, idem: string): StoredMail | undefined
  /** Messages whose `received` is due, oldest first. */
  receiptsDue(limit: number): readonly ReceiptDue[]
  /** How many messages have their `received` due. */
  receiptsDueCount(): number
  /** In one transaction: nothing is due for these any more, and the receipts are queued. */
  acknowledge(ids: readonly string[], receipts: readonly OutgoingMail[]): void
  /** Receipts of a sent message by `at` and id; the newest of each state alone. */
  receipts(id: string): readonly Receipt[]

  /** Senders that are or were strangers and have something listed, held or dropped, or a verdict. */
  strangers(): readonly Stranger[]
  strangerCounts(from: string): {
    readonly listed: number
    readonly held: number
    readonly allListed: number
    readonly allHeld: number
  }
  /**
   * `accepted` moves what is held into the inbox; `denied` removes it. Undefined takes the verdict back. Of a sender who is accepted
   * one of those that were dropped uncounted may be: one of them is counted as its.
   */
  judge(pubkey: string, verdict: Verdict | undefined): void
  /** What was dropped of a sender has been fetched: its count begins at 0 again. */
  recovered(pubkey: string): void
  /** Keys with that verdict. */
  judged(verdict: Verdict): readonly string[]
  /** Moves at most `limit` held messages of a sender into the inbox, oldest first. */
  release(from: string, limit: number): readonly StoredMail[]

  /** A message set aside is tried again, its attempts forgotten. False if it is in another state. */
  retry(id: string): boolean
  /** A message set aside is dismissed. False if it is in another state. */
  dismiss(id: string): boolean

  /** Queues; a known id is left as it is. */
  enqueue(mail: OutgoingMail): void
  /** Queued messages after an ordinal, in order; with `to` those for this recipient. */
  queued(afterOrdinal: number, limit: number, to?: string): readonly (OutgoingMail & { readonly ordinal: number })[]
  /** Queued messages that have a deadline, the nearest first. */
  expiring(limit: number): readonly OutgoingMail[]
  /** Queued messages that no relay was chosen for, in order. */
  unaddressed(afterOrdinal: number, limit: number): readonly (OutgoingMail & { readonly ordinal: number })[]
  /**
   * Chooses relays for a message, besides those it has: each is to get its copy. The copies at `reads` decide what becomes of it, the
   * others none if there is one; if `reads` is empty, that stays as it is. Returns whether its delivery changed.
   */
  address(id: string, reads: readonly string[], fallback?: readonly string[], nowMs?: number): boolean
  /** Recipients of what is queued, and of what relays stored or refused after `settledAfterMs` and no receipt came for. */
  awaiting(settledAfterMs: number): readonly string[]
  /**
   * Messages to this recipient, after an ordinal and in order, that are queued, or that relays stored or refused (at `settledMs`) and no
   * receipt came for.
   */
  awaitingFrom(
    to: string,
    afterOrdinal: number,
    limit: number,
  ): readonly { readonly id: string; readonly ordinal: number; readonly settledMs?: number | undefined }[]
  /** What waits for a relay, in the order it was addressed to it (or offered again). */
  waiting(relay: string, afterPlace: number, limit: number): readonly WaitingCopy[]
  /** Relays that something waits for. */
  waitingRelays(): readonly string[]
  /** In the order they were addressed; one that waits again stands last. */
  copies(id: string): readonly Copy[]
  /**
   * Writes what relays said. A message is `stored` by its first acknowledged copy that counts (`owedOf`), `refused` when none of those is
   * left that could be, `expired` or `undeliverable` only if it was never stored; whatever happens to it then, its other copies go on.
   * Returns the ids whose delivery changed.
   */
  settle(outcomes: readonly Outcome[], nowMs: number): readonly string[]
  /** At most `limit` queued messages without a deadline that began to wait before `beforeMs`. */
  overdue(beforeMs: number, limit: number): readonly string[]
  /**
   * What is said to have been settled or to wait since before these times, or after `nowMs`, counts from `nowMs`: a wrong clock said so.
   * At most `limit` rows of each kind; returns how many changed, 0 once nothing is left to do.
   */
  recount(before: RecountTimes, limit: number): number
  /**
   * Gives up waiting copies and forgets messages, each by when something was last heard of it. A queued message without a deadline that
   * this has not seen yet, because it is new or was queued again, begins to wait at `nowMs`. At most `limit` rows of each kind; returns how
   * many changed, 0 once nothing is left to do.
   */
  prune(before: PruneTimes, limit: number): number
  delivery(id: string): Delivery | undefined
  /** A sent message as long as it is kept. */
  sent(id: string): OutgoingMail | undefined
  /** At most `limit` sent messages whose id begins with `prefix`. */
  findSent(prefix: string, limit: number): readonly OutgoingMail[]
  /** The id of a message sent to `to` with that `idem` key, as long as it is kept. */
  sentAs(to: string, idem: string): string | undefined
  /** Sent messages that were refused for good or undeliverable, oldest first. */
  refused(): readonly OutgoingMail[]
  /**
   * Queues such a message again, unchanged; of one that is queued or stored, the copies that were refused wait again. False if it is
   * in another state, or nothing of it was refused.
   */
  requeue(id: string): boolean
  /** Another event in place of that of a sent message that no relay has. Returns whether it was one. */
  redate(id: string, event: string): boolean
  /** Forgets such a message. False if it is in another state. */
  forget(id: string): boolean
  /** Recipient of a sent message. */
  recipient(id: string): string | undefined
  /** Relays that acknowledged a message which nothing was heard of since. */
  unheard(): readonly string[]

  /** What was last learned of somebody's relays, as its keeper wrote it. */
  relayNote(pubkey: string): RelayNote | undefined
  /** Keeps it in place of the one before; of more than 1,000 the longest unasked go. */
  keepRelayNote(pubkey: string, note: RelayNote): void

  close(): void
}
