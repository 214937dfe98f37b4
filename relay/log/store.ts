import type { PackedTexts, TextBytes } from '../../platform/packed-texts.ts'
import type { NostrEvent } from '../../protocol/event.ts'
import type { Filter, Matchable } from '../../protocol/filter.ts'
import type { GoneCause } from '../../protocol/frames.ts'
import type { PackedStubs } from '../../protocol/negentropy/index.ts'
import type { Asker, PeerClass, TurnCounts } from './asker.ts'
import type { EpochStart } from './epochs.ts'
import type { PruneOrder, PrunePage, PruneRequest } from './retention.ts'

/** What became of one appended event. `seq` of a duplicate is the one it already had. */
export type Outcome =
  | { readonly status: 'stored'; readonly seq: number }
  | { readonly status: 'duplicate'; readonly seq: number }
  | { readonly status: 'refused'; readonly reason: string }
  /** A request to vanish of a key of which nothing is stored: it is fulfilled, and nothing is kept of it. */
  | { readonly status: 'unneeded' }

/** An entry of the log: an event came, or went. `address` is set for replaceable and addressable kinds. */
export type LogEntry = StoredEntry | RemovedEntry | VanishedEntry
export interface StoredEntry {
  readonly op: 'stored'
  readonly seq: number
  readonly address: string | undefined
  readonly event: NostrEvent
  /** The event's one JSON text, sent as it is. */
  readonly json: string
}
export interface RemovedEntry {
  readonly op: 'deleted' | 'replaced'
  readonly seq: number
  /** What is remembered of the event so that filters and access still apply; its content is gone. */
  readonly target: Matchable
  readonly address: string | undefined
}

/** NIP-62: everything by this author up to `upTo`, and the gift wraps addressed to it, is gone. */
export interface VanishedEntry {
  readonly op: 'vanished'
  readonly seq: number
  readonly pubkey: string
  /** created_at of the request. */
  readonly upTo: number
}

/** One committed transaction: a verdict per event, and the entries that outlived it, in log order. */
export interface Commit {
  readonly outcomes: readonly Outcome[]
  readonly entries: readonly LogEntry[]
  readonly last: number
}

/** Where the log ends, and the run that says so. */
export interface Head {
  readonly epoch: string
  readonly last: number
}

/** Whose eyes a read is for: keys authenticated when the REQ was accepted, and the time that decides expiry (seconds). */
export interface Reader {
  readonly keys: readonly string[]
  readonly now: number
  /** Who pays for the reader's time. Default: the relay itself. */
  readonly asker?: Asker | undefined
}

export interface LogRequest extends Reader {
  readonly filters: readonly Filter[]
  /** Exclusive lower bound. */
  readonly after: number
  /** Matching entries at the most. */
  readonly limit: number
  readonly gone: boolean
}

/** Everything matching in (after, upTo], ascending. `last` is the log's end in the snapshot that was read. */
export interface LogBatch {
  readonly entries: readonly LogRow[]
  /** The same as bytes, where they come from another thread and all of them are events; `entries` is then made when it is asked for. */
  readonly packed?: PackedTexts & { readonly seqs: Float64Array }
  readonly upTo: number
  readonly last: number
  /** Lowest position from which nothing that was asked for has been pruned, as of the same snapshot. */
  readonly floor: number
}
/** `target`: the id of an event, or the key that vanished. `address` only decides whether a `replaced` is told; see `buildBatch`. */
export type LogRow =
  | {
      readonly op: 'stored'
      readonly seq: number
      readonly json: string
      readonly address: string | undefined
      /** The same as `json`, where it lies as bytes. */
      readonly packed?: TextBytes
    }
  | { readonly op: GoneCause; readonly seq: number; readonly target: string; readonly address: string | undefined }

export interface QueryRequest extends Reader {
  readonly filters: readonly QueryFilter[]
  /** Where the last page ended; absent on the first. */
  readonly after?: Position
  /** Only rows with seq up to here: the hand-off position the first page reported. */
  readonly upTo?: number
  /** An earlier page already left something out by a limit. */
  readonly cut?: boolean
}
/** A filter with what is left of its limit; `capped` marks a limit that is the relay's own and not the client's. */
export interface QueryFilter {
  readonly filter: Filter
  readonly remaining: number
  readonly capped: boolean
}
/** A place in NIP-01's order: newest first, lowest id first within a second. */
export interface Position {
  readonly created_at: number
  readonly id: string
}

/** One page of a stored query, newest first, each event once. */
export interface QueryPage {
  readonly events: readonly string[]
  /** The same as bytes, where they come from another thread; `events` is then made when it is asked for. */
  readonly packed?: PackedTexts
  /** The log position this query covers. */
  readonly seq: number
  /** Set if the page ended before its filters did: ask again with it. */
  readonly next:
    | { readonly after: Position; readonly filters: readonly QueryFilter[]; readonly cut: boolean }
    | undefined
  /** Decided on the last page only: whether older matches were left out by a limit. */
  readonly complete: boolean
}

