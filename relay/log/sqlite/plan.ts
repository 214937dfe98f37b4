import type { Filter } from '../../../protocol/filter.ts'
import { restrictedKinds } from '../../../protocol/kinds.ts'
import { queryTerms } from '../../search.ts'
import type { Position, Reader } from '../store.ts'

/** A statement and its parameters. */
export interface Plan {
  readonly sql: string
  readonly params: readonly (string | number)[]
}

/** A WHERE clause under construction: text and parameters side by side. Values are always bound, never written into the text. */
class Where {
  readonly parts: string[] = []
  readonly params: (string | number)[] = []
  and(sql: string, ...params: (string | number)[]): this {
    this.parts.push(sql)
    this.params.push(...params)
    return this
  }
  in(column: string, values: Iterable<string | number>): this {
    const list = [...values]
    return list.length === 1
      ? this.and(`${column} = ?`, ...list)
      : this.and(`${column} IN (${list.map(() => '?').join(',')})`, ...list)
  }
}

/** Everything a filter and a reader ask of a row. `driver`: the tag that the scan already runs along. */
function conditions(filter: Filter, { keys, now }: Reader, driver: string | undefined): Where {
  const where = new Where()
  if (filter.ids !== undefined) where.in('e.id', filter.ids)
  if (filter.authors !== undefined) where.in('e.pubkey', filter.authors)
  if (filter.kinds !== undefined) where.in('e.kind', filter.kinds)
  if (filter.since !== undefined) where.and('e.created_at >= ?', filter.since)
  if (filter.until !== undefined) where.and('e.created_at <= ?', filter.until)
  for (const [name, values] of filter.tags ?? []) {
    if (name === driver) continue
    const tag = new Where().and('x.name = ?', name).in('x.value', values)
    where.and(`EXISTS (SELECT 1 FROM tags x WHERE ${tag.parts.join(' AND ')} AND x.seq = e.seq)`, ...tag.params)
  }
  const words = filter.search === undefined ? undefined : matchExpression(filter.search)
  if (words !== undefined) where.and('e.seq IN (SELECT rowid FROM search WHERE search MATCH ?)', words)
  // With keys, mayRead() decides row by row; without, the restricted kinds need not even be read.
  if (keys.length === 0) where.and(`e.kind NOT IN (${restrictedKinds.join(',')})`)
  return where.and('(e.expires_at IS NULL OR e.expires_at > ?)', now)
}

/** The tag condition to scan along: one with a single value, so that its index order is the result's order. */
function drivingTag(filter: Filter): [name: string, value: string] | undefined {
  if (filter.ids !== undefined) return undefined
  for (const [name, values] of filter.tags ?? []) {
    const [value] = values
    if (values.size === 1 && value !== undefined) return [name, value]
  }
  return undefined
}

/** Rows of a filter newest first, lowest id first within a second, strictly after a position. */
export const timePlan = (
  filter: Filter,
  reader: Reader,
  after: Position | undefined,
  upTo: number,
  limit: number,
): Plan => inTime('e.seq, e.id, e.created_at, e.json, e.sig_sum', filter, reader, after, upTo, limit)

/** The same order, without the events: `json` only of those that the access function must look at. */
export const stubPlan = (
  filter: Filter,
  reader: Reader,
  after: Position | undefined,
  upTo: number,
  limit: number,
): Plan =>
  inTime(
    `e.id, e.created_at, CASE WHEN e.kind IN (${restrictedKinds.join(',')}) THEN e.json END AS json`,
    filter,
    reader,
    after,
    upTo,
    limit,
  )

function inTime(
  columns: string,
  filter: Filter,
  reader: Reader,
  after: Position | undefined,
  upTo: number,
  limit: number,
): Plan {
  const driver = drivingTag(filter)
  const where = conditions(filter, reader, driver?.[0]).and('e.seq <= ?', upTo)
  const time = driver === undefined ? 'e.created_at' : 't.created_at'
  if (after !== undefined)
    where.and(`${time} <= ?`, after.created_at).and(`(${time} < ? OR e.id > ?)`, after.created_at, after.id)
  const from = source(driver, where)
  return {
    sql: `SELECT ${columns} ${from} WHERE ${where.parts.join(' AND ')} ORDER BY ${time} DESC, e.id LIMIT ?`,
    params: [...where.params, limit],
  }
}

/** Rows of a filter in log order, strictly after a seq. */
export function logPlan(filter: Filter, reader: Reader, after: number, limit: number): Plan {
  const driver = drivingTag(filter)
  const where = conditions(filter, reader, driver?.[0])
  const seq = driver === undefined ? 'e.seq' : 't.seq'
  where.and(`${seq} > ?`, after)
  const from = source(driver, where)
  return {
    sql: `SELECT e.seq, e.address, e.json, e.sig_sum ${from} WHERE ${where.parts.join(' AND ')} ORDER BY ${seq} LIMIT ?`,
    params: [...where.params, limit],
  }
}

/** The newest matches that are ranked against each other: what bounds a search for a word that everybody uses. */
const CANDIDATES = 10_000

/** Matches of a filter with a search, best first; of equals the newest, then the lowest id. Undefined if it holds no words. */
export function searchPlan({ search = '', ...filter }: Filter, reader: Reader, limit: number): Plan | undefined {
  const words = matchExpression(search)
  if (words === undefined) return undefined
  const where = conditions(filter, reader, undefined)
  return {
    sql: `SELECT seq FROM (
      SELECT e.seq, e.created_at, e.id, round(bm25(search), 9) AS score FROM search CROSS JOIN events e ON e.seq = search.rowid
      WHERE search MATCH ? AND ${where.parts.join(' AND ')} ORDER BY search.rowid DESC LIMIT ${CANDIDATES}
    ) ORDER BY score, created_at DESC, id LIMIT ?`,
    params: [words, ...where.params, limit],
  }
}

/** All words, each a quoted string: what a user types is never FTS5 syntax. Undefined if there are none. */
function matchExpression(search: string): string | undefined {
  const terms = queryTerms(search)
  return terms.length === 0 ? undefined : terms.map(term => `"${term}"`).join(' ')
}

/** Who wrote what a filter finds, each once. Restricted kinds are the caller's to exclude. */
export function authorsPlan(filter: Filter, reader: Reader): Plan {
  const driver = drivingTag(filter)
  const where = conditions(filter, reader, driver?.[0])
  const from = source(driver, where)
  return { sql: `SELECT DISTINCT e.pubkey ${from} WHERE ${where.parts.join(' AND ')}`, params: where.params }
}

/** The number of distinct events any of the filters finds. */
export function countPlan(filters: readonly Filter[], reader: Reader): Plan {
  const params: (string | number)[] = []
  const selects = filters.map(filter => {
    const driver = drivingTag(filter)
    const where = conditions(filter, reader, driver?.[0])
    const from = source(driver, where)
    params.push(...where.params)
    return `SELECT e.seq ${from} WHERE ${where.parts.join(' AND ')}`
  })
  return { sql: `SELECT count(*) FROM (${selects.join(' UNION ')})`, params }
}

/** CROSS JOIN keeps SQLite from turning the tag scan round. */
function source(driver: [string, string] | undefined, where: Where): string {
  if (driver === undefined) return 'FROM events e'
  where.and('t.name = ?', driver[0]).and('t.value = ?', driver[1])
  return 'FROM tags t CROSS JOIN events e ON e.seq = t.seq'
}
