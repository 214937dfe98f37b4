import type { Cancel, Timers } from '../platform/timers.ts'
import type { Filter } from '../protocol/filter.ts'
import type { LogBatch, LogRequest, Store } from './log/store.ts'

/** Pages held at once, for all connections together: 16 × 256 KiB. */
const HELD = 16
/** Whoever asks later reads anew. */
const HELD_MS = 1_000

/** What it needs of the relay. */
export interface ReadAheadHost {
  readonly store: Pick<Store, 'readLog'>
  readonly timers: Timers
  /** Seconds. */
  now(): number
  /** Counts commits that took something away: what was read before one is not served after it. */
  readonly removals: number
  /** Pages held now. */
  held: number
}

interface Next {
  readonly key: string
  readonly now: number
  readonly removals: number
  readonly batch: Promise<LogBatch | undefined>
  readonly cancel: Cancel
}

/**
 * The next page of a client that reads the log page by page, read while it is busy with the last one. It is served only if it is what
 * reading now would give: the same question within the same second, nothing removed since, and not the log's end, where entries that come
 * meanwhile belong to it.
 */
export class ReadAhead {
  readonly #host: ReadAheadHost
  #next: Next | undefined
  /** Where the last page ended. */
  #end: number | undefined

  constructor(host: ReadAheadHost) {
    this.#host = host
  }

  /** What was read for this request; undefined if there is nothing that holds. */
  async take(request: LogRequest): Promise<LogBatch | undefined> {
    const next = this.#next
    this.drop()
    const { removals } = this.#host
    if (next === undefined || next.now !== request.now || next.removals !== removals) return undefined
    if (next.key !== keyOf(request)) return undefined
    const batch = await next.batch
    return batch !== undefined && batch.upTo < batch.last && this.#host.removals === removals ? batch : undefined
  }

  /** A page from `from` on has ended where the next one would begin: of a client that came from the page before, it is read now. */
  prepare(from: number, request: Omit<LogRequest, 'now'>): void {
    const host = this.#host
    const goesOn = this.#end === from
    this.#end = request.after
    this.drop()
    if (!goesOn || host.held >= HELD) return
    host.held += 1
    const now = host.now()
    this.#next = {
      key: keyOf(request),
      now,
      removals: host.removals,
      // Of what fails the request itself will tell.
      batch: host.store.readLog({ ...request, now }).catch(() => undefined),
      cancel: host.timers.after(HELD_MS, () => this.drop(), { background: true }),
    }
  }

  drop(): void {
    if (this.#next === undefined) return
    this.#host.held -= 1
    this.#next.cancel()
    this.#next = undefined
  }
}

/** All that an answer depends on, but the time. */
const keyOf = ({ filters, keys, gone, after, limit }: Omit<LogRequest, 'now'>): string =>
  JSON.stringify([filters.map(partsOf), keys, gone, after, limit])

const partsOf = ({ ids, authors, kinds, since, until, tags, search }: Filter): unknown[] => [
  listOf(ids),
  listOf(authors),
  listOf(kinds),
  since,
  until,
  tags && [...tags].map(([name, values]) => [name, ...values]),
  search,
]
const listOf = (values: ReadonlySet<unknown> | undefined): unknown[] | undefined => values && [...values]
