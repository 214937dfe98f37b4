import { type Filter, matchesNothing } from '../../../protocol/filter.ts'
import { type Horizon, PAGE_BYTES } from '../page.ts'
import type { LogRequest, LogRow } from '../store.ts'
import { authorKey, tagKey } from './keys.ts'
import { kindsOf } from './lanes.ts'
import { createRowTest } from './match.ts'
import { addressIn, type ReadRow, readRow, SQL_ROW } from './row.ts'
import { costOf, ROWS_SQL, type ScanContext } from './rows.ts'
import { SegmentRow, type Segments } from './segments.ts'
import type { Statements } from './statements.ts'

/** Seqs looked at per statement: what is skipped inside SQLite cannot be interrupted. */
const WINDOW = 1_024
/** Rows per statement: a usual page and the row that tells of more. */
const CHUNK = 512
/** Rows of the first statement, which tells how large they are: of large ones a page holds few. */
const FIRST_CHUNK = 32
/** Whoever asks for fewer rows is not charged with reading a segment. */
const WORTH_A_SEGMENT = 128
/** Index entries that are gathered and sorted rather than walking the log between them. */
const MAX_GATHERED = 5_000

/** The log itself, a window of seqs at a time; by no index but the seq, whatever SQLite thinks of the kinds. */
export const LOG_SQL = `SELECT ${SQL_ROW} FROM events e NOT INDEXED
  WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?`
export const LOG_KINDS_SQL = `SELECT ${SQL_ROW} FROM events e NOT INDEXED
  WHERE seq > ? AND seq <= ? AND kind IN (SELECT value FROM json_each(?)) ORDER BY seq LIMIT ?`
const NEXT_SQL = 'SELECT seq FROM events WHERE seq > ? ORDER BY seq LIMIT 1'
/** Mail has an index by seq; what else is asked for is gathered while it is little. */
export const MAIL_SQL =
  'SELECT seq FROM tags INDEXED BY tags_mail WHERE key = ? AND key < 0 AND seq > ? ORDER BY seq LIMIT ?'
export const TAG_SEQS_SQL = 'SELECT seq FROM tags WHERE key = ? LIMIT ?'
export const AUTHOR_SEQS_SQL = 'SELECT seq FROM events INDEXED BY events_author WHERE author = ? AND kind = ? LIMIT ?'

/** Stored events of all filters in ascending seq. Ends at `horizon`, which it lowers when the budget is used up. */
export function* logRows(
  context: ScanContext,
  segments: Segments,
  request: LogRequest,
  last: number,
  horizon: Horizon,
): Generator<LogRow, undefined> {
  const filters = request.filters.filter(filter => !matchesNothing(filter))
  if (filters.length === 0) return undefined
  const { statements, onDamage, budget } = context
  const test = createRowTest(filters, request)
  const chunk = Math.max(1, Math.min(CHUNK, request.limit + 1))
  const seqs = gather(filters, request.after, last, statements)
  const rows =
    seqs === undefined
      ? walk(context, segments, filters, request.after, last, chunk, horizon)
      : pick(seqs, chunk, statements)
  for (const row of rows) {
    budget.entries -= costOf(row instanceof SegmentRow ? row.end - row.start : row.json.length)
    if (!row.intact) onDamage(row.seq)
    else if (test(row))
      yield row instanceof SegmentRow
        ? row
        : { op: 'stored', seq: row.seq, json: row.json, address: request.gone ? addressIn(row) : undefined }
    if (budget.entries <= 0) {
      horizon.seq = Math.min(horizon.seq, row.seq)
      return undefined
    }
  }
  return undefined
}

/** Row by row along the log. */
function* walk(
  { statements, budget }: ScanContext,
  segments: Segments,
  filters: readonly Filter[],
  after: number,
  last: number,
  chunk: number,
  horizon: Horizon,
): Generator<ReadRow, undefined> {
  const kinds = filters.every(filter => filter.kinds !== undefined)
    ? JSON.stringify([...new Set(filters.flatMap(filter => [...(filter.kinds ?? [])]))])
    : undefined
  const page = statements.values(kinds === undefined ? LOG_SQL : LOG_KINDS_SQL)
  let rows = 0
  let chars = 0
  const whole = kinds === undefined && chunk >= WORTH_A_SEGMENT
  for (let from = after; from < last; ) {
    const segment = segments.at(from, last, whole)
    const to = segment?.end ?? Math.min(last, from + WINDOW)
    let found = 0
    if (segment !== undefined) {
      for (const row of segment.rows) {
        if ((typeof row === 'number' ? row : row.seq) <= from) continue
        found += 1
        if (typeof row === 'number') yield* pick([row], 1, statements)
        else yield row
      }
    } else {
      const size = rows === 0 ? Math.min(FIRST_CHUNK, chunk) : nextSize(chunk, rows, chars)
      const texts = (kinds === undefined ? page.all(from, to, size) : page.all(from, to, kinds, size)) as string[]
      let end = from
      for (const text of texts) {
        const row = readRow(text)
        end = row.seq
        rows += 1
        chars += text.length
        yield row
      }
      if (texts.length === size) {
        from = end
        continue
      }
      found = texts.length
    }
    // Looking cost as much as the rows that were skipped.
    budget.entries -= (to - from - found) / 4
    from = found > 0 ? to : Math.max(to, nextSeq(to, last, statements))
    if (budget.entries <= 0 && from < last) {
      horizon.seq = Math.min(horizon.seq, from)
      return undefined
    }
  }
  return undefined
}

