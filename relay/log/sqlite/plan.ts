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

/** Seqs that a statement looks at: above `above`, up to `upTo`. */
export interface SeqSpan {
  readonly above: number
  readonly upTo: number
}

/** A query in SQL alone, exact: what an index key leaves open is asked of the text. */
function conditions(filter: Filter, { keys, now }: Reader, { above, upTo }: SeqSpan, exact: boolean): Where {
  const where = new Where()
  where.and('e.seq <= ?', upTo)
  if (above > 0) where.and('e.seq > ?', above)
  if (filter.ids !== undefined) where.in('e.rank', [...filter.ids].map(rankOf)).in(SQL_ID, filter.ids)
  if (filter.authors !== undefined)
    where.in('e.author', [...filter.authors].map(authorKey)).in(SQL_PUBKEY, filter.authors)
  if (filter.kinds !== undefined) where.in('e.kind', filter.kinds)
  if (filter.since !== undefined) where.and('e.created_at >= ?', filter.since)
  if (filter.until !== undefined) where.and('e.created_at <= ?', filter.until)
  if (filter.since_seq !== undefined) where.and('e.seq > ?', filter.since_seq)
  for (const [name, values] of exact ? (filter.tags ?? []) : []) {
    const needles = [...values].map(value => tagNeedle(name, value))
    const [only] = needles
    if (needles.length === 1 && only !== undefined) where.and('instr(e.json, ?) > 0', only)
    else where.and('EXISTS (SELECT 1 FROM json_each(?) v WHERE instr(e.json, v.value) > 0)', JSON.stringify(needles))
  }
  const words = filter.search === undefined ? undefined : matchExpression(filter.search)
  if (words !== undefined)
    where.and(
      'e.seq IN (SELECT rowid FROM search WHERE search MATCH ? AND rowid > ? AND rowid <= ?)',
      words,
      above,
      upTo,
    )
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
  span: SeqSpan,
  lanes: number,
  exact = true,
): { readonly sql: string; readonly params: (string | number)[] } {
  const where = conditions(filter, reader, span, exact)
  const driver = drivingTag(filter)
  // A stretch of the log is read by seq alone.
  if (driver === undefined || span.above > 0)
    return {
      sql: `FROM events e ${span.above > 0 ? 'NOT INDEXED' : hint(filter, lanes)} WHERE ${where.parts.join(' AND ')}`,
      params: where.params,
    }
  const [name, values] = driver
  where.in('t.key', new Set([...values].map(value => tagKey(name, value))))
  if (filter.kinds !== undefined) where.in('t.kind', filter.kinds)
  // The rows of private mail are not even looked up: how long that takes would tell how much there is.
  if (reader.keys.length === 0) where.and(`t.kind NOT IN (${restrictedKinds.join(',')})`)
  if (filter.since !== undefined) where.and('t.created_at >= ?', filter.since)
  if (filter.until !== undefined) where.and('t.created_at <= ?', filter.until)
  return {
    sql: `FROM tags t CROSS JOIN events e ON e.seq = t.seq WHERE ${where.parts.join(' AND ')}`,
    params: where.params,
  }
}

/**
 * Statistics of a small or lopsided log make SQLite read the whole table. Of more authors and kinds than `lanes` in all, each of which would
 * be looked up by itself, the time is read through.
 */
function hint({ ids, authors, kinds, search, since }: Filter, lanes: number): string {
  if (search !== undefined) return ''
  if (ids !== undefined) return 'INDEXED BY events_id'
  if (authors !== undefined && (kinds === undefined ? since === undefined : authors.size * kinds.size <= lanes))
    return 'INDEXED BY events_author'
  return kinds === undefined ? 'INDEXED BY events_time' : 'INDEXED BY events_kind'
}

/** All words, each a quoted string: what a user types is never FTS5 syntax. Undefined if there are none. */
export function matchExpression(search: string): string | undefined {
  const terms = queryTerms(search)
  return terms.length === 0 ? undefined : terms.map(term => `"${term}"`).join(' ')
}

/** Who wrote what a filter finds, each once. Restricted kinds are the caller's to exclude. */
export function authorsPlan(filter: Filter, reader: Reader, upTo: number, lanes: number): Plan {
  const { sql, params } = source(filter, reader, { above: 0, upTo }, lanes)
  return { sql: `SELECT DISTINCT ${SQL_PUBKEY} AS pubkey ${sql}`, params }
}

/** Seqs that hold all that {@link countPlan} counts: of each filter's tags only the leading condition is asked, by its key. */
export function candidatesPlan(filters: readonly Filter[], reader: Reader, span: SeqSpan, lanes: number): Plan {
  const sources = filters.map(filter => {
    const { tags: _, ...plain } = filter
    const driver = drivingTag(filter)
    return source(driver === undefined ? plain : { ...plain, tags: new Map([driver]) }, reader, span, lanes, false)
  })
  return {
    sql: sources.map(({ sql }) => `SELECT DISTINCT e.seq ${sql}`).join(' UNION '),
    params: sources.flatMap(({ params }) => params),
  }
}

/** The number of distinct events within a span of seqs that any of the filters finds. */
export function countPlan(filters: readonly Filter[], reader: Reader, span: SeqSpan, lanes: number): Plan {
  const sources = filters.map(filter => source(filter, reader, span, lanes))
  return {
    sql: `SELECT count(*) FROM (${sources.map(({ sql }) => `SELECT DISTINCT e.seq ${sql}`).join(' UNION ')})`,
    params: sources.flatMap(({ params }) => params),
  }
}
