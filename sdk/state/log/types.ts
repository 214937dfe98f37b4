import type { Clock } from '../../../platform/clock.ts'
import type { Random } from '../../../platform/random.ts'
import type { Cancel, Timers } from '../../../platform/timers.ts'
import type { Dependency } from '../../../protocol/state.ts'
import type { MaybePromise, Signer } from '../../identity/signer.ts'
import type { Line } from '../../link/line.ts'
import type { StateStore } from '../store.ts'
import type { Cover } from './cover.ts'

/** What a log needs of the agent it belongs to; the same for all logs of one agent. */
export interface LogHost {
  /** One per relay of the agent; may grow. */
  lines(): readonly Line[]
  /** Begins something at each of them, and at each that joins, until it is cancelled. */
  eachLine(begin: (line: Line) => Cancel): Cancel
  /** Where the authors publish, if not at any relay: what was read elsewhere may be old, or nothing. */
  readonly home?: { readonly known: Promise<unknown>; readonly isFound: boolean; has(line: Line): boolean }
  readonly signer: Signer
  readonly clock: Clock
  readonly timers: Timers
  readonly random: Random
  readonly store: StateStore
}

/** Where an event stands: what a codec binds its ciphertext to (AAD). */
export interface Place {
  readonly kind: number
  readonly o: string
  /** 64 hex. */
  readonly author: string
  /** 16 hex, ordered; empty in the snapshot of somebody who has written nothing. */
  readonly session: string
  /** From 1 in each session; 0 where `session` is empty. */
  readonly n: number
  /** 64 hex of the control event that it was written under. */
  readonly control?: string
}

/** Payloads as they travel. Both may throw or reject: then nothing is written, or what came counts as refused. */
export interface Codec<P> {
  /** At most 48 KiB for a delta; snapshots are cut into pieces. Must not depend on anything but its parameters and keys. */
  encode(payload: P, place: Place): MaybePromise<string>
  decode(content: string, place: Place): MaybePromise<P>
}

/** A delta whose signature, tags, author and chain hold; each (author, session, n) is told once. */
export interface Delta<P> extends Place {
  readonly id: string
  /** The author's clock, seconds since 1970: for display, never for order. */
  readonly at: number
  /** 16 hex of the delta before it. */
  readonly previous?: string
  readonly deps: readonly Dependency[]
  readonly payload: P
}

/** A snapshot whose signature, tags and author hold, put together again if it came in pieces. May be told more than once. */
export interface Snapshot<S> extends Place {
  readonly id: string
  readonly at: number
  /** What it contains at least; own entries of the author that it does not name it does not contain. */
  readonly cover: Cover
  /** What its author says the state's digest is, if anything. */
  readonly digest?: string
  readonly payload: S
}

/** Two signed events for one place in a log, or a chain that does not hold: its author runs twice, or lies. */
export interface Fork {
  readonly author: string
  readonly session: string
  /** The session counts up to the event before this one; what is above is not told any more. */
  readonly n: number
  readonly reason: 'two-events' | 'chain' | 'cover'
  /** The signed events, as JSON, as far as they are known: two of them prove it to anybody. */
  readonly proof: readonly string[]
}

/** The agent's own key wrote in a session that this process did not open: a clone, a restored backup's other life, a device. */
export interface OtherSession {
  readonly session: string
  readonly n: number
}

export interface LogOptions<P, S> {
  /** Name of the document. */
  readonly o: string
  /** Under which name it is kept in the store; default `o`. Two logs that are open at once must not share one. */
  readonly keep?: string
  /** Whose events count, 64 hex each; asked whenever something comes. Call `refilter` after it has changed. */
  authors(): ReadonlySet<string>
  readonly delta: Codec<P>
  readonly snapshot: Codec<S>
  /**
   * In arrival order, which across authors and after a gap is any order; inside a transaction of the store: what is kept in here
   * is kept together with the mark that it was taken, and so never told again after a restart. Not told for `write`s of this log.
   */
  onDelta(delta: Delta<P>): void
  /** False: not believed (its author may not, or its payload does not fit), and its cover counts for nothing. Inside a transaction. */
  onSnapshot(snapshot: Snapshot<S>): boolean
  /**
   * The content of a snapshot of everything written and told so far, and nothing else; asked when nothing of this log's own is under
   * way. `cover` is what the snapshot will say it contains: entries may be taken out of it. Undefined: not now.
   */
  takeSnapshot(cover: Cover): SnapshotDraft<S> | undefined
  /** Stay in a session though the key has written in a higher one elsewhere: where payloads are bound to it. Default false. */
  readonly keepSession?: boolean
  /** Snapshots are taken by themselves when the tail is long, on idling and on closing. False: only when `snapshot` is called. Default true. */
  readonly auto?: boolean
  /** A snapshot by one author covers what all have written: they take turns, so that mostly one does it for all. Default false. */
  readonly takeTurns?: boolean
  /** After a batch was taken, a relay was caught up with, or an acknowledgement changed what the log says of itself. */
  onChange?(): void
  onFork?(fork: Fork): void
  onOtherSession?(other: OtherSession): void
  /**
   * At some relay an event of the own key, written elsewhere, has taken the place of one of this log's that it does not contain. With
   * `auto` a snapshot follows by itself; otherwise one is wanted.
   */
  onSuperseded?(): void
  /** An event that was signed well and made badly: not decodable, not in its place. For counting and logging. */
  onRefused?(event: { readonly id: string; readonly author: string }, reason: string): void
}

