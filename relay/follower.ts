import type { FrameRun } from '../platform/frame-run.ts'
import { SharedText } from '../platform/shared-text.ts'
import type { NostrEvent } from '../protocol/event.ts'
import { expirationOf } from '../protocol/event.ts'
import { type Filter, type Matchable, matchFilters } from '../protocol/filter.ts'
import { encode } from '../protocol/frames.ts'
import { REASONS, reason } from '../protocol/reasons.ts'
import { mayRead } from './access.ts'
import type { Asker } from './log/asker.ts'
import { concernsVanished } from './log/entries.ts'
import { sizeOf } from './log/packed-page.ts'
import type { LogBatch, LogRow, RemovedEntry, Store, StoredEntry } from './log/store.ts'
import type { Passing } from './passing.ts'
import type { ReadAhead } from './read-ahead.ts'

/** Entries kept while a batch is being read; more than these and the next batch reads them from the log instead. */
const AHEAD = 512

const NOTHING_READ = { sent: 0, met: false, floor: 1 } as const

/** What a follower needs of the connection that it writes to. */
export interface Outlet {
  send(text: string): void
  /** Sends the three joined; what is shared is not copied for each receiver. The tail is ASCII. */
  sendParts(head: SharedText, body: string | SharedText, tail: string): void
  /** Sends many that lie together. */
  sendRun(run: FrameRun): void
  /** True above the high-water mark: stop pushing, the log remembers. */
  readonly congested: boolean
  /**
   * Runs one read-and-send at a time per connection, once it is not congested (at once, usually) or closed: subscriptions
   * that are behind together would otherwise fill it with a page each.
   */
  inTurn<T>(run: () => Promise<T>): Promise<T>
  closeSubscription(sub: string, reason: string): void
}

/** What it needs of the relay. */
export interface Source {
  readonly store: Store
  /** The last seq whose commit has been handed to live subscriptions. */
  readonly head: { readonly last: number; readonly epoch: string }
  /** Seconds. */
  now(): number
  /** Ephemeral events kept per subscription while a stored query runs. */
  readonly pendingEphemerals: number
}

export interface FollowerOptions {
  readonly sub: string
  readonly filters: readonly Filter[]
  readonly keys: readonly string[]
  /** `log`: seqs and removals are told. `plain`: a NIP-01 client that never notices. */
  readonly mode: 'log' | 'plain'
  readonly gone: boolean
  /** Who pays for what it reads. */
  readonly asker?: Asker
  /** Where its first page may have been read already. */
  readonly ahead?: ReadAhead
}

/** A page that misses less of its size than this share ends: another reading for the rest would cost as much as a page. */
const NEARLY = 1 / 8

/**
 * One subscription's way along the log: reads it in batches until it meets the head, then is fed live; when its connection
 * is congested it is fed nothing, remembers its position, and reads on once drained. So a slow reader costs no memory,
 * and stored and live meet without gap or repeat: every entry is judged by its seq against one position.
 */
export class Follower {
  readonly sub: string
  readonly filters: readonly Filter[]
  readonly mode: 'log' | 'plain'
  readonly #options: FollowerOptions
  readonly #outlet: Outlet
  readonly #source: Source
  /** How each of its EVENT frames begins. */
  #head: SharedText | undefined
  #state: 'waiting' | 'reading' | 'live' | 'lagging' | 'closed' = 'waiting'
  /** Everything matching up to here has been sent (live: at least up to here). */
  #position = 0
  /** The last position told to the client, by event, checkpoint or EOSE. */
  #told = 0
  #ahead: Passing[] = []
  #aheadOverflow = false
  #ephemerals: SharedText[] = []
  /** The live index's own mark: the last look-up that came by here. */
  visited = 0

  constructor(options: FollowerOptions, outlet: Outlet, source: Source) {
    this.#options = options
    this.#outlet = outlet
    this.#source = source
    this.sub = options.sub
    this.filters = options.filters
    this.mode = options.mode
  }