/** What a page still has room for, going by the rows so far. */
function nextSize(chunk: number, rows: number, chars: number): number {
  const wanted = rows < chunk ? chunk - rows : chunk
  return Math.max(1, Math.min(wanted, Math.ceil((PAGE_BYTES * rows) / chars)))
}

/** The seq before the next stored event: what was removed leaves wide gaps. */
function nextSeq(after: number, last: number, statements: Statements): number {
  const row = statements.raw(NEXT_SQL).get(after) as [number] | undefined
  return row === undefined ? last : row[0] - 1
}

function* pick(seqs: Iterable<number>, size: number, statements: Statements): Generator<ReadRow, undefined> {
  const fetch = statements.values(ROWS_SQL)
  let chunk: number[] = []
  const read = (): ReadRow[] => (fetch.all(JSON.stringify(chunk)) as string[]).map(readRow)
  for (const seq of seqs) {
    chunk.push(seq)
    if (chunk.length < size) continue
    yield* read()
    chunk = []
  }
  if (chunk.length > 0) yield* read()
  return undefined
}

/** Ascending seqs that hold all matches, by an index; undefined if walking the log costs less, or an index does not serve. */
function gather(
  filters: readonly Filter[],
  after: number,
  last: number,
  statements: Statements,
): Iterable<number> | undefined {
  const [only] = filters
  const mail = only?.tags?.get('p')
  const [recipient] = mail ?? []
  if (filters.length === 1 && mail?.size === 1 && recipient !== undefined) return mailSeqs(recipient, after, statements)
  // Where the rest of the log is short, it is read.
  if (last - after <= CHUNK) return undefined
  const seqs = new Set<number>()
  const room = Math.min(MAX_GATHERED, last - after)
  for (const filter of filters) {
    const some = seqsOf(filter, room, statements)
    if (some === undefined) return undefined
    for (const seq of some) if (seq > after && seq <= last) seqs.add(seq)
    if (seqs.size > room) return undefined
  }
  return [...seqs].sort((a, b) => a - b)
}

function* mailSeqs(recipient: string, after: number, statements: Statements): Generator<number, undefined> {
  const page = statements.raw(MAIL_SQL)
  const key = tagKey('p', recipient)
  for (let from = after; ; ) {
    const rows = page.all(key, from, CHUNK) as [number][]
    for (const [seq] of rows) yield seq
    const end = rows.at(-1)
    if (rows.length < CHUNK || end === undefined) return undefined
    from = end[0]
  }
}

/** Seqs by the narrowest condition; undefined if none leaves few enough. */
function seqsOf(filter: Filter, room: number, statements: Statements): number[] | undefined {
  const conditions: (() => number[] | undefined)[] = [...(filter.tags ?? [])].map(
    ([name, values]) =>
      () =>
        collect(
          [...values].map(value => ({ sql: TAG_SEQS_SQL, params: [tagKey(name, value)] })),
          room,
          statements,
        ),
  )
  if (filter.authors !== undefined && filter.authors.size <= CHUNK) {
    const authors = filter.authors
    conditions.push(() => {
      const ranges = []
      for (const author of [...authors].map(authorKey)) {
        const kinds = filter.kinds ?? kindsOf(author, statements)
        if (kinds === undefined) return undefined
        for (const kind of kinds) ranges.push({ sql: AUTHOR_SEQS_SQL, params: [author, kind] })
      }
      return collect(ranges, room, statements)
    })
  }
  for (const condition of conditions) {
    const seqs = condition()
    if (seqs !== undefined) return seqs
  }
  return undefined
}

function collect(
  ranges: readonly { readonly sql: string; readonly params: readonly number[] }[],
  room: number,
  statements: Statements,
): number[] | undefined {
  const seqs: number[] = []
  for (const { sql, params } of ranges) {
    const rows = statements.raw(sql).all(...params, room - seqs.length + 1) as [number][]
    for (const [seq] of rows) seqs.push(seq)
    if (seqs.length > room) return undefined
  }
  return seqs
}