export interface SnapshotDraft<S> {
  readonly payload: S
  readonly cover?: Cover
  /** 16 to 64 hex; readers compare it with what they have come to. */
  readonly digest?: string
  readonly control?: string
  /** Inside the transaction that keeps the signed snapshot, before it is sent. */
  commit?(): void
}

export interface WriteOptions {
  readonly deps?: readonly Dependency[]
  readonly control?: string
  /** Inside the transaction that keeps the signed event, before it is sent: what is kept here is kept if and only if the event is. */
  commit?(place: Place & { readonly id: string }): void
}

export interface LogStatus {
  /**
   * Something is known to be missing, no relay where it is published was caught up with since the log was opened, or it is not known where
   * it is published and nothing of it was found. Reading goes on.
   */
  readonly behind: boolean
  /** Relays whose part of the log was read to its end since the log was opened, of those where its authors publish. */
  readonly caughtUp: number
  readonly relays: number
  /** Relays that tell now what is written: 0 is not followed. */
  readonly live: number
  /** Own events that fewer relays than wanted have taken. */
  readonly unacknowledged: number
  /** Events that no snapshot covers yet, all authors. */
  readonly tail: number
  /** Missing places, at most the first few. */
  readonly gaps: readonly Place[]
  /** Why a relay does not take what is written, why no snapshot can be made, or why it is behind, as far as known. */
  readonly error?: string
}

/**
 * One document's log, over all relays of the agent: numbering, write-ahead, ring slots, snapshots with cover, catching up, gaps and
 * forks. Knows nothing of what payloads mean (docs/protocol.md, "State").
 */
export interface Log<P, S> {
  readonly o: string
  /** The session that this process writes in; undefined before its first write. */
  readonly session: string | undefined
  /** Opens the session of the next write and names it, for who has to know it before; `session` tells if it is another by then. */
  begin(): string
  /**
   * Signs, keeps and sends one delta; resolves once it is kept (not: acknowledged). Waits while the ring is full of what no acknowledged
   * snapshot covers. Calls are carried out in order. Rejects with StateError `state-closed`, `state-too-large`, or what codec and signer throw.
   * To be called only once `ready` has resolved: what relays hold of the own key has to be known before it is replaced.
   */
  write(payload: P, options?: WriteOptions): Promise<Place & { readonly id: string }>
  /**
   * Publishes a whole state in place of a delta: numbered like one, covering everything before it. For small states. The same rules as
   * for `write`.
   */
  writeWhole(
    draft: (place: Place) => SnapshotDraft<S>,
    options?: WriteOptions,
  ): Promise<Place & { readonly id: string }>
  /** Everything is flushed to a relay first; resolves to false if that, or taking it, was not possible now. */
  snapshot(): Promise<boolean>
  /** The ring slot of the next delta holds what no acknowledged snapshot covers: `write` would wait, `writeWhole` does not. */
  readonly isFull: boolean
  /** The next write opens a session above every one seen, and above this one. */
  renew(above?: string): void
  /** Highest contiguous n of each author and session, and the id there. */
  cover(): Cover
  readonly status: LogStatus
  /** Resolves once one relay was caught up with (true), or when the log is closed first (false). */
  ready(): Promise<boolean>
  /** Resolves once as many relays as wanted (two, or all) were caught up with: only then may anything of the own key be replaced for good. */
  confirmed(): Promise<boolean>
  /** Own events are acknowledged by enough relays; false after `ms`. */
  flushed(ms: number): Promise<boolean>
  /** `authors` has changed: relays are asked anew. */
  refilter(): void
  /** Asks every relay again for what is missing. */
  repair(): void
  /** Flushes, takes a snapshot if one is due, for at most `timeoutMs`, and ends. */
  close(options?: { readonly timeoutMs?: number }): Promise<void>
}