  get closed(): boolean {
    return this.#state === 'closed'
  }

  /** Goes live behind a stored query that covered the log up to `position`. */
  async follow(position: number): Promise<void> {
    this.#position = position
    this.#told = position
    if (this.closed) return
    // Nothing beyond `position` has been offered yet, so nothing was missed.
    if (position >= this.#source.head.last) this.#goLive()
    else await this.#readToHead()
  }

  /**
   * Sends one page of the log after `since`: `more` if it ended at its size, `finish` if it met the head and the
   * subscription is live. Undefined if the subscription was closed meanwhile.
   */
  async page(
    since: number,
    size: number,
  ): Promise<{ complete: 'finish' | 'more'; seq: number; floor: number } | undefined> {
    this.#position = since
    this.#told = since
    let left = size
    let floor = 1
    while (!this.closed) {
      const batch = await this.#readBatch(left)
      left -= batch.sent
      floor = Math.max(floor, batch.floor)
      if (this.closed) return undefined
      // Whatever was committed since is kept in `ahead`, above this position.
      this.#told = this.#position
      if (batch.met) return { complete: 'finish', seq: this.#position, floor }
      if (left <= size * NEARLY) return { complete: 'more', seq: this.#position, floor }
    }
    return undefined
  }

  /** After the EOSE of a finished page, or at once: deliver what was kept and go on live. */
  goLive(): void {
    if (this.#state === 'reading') this.#goLive()
  }

  /** A committed entry, in log order. */
  offer(passing: Passing): void {
    switch (this.#state) {
      case 'live': {
        const { seq } = passing.entry
        if (seq <= this.#position) return
        if (this.#outlet.congested) return this.#lag(seq - 1)
        return this.#deliver(passing)
      }
      case 'reading':
        if (this.#ahead.length < AHEAD) this.#ahead.push(passing)
        else this.#aheadOverflow = true
        return
      default:
    }
  }

  /** Whether an ephemeral event would go out: on plain streams only, and not to a reader that is slow. */
  hears(event: NostrEvent): boolean {
    // An expiration does not affect ephemeral events (NIP-40), as at the gate.
    if (this.mode === 'log' || !this.#mayHave(event)) return false
    if (this.#state === 'live') return !this.#outlet.congested
    return (
      this.#state !== 'closed' && this.#state !== 'lagging' && this.#ephemerals.length < this.#source.pendingEphemerals
    )
  }

  /** Sends an ephemeral event that it {@link hears}, or keeps it while a stored query runs. */
  passOn(text: SharedText): void {
    if (this.#state === 'live') this.#sendEvent(text)
    else if (this.#state === 'waiting' || this.#state === 'reading') this.#ephemerals.push(text)
  }

  /** Tells a quiet log-order client how far the log has moved. */
  checkpoint(): void {
    const { last, epoch } = this.#source.head
    if (this.mode !== 'log' || this.#state !== 'live' || last <= this.#told || this.#outlet.congested) return
    this.#told = last
    this.#outlet.send(encode.seq(this.sub, last, epoch))
  }

  /** The connection drained: continue from the log. */
  resume(): void {
    if (this.#state === 'lagging') void this.#readToHead()
  }

  close(): void {
    this.#state = 'closed'
    this.#ahead = []
    this.#ephemerals = []
  }

  async #readToHead(): Promise<void> {
    try {
      for (;;) {
        const position = this.#position
        const { met, floor } = await this.#readBatch(Number.POSITIVE_INFINITY)
        // Pruned before this slow reader came to it. Asking again from its cursor tells the client of the gap.
        if (this.mode === 'log' && floor > position + 1)
          return this.#outlet.closeSubscription(this.sub, REASONS.tooSlow)
        if (met || this.closed) break
      }
      this.#goLive()
    } catch {
      if (!this.closed)
        this.#outlet.closeSubscription(this.sub, reason('error', 'the log could not be read; subscribe again'))
    }
  }

  /** Reads and sends one batch. `met`: the log's head was reached, so what is kept in `ahead` continues it without a gap. */
  #readBatch(limit: number): Promise<{ sent: number; met: boolean; floor: number }> {
    this.#state = 'reading'
    return this.#outlet.inTurn(() => this.#readAndSend(limit))
  }

  async #readAndSend(limit: number): Promise<{ sent: number; met: boolean; floor: number }> {
    if (this.closed) return NOTHING_READ
    this.#ahead = []
    this.#aheadOverflow = false
    const { filters, keys, gone, ahead, asker } = this.#options
    const from = this.#source.head.last
    const request = { filters, keys, gone, after: this.#position, limit, now: this.#source.now(), asker }
    const batch = (await ahead?.take(request)) ?? (await this.#source.store.readLog(request))
    if (this.closed) return NOTHING_READ
    this.#sendBatch(batch)
    this.#position = Math.max(this.#position, batch.upTo)
    const met = batch.upTo >= batch.last && batch.upTo >= from && !this.#aheadOverflow
    return { sent: sizeOf(batch), met, floor: batch.floor }
  }

  #goLive(): void {
    if (this.closed) return
    this.#state = 'live'
    const ahead = this.#ahead
    this.#ahead = []
    for (const passing of ahead) this.offer(passing)
    const ephemerals = this.#ephemerals
    this.#ephemerals = []
    for (const text of ephemerals) if (!this.#outlet.congested) this.#sendEvent(text)
  }

  #lag(position: number): void {
    this.#position = Math.max(this.#position, position)
    this.#state = 'lagging'
  }

  #deliver(passing: Passing): void {
    const { entry, successor } = passing
    if (entry.op === 'stored') {
      if (!this.#wants(entry.event, passing.expires)) return
      this.#told = entry.seq
      this.#sendEvent(passing.textOf(entry), entry.seq)
    } else if (entry.op === 'vanished') {
      const { op, seq, pubkey } = entry
      if (this.#tellsRemovals && concernsVanished(this.filters, pubkey))
        this.#sendRow({ op, seq, target: pubkey, address: undefined })
    } else if (this.#tells(entry, successor)) {
      this.#sendRow({ op: entry.op, seq: entry.seq, target: entry.target.id, address: entry.address })
    }
  }

  #wants(event: NostrEvent, expires: number | undefined): boolean {
    if (expires !== undefined && expires <= this.#source.now()) return false
    return this.#mayHave(event)
  }

  #mayHave(event: Matchable): boolean {
    return matchFilters(this.filters, event) && mayRead(event, this.#options.keys)
  }

  get #tellsRemovals(): boolean {
    return this.#options.gone && this.mode === 'log'
  }

  #tells({ op, target }: RemovedEntry, successor: StoredEntry | undefined): boolean {
    if (!this.#tellsRemovals) return false
    if (!this.#mayHave(target)) return false
    return op !== 'replaced' || successor === undefined || !this.#wants(successor.event, expirationOf(successor.event))
  }

  #sendBatch(batch: LogBatch): void {
    if (batch.packed === undefined) {
      for (const row of batch.entries) this.#sendRow(row)
      return
    }
    const { seqs } = batch.packed
    this.#told = seqs.at(-1) ?? this.#told
    this.#outlet.sendRun({
      head: this.#eventHead,
      texts: batch.packed,
      ...(this.mode === 'log' ? { numbers: seqs } : {}),
      tail: encode.eventTail(),
    })
  }

  #sendRow(row: LogRow): void {
    this.#told = row.seq
    if (row.op === 'stored') this.#sendEvent(row.json, row.seq)
    else this.#outlet.send(encode.gone(this.sub, row.seq, row.target, row.op))
  }

  #sendEvent(body: string | SharedText, seq?: number): void {
    this.#outlet.sendParts(this.#eventHead, body, encode.eventTail(this.mode === 'log' ? seq : undefined))
  }

  get #eventHead(): SharedText {
    this.#head ??= new SharedText(encode.eventHead(this.sub))
    return this.#head
  }
}