export interface SearchRequest extends Reader {
  /** Each with words to look for and how many matches are wanted. */
  readonly filters: readonly { readonly filter: Filter; readonly limit: number }[]
}

/** Matches of all filters, each once: the first filter's best first, then the next one's. */
export interface SearchResult {
  readonly seqs: readonly number[]
  /** The log position that this answer covers. */
  readonly seq: number
  /** False if a limit left matches out. */
  readonly complete: boolean
}

export interface StubRequest extends Reader {
  readonly filter: Filter
  /** Records at the most. */
  readonly limit: number
  /** Where the last page ended; absent on the first. */
  readonly after?: Position
  /** Only rows with seq up to here: what the first page reported. */
  readonly upTo?: number
}

/** Time and id of matching events, newest first, lowest id first within a second. */
export interface StubPage extends PackedStubs {
  readonly seq: number
  /** Where to go on; undefined if this was all. */
  readonly next: Position | undefined
}

/** A pre-signed presence that waits for its author's connection to be lost (docs/protocol.md, "Wills"). */
export interface StoredWill {
  readonly event: NostrEvent
  /** The `d` tag. */
  readonly session: string
}

/** What was set while running, beside the log: a value by section and name (docs/operations.md). */
export interface Setting {
  readonly section: string
  readonly name: string
  readonly value: string
}

/**
 * The log behind an asynchronous interface, so that signatures, disk and queries never hold the event loop.
 * One caller appends; a promise of `append` settles only when the commit is synced. Rejections mean nothing was stored.
 */
export interface Store {
  /** Known from the last settled call; `epoch` is '' before the first {@link startEpoch}. */
  readonly head: Head
  /** This log's runs, oldest first. */
  readonly epochs: readonly EpochStart[]
  /** Commits a new epoch beginning at the present end. `nowMs` and 16 random bits make its name. */
  startEpoch(nowMs: number, random16: number): Promise<void>
  append(events: readonly NostrEvent[], nowMs: number): Promise<Commit>
  /**
   * Takes, batch by batch and between commits, most of what a request to vanish will take, so that its own commit is short. No log entries:
   * the request's own entry tells of it. Absent where no commit waits for another.
   */
  clearVanishing?(author: string, upTo: number): Promise<void>
  /** The seqs of those ids that are stored, same order, undefined where not. */
  seqsOf(ids: readonly string[]): Promise<readonly (number | undefined)[]>
  readLog(request: LogRequest): Promise<LogBatch>
  query(request: QueryRequest): Promise<QueryPage>
  count(filters: readonly Filter[], reader: Reader): Promise<number>
  /** The HyperLogLog registers of a filter that `hllOffset` gave an offset for (NIP-45). */
  hll(filter: Filter, offset: number, reader: Reader): Promise<string>
  /** Ranked by relevance (NIP-50), limits applied after ranking. */
  search(request: SearchRequest): Promise<SearchResult>
  /** Texts of stored events in this order, as many as fit a page and at least one; what is gone is left out. */
  texts(seqs: readonly number[], asker?: Asker): Promise<{ readonly events: readonly string[]; readonly taken: number }>
  /** What reconciliation (NIP-77) looks at, page by page. */
  stubs(request: StubRequest): Promise<StubPage>
  /** Every will on deposit. */
  wills(): Promise<readonly StoredWill[]>
  /** Durable when it resolves; takes the place of an older one of the same key and session. */
  putWill(will: StoredWill): Promise<void>
  /** Drops this very will, not a newer one that took its place. */
  dropWill(id: string): Promise<void>
  /** Removes stored events by the operator's will: a `deleted` entry each, nothing for ids that are not stored. */
  remove(ids: readonly string[], nowMs: number): Promise<Commit>
  readSettings(): Promise<readonly Setting[]>
  /** Durable when it resolves; null takes the setting away. */
  writeSetting(setting: Pick<Setting, 'section' | 'name'> & { readonly value: string | null }): Promise<void>
  /** Drops events whose NIP-40 deadline (seconds) has passed. No log entry: readers derive it from the tag. */
  sweepExpired(now: number): Promise<number>
  /** One look for what retention takes; nothing is changed. */
  prunable(request: PruneRequest): Promise<PrunePage>
  /** Takes it, without log entries, raising floors. Resolves to how many were still there; rejects, having taken none, if one is damaged. */
  prune(order: PruneOrder): Promise<number>
  /** What the reader's time went to, by peer class; undefined where it is not shared out. */
  readonly readerTurns?: ReaderTurns
  close(): Promise<void>
}

export interface ReaderTurns {
  /** Questions that wait. */
  readonly waiting: number
  readonly counts: ReadonlyMap<PeerClass, Readonly<TurnCounts>>
}
