import type { Filter } from '../../../protocol/filter.ts'
import type { Position } from '../store.ts'
import { authorKey, MAX_RANK, rankOf, tagKey } from './keys.ts'
import type { Statements } from './statements.ts'

/** What an index says of an event, without its row. */
export type Entry = readonly [created_at: number, rank: number, seq: number, kind: number]

const RANGE = '(created_at, rank) <= (?, ?) AND created_at >= ? ORDER BY created_at DESC, rank DESC LIMIT ?'
const COLUMNS = 'SELECT created_at, rank, seq, kind FROM'

/** One statement per shape of query, each read downwards along one index that covers it (test/relay/plans.test.ts). */
export const LANE_SQL = {
  time: `${COLUMNS} events INDEXED BY events_time WHERE ${RANGE}`,
  kind: `${COLUMNS} events INDEXED BY events_kind WHERE kind = ? AND ${RANGE}`,
  author: `${COLUMNS} events INDEXED BY events_author WHERE author = ? AND kind = ? AND ${RANGE}`,
  tag: `${COLUMNS} tags WHERE key = ? AND ${RANGE}`,
} as const
export const NEXT_KIND_SQL =
  'SELECT kind FROM events INDEXED BY events_author WHERE author = ? AND kind > ? ORDER BY kind LIMIT 1'
export const ID_SQL = `${COLUMNS} events INDEXED BY events_id WHERE rank = ?`

/** A range of one index, to be read in NIP-01's order. */
export interface Lane {
  readonly sql: string
  readonly prefix: readonly number[]
}

/** What a scan is bounded by. */
export interface Span {
  readonly since: number
  /** Inclusive: created_at and rank. */
  readonly from: readonly [created_at: number, rank: number]
}

/** The time span of a filter, going on at a position. */
export function spanOf({ since = 0, until = Number.MAX_SAFE_INTEGER }: Filter, after: Position | undefined): Span {
  return after !== undefined && after.created_at <= until
    ? { since, from: [after.created_at, rankOf(after.id)] }
    : { since, from: [until, MAX_RANK] }
}

/** More ranges than this, of all filters of a question together, are not merged: a wider range is read, and each row asked. */
const MAX_LANES = 4_096
/** A filter's part of them. */
export const lanesFor = (filters: number): number => Math.max(1, Math.floor(MAX_LANES / Math.max(1, filters)))
/** Kinds of one author that are looked up where a filter names none. */
const MAX_KINDS = 64
/** What a choice between two conditions costs at the most: entries counted in each of so many ranges. */
const PROBE = 256
const PROBED_LANES = 8

/** So many ranges of authors that a look for a way around them pays. */
const MANY_LANES = 64
/** Entries of the wider range that are asked for their author. */
const SAMPLE = 256
/** What beginning to read a range costs, in rows read. */
const LANE_COST = 4
/** Kinds that an author is taken to have written, where a filter names none. */
const USUAL_KINDS = 4

/**
 * The fewest index ranges that hold everything a filter finds. `ids` are looked up one by one elsewhere. Of many authors who wrote much of
 * what is new, the first `wanted` matches from `span` on are found sooner by going through all that is new.
 */
export function lanesOf(
  filter: Filter,
  statements: Statements,
  span: Span,
  wanted: number,
  most = MAX_LANES,
): readonly Lane[] {
  const choices: (readonly Lane[])[] = []
  if (filter.authors !== undefined && !isDense(filter, statements, span, wanted)) {
    const lanes = authorLanes(filter.authors, filter.kinds, statements, most)
    if (lanes !== undefined) choices.push(lanes)
  }
  for (const [name, values] of filter.tags ?? []) choices.push(tagLanes(name, values))
  const [only, ...others] = choices
  if (only !== undefined && others.length === 0) return only
  if (only !== undefined) return smallest(choices, statements)
  return wideLanes(filter)
}

export const tagLanes = (name: string, values: ReadonlySet<string>): readonly Lane[] =>
  [...values].map(value => ({ sql: LANE_SQL.tag, prefix: [tagKey(name, value)] }))

