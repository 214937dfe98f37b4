import type { NostrEvent } from '../../protocol/event.ts'
import type { FilterJson } from '../../protocol/filter.ts'
import type { EventStub } from '../../protocol/negentropy/index.ts'

/** One answer of a relay without a log. */
export interface PlainPage {
  /** Verified, and asked for. */
  readonly events: readonly NostrEvent[]
  /** EVENT frames that it had, forged and repeated ones included, and the different ids in them. */
  readonly given: number
  readonly ids: number
  /** NIP-67: the relay says that nothing else matches. */
  readonly finished: boolean
}

/** A relay without a log, as far as it is needed to read all that matches. */
export interface PlainSource {
  /** One REQ up to its EOSE. Rejects if the relay refuses it, or is lost. `anything`: what comes is only counted. */
  ask(filter: FilterJson, anything?: boolean): Promise<PlainPage>
  /** NIP-45; undefined where the relay does not count. May reject. */
  count?(filter: FilterJson): Promise<number | undefined>
  /** NIP-77: ids that the relay has and `held` lacks. Rejects where the relay does not reconcile. */
  lacking?(filter: FilterJson, held: readonly EventStub[]): Promise<readonly string[]>
  /** Events that were not had before. */
  take(events: readonly NostrEvent[]): void | Promise<void>
  /** Enough was had, or it is not waited for any more. */
  isOver?(): boolean
  /** Seconds since 1970. */
  readonly now: number
  /** Events asked for at once. */
  readonly limit: number
}

/** The page of an answer; `invalid`: what did not verify, or was not asked for. */
export function pageOf(events: readonly NostrEvent[], invalid: number, finished: boolean): PlainPage {
  const ids = new Set(events.map(({ id }) => id)).size
  return { events, given: events.length + invalid, ids: ids + invalid, finished }
}

/** In place of a scope, of a position in time: what was read up to there may not be all. */
export const PARTIAL_SCOPE = 'partial'

/** Why a relay may have more than it gave. */
export interface Doubt {
  readonly reason: string
  /** Of the oldest of what may be lacking, seconds since 1970. */
  readonly since: number
}

/** A second, or a span of time, of which a relay gave all that it gives at once. */
export interface Full {
  readonly since: number
  readonly until: number
  readonly asked: number
  readonly given: number
  readonly ids: number
}

/** How much is in a page: frames, and different events. */
export type Size = Pick<PlainPage, 'given' | 'ids'>

/** What is known of a relay's pages, and of what it has. Counts are events. */
export interface Reading {
  readonly filter: FilterJson
  /** By id, when they were written. */
  readonly had: Map<string, number>
  /** The largest page so far, in frames and in different events. Its limit is not below. */
  frames: number
  largest: number
  /** The smallest page after which more was found in the time that it was asked for. */
  cutAt: number
  /** It gives what is newer than was asked for. */
  ignoresUntil: boolean
  full: Full[]
}

/** What is dated within this of now may have come since the question. Seconds. */
export const JUST_NOW = 60
/** Nothing is asked without an end of time but what stays open: later than any date, and within what relays take for one. */
export const FOREVER = 2 ** 31 - 1

export const OVER = new Error('it is not waited for any more')

export const newReading = (filter: FilterJson): Reading => ({
  filter,
  had: new Map(),
  frames: 0,
  largest: 0,
  cutAt: Number.POSITIVE_INFINITY,
  ignoresUntil: false,
  full: [],
})

/** Of a page: it may be only what the relay gives at once. */
export const mayBeCut = (reading: Reading, full: Full): boolean => full.given >= full.asked || !isWhole(reading, full)

/** A page that is smaller than those that the relay gave before, and than those that it cut, holds all that there is. */
export const isWhole = ({ frames, largest, cutAt }: Reading, { given, ids }: Size): boolean =>
  given < frames && ids < Math.min(largest, cutAt)

/** A relay's limit is not below what it gave. */
export function learnSize(reading: Reading, { given, ids }: Size): void {
  reading.frames = Math.max(reading.frames, given)
  reading.largest = Math.max(reading.largest, ids)
}

/** A page, and what of it was not had before. */
export interface ReadPage extends PlainPage {
  readonly unknown: readonly NostrEvent[]
}

/** Asks, takes what is new, and remembers how much the relay gives. */
export async function askPage(reading: Reading, source: PlainSource, filter: FilterJson): Promise<ReadPage> {
  if (source.isOver?.()) throw OVER
  return readPage(reading, source, filter, await source.ask(filter))
}

export async function readPage(
  reading: Reading,
  source: PlainSource,
  { until = FOREVER }: FilterJson,
  page: PlainPage,
): Promise<ReadPage> {
  const unique = new Map(page.events.map(event => [event.id, event]))
  const unknown = [...unique.values()].filter(({ id }) => !reading.had.has(id))
  for (const { id, created_at } of unknown) reading.had.set(id, created_at)
  if (page.events.some(({ created_at }) => created_at > until)) reading.ignoresUntil = true
  learnSize(reading, page)
  if (unknown.length > 0) await source.take(unknown)
  if (source.isOver?.()) throw OVER
  return { ...page, unknown }
}

export interface Window {
  readonly since: number
  readonly until: number
}

/** The filter for a window of time, whatever limit and times it has itself. */
export function within(limit: number, filter: FilterJson, { since, until }: Window): FilterJson {
  return { ...filter, since, limit, until: Math.min(until, FOREVER) }
}
