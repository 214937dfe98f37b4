import type { Filter } from '../../../protocol/filter.ts'
import { restrictedKinds } from '../../../protocol/kinds.ts'
import { queryTerms } from '../../search.ts'
import type { Reader } from '../store.ts'
import { authorKey, rankOf, tagKey } from './keys.ts'
import { SQL_ID, SQL_PUBKEY, tagNeedle } from './row.ts'

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
      : this.and(`${column} IN (SELECT value FROM json_each(?))`, JSON.stringify(list))
  }
}

/** A query in SQL alone, exact: what an index key leaves open is asked of the text. */
function conditions(filter: Filter, { keys, now }: Reader, upTo?: number): Where {
  const where = new Where()
  if (upTo !== undefined) where.and('e.seq <= ?', upTo)
  if (filter.ids !== undefined) where.in('e.rank', [...filter.ids].map(rankOf)).in(SQL_ID, filter.ids)
  if (filter.authors !== undefined)
    where.in('e.author', [...filter.authors].map(authorKey)).in(SQL_PUBKEY, filter.authors)
  if (filter.kinds !== undefined) where.in('e.kind', filter.kinds)
  if (filter.since !== undefined) where.and('e.created_at >= ?', filter.since)
  if (filter.until !== undefined) where.and('e.created_at <= ?', filter.until)
  if (filter.since_seq !== undefined) where.and('e.seq > ?', filter.since_seq)
  for (const [name, values] of filter.tags ?? []) {
    const needles = [...values].map(value => tagNeedle(name, value))
    const [only] = needles
    if (needles.length === 1 && only !== undefined) where.and('instr(e.json, ?) > 0', only)
    else where.and('EXISTS (SELECT 1 FROM json_each(?) v WHERE instr(e.json, v.value) > 0)', JSON.stringify(needles))
  }
  const words = filter.search === undefined ? undefined : matchExpression(filter.search)
  if (words !== undefined) where.and('e.seq IN (SELECT rowid FROM search WHERE search MATCH ?)', words)
  // With keys, mayRead() decides row by row; without, the restricted kinds need not even be read.
  if (keys.length === 0) where.and(`e.kind NOT IN (${restrictedKinds.join(',')})`)
  return where.and('(e.expires_at IS NULL OR e.expires_at > ?)', now)
}

/** The tag condition that leads: the one with the fewest values, unless ids or words do. */
export function drivingTag({ tags, ids, search }: Filter): readonly [string, ReadonlySet<string>] | undefined {
  if (ids !== undefined || search !== undefined) return undefined
  return [...(tags ?? [])].sort(([, a], [, b]) => a.size - b.size)[0]
}

/** FROM and WHERE of a filter. CROSS JOIN keeps SQLite from turning it round. */
function source(
  filter: Filter,
  reader: Reader,
  upTo?: number,
): { readonly sql: string; readonly params: (string | number)[] } {
  const where = conditions(filter, reader, upTo)
  const driver = drivingTag(filter)
  if (driver === undefined)
    return { sql: `FROM events e ${hint(filter)} WHERE ${where.parts.join(' AND ')}`, params: where.params }
  const [name, values] = driver
  where.in('t.key', new Set([...values].map(value => tagKey(name, value))))
  if (filter.kinds !== undefined) where.in('t.kind', filter.kinds)
  if (filter.since !== undefined) where.and('t.created_at >= ?', filter.since)
  if (filter.until !== undefined) where.and('t.created_at <= ?', filter.until)
  return {
    sql: `FROM tags t CROSS JOIN events e ON e.seq = t.seq WHERE ${where.parts.join(' AND ')}`,
    params: where.params,
  }
}

/** Statistics of a small or lopsided log make SQLite read the whole table. */
function hint({ ids, authors, kinds, search }: Filter): string {
  if (search !== undefined) return ''
  if (ids !== undefined) return 'INDEXED BY events_id'
  if (authors !== undefined) return 'INDEXED BY events_author'
  return kinds === undefined ? 'INDEXED BY events_time' : 'INDEXED BY events_kind'
}

/** The newest matches that are ranked against each other: what bounds a search for a word that everybody uses. */
const CANDIDATES = 10_000

/** Matches of a filter with a search, best first; of equals the newest, then the lowest id. Undefined if it holds no words. */
export function searchPlan({ search = '', ...filter }: Filter, reader: Reader, limit: number): Plan | undefined {
  const words = matchExpression(search)
  if (words === undefined) return undefined
  const where = conditions(filter, reader)
  return {
    sql: `SELECT seq FROM (
      SELECT e.seq, e.created_at, ${SQL_ID} AS id, round(bm25(search), 9) AS score
      FROM search CROSS JOIN events e ON e.seq = search.rowid
      WHERE search MATCH ? AND ${where.parts.join(' AND ')} ORDER BY search.rowid DESC LIMIT ${CANDIDATES}
    ) ORDER BY score, created_at DESC, id LIMIT ?`,
    params: [words, ...where.params, limit],
  }
}

/** Every row that has all words; undefined if there are none. */
export function wordsPlan(search: string): Plan | undefined {
  const words = matchExpression(search)
  return words === undefined ? undefined : { sql: 'SELECT rowid FROM search WHERE search MATCH ?', params: [words] }
}

/** All words, each a quoted string: what a user types is never FTS5 syntax. Undefined if there are none. */
function matchExpression(search: string): string | undefined {
  const terms = queryTerms(search)
  return terms.length === 0 ? undefined : terms.map(term => `"${term}"`).join(' ')
}

/** Who wrote what a filter finds, each once. Restricted kinds are the caller's to exclude. */
export function authorsPlan(filter: Filter, reader: Reader): Plan {
  const { sql, params } = source(filter, reader)
  return { sql: `SELECT DISTINCT ${SQL_PUBKEY} AS pubkey ${sql}`, params }
}

/** The number of distinct events with seqs up to `upTo` that any of the filters finds. */
export function countPlan(filters: readonly Filter[], reader: Reader, upTo: number): Plan {
  const sources = filters.map(filter => source(filter, reader, upTo))
  return {
    sql: `SELECT count(*) FROM (${sources.map(({ sql }) => `SELECT DISTINCT e.seq ${sql}`).join(' UNION ')})`,
    params: sources.flatMap(({ params }) => params),
  }
}