/** Everything of a filter's time and kinds. */
export const wideLanes = ({ kinds }: Filter): readonly Lane[] =>
  kinds === undefined || kinds.size > MAX_LANES
    ? [{ sql: LANE_SQL.time, prefix: [] }]
    : [...kinds].map(kind => ({ sql: LANE_SQL.kind, prefix: [kind] }))

/** The authors of a range's first entries. */
export const sampleSql = (lane: string): string =>
  `SELECT e.author FROM (${lane}) i CROSS JOIN events e ON e.seq = i.seq`

/** Whether so much of all that is new is by these authors that reading it through costs less than their ranges. */
function isDense(filter: Filter, statements: Statements, { from, since }: Span, wanted: number): boolean {
  const { authors, kinds, tags } = filter
  if (authors === undefined || (tags !== undefined && tags.size > 0)) return false
  const ranges = authors.size * (kinds?.size ?? USUAL_KINDS)
  const wide = wideLanes(filter)
  if (ranges < MANY_LANES || wide.length > PROBED_LANES) return false
  const keys = new Set([...authors].map(authorKey))
  let entries = 0
  let matches = 0
  let all = true
  const share = Math.ceil(SAMPLE / wide.length)
  for (const { sql, prefix } of wide) {
    const some = statements.values(sampleSql(sql)).all(...prefix, ...from, since, share)
    entries += some.length
    all &&= some.length < share
    for (const author of some as number[]) if (keys.has(author)) matches += 1
  }
  const rows = all ? entries : (wanted * entries) / Math.max(matches, 0.5)
  return rows < ranges * LANE_COST
}

/** Undefined if there are too many. */
export function authorLanes(
  authors: ReadonlySet<string>,
  kinds: ReadonlySet<number> | undefined,
  statements: Statements,
  most = MAX_LANES,
): readonly Lane[] | undefined {
  if (kinds !== undefined && authors.size * kinds.size > most) return undefined
  const lanes: Lane[] = []
  for (const pubkey of authors) {
    const author = authorKey(pubkey)
    const its = kinds ?? kindsOf(author, statements)
    if (its === undefined) return undefined
    for (const kind of its) lanes.push({ sql: LANE_SQL.author, prefix: [author, kind] })
    if (lanes.length > most) return undefined
  }
  return lanes
}

/** The kinds an author has written, from kind to kind along the index; undefined if they are very many. */
export function kindsOf(author: number, statements: Statements): readonly number[] | undefined {
  const next = statements.raw(NEXT_KIND_SQL)
  const kinds: number[] = []
  for (let kind = -1; kinds.length <= MAX_KINDS; ) {
    const row = next.get(author, kind) as [number] | undefined
    if (row === undefined) return kinds
    kind = row[0]
    kinds.push(kind)
  }
  return undefined
}

/** The kinds that any of these authors has written; undefined if one has written very many. */
export function kindsOfAll(
  authors: ReadonlySet<string>,
  statements: Statements,
  most = MAX_LANES,
): ReadonlySet<number> | undefined {
  const kinds = new Set<number>()
  for (const author of authors) {
    const its = kindsOf(authorKey(author), statements)
    if (its === undefined) return undefined
    for (const kind of its) kinds.add(kind)
    if (kinds.size * authors.size > most) return undefined
  }
  return kinds
}

/** By counting a few entries of each. */
function smallest(choices: readonly (readonly Lane[])[], statements: Statements): readonly Lane[] {
  let best: readonly Lane[] = []
  let least = Number.POSITIVE_INFINITY
  for (const lanes of choices) {
    let weight = 0
    for (const { sql, prefix } of lanes.slice(0, PROBED_LANES)) {
      const counted = statements.raw(`SELECT count(*) FROM (${sql})`)
      const [entries] = counted.get(...prefix, Number.MAX_SAFE_INTEGER, MAX_RANK, 0, PROBE) as [number]
      weight += entries
    }
    weight *= Math.max(1, lanes.length / PROBED_LANES)
    if (weight < least) {
      best = lanes
      least = weight
    }
  }
  return best
}
