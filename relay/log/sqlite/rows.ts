import type { Filter } from '../../../protocol/filter.ts'
import { audienceOf } from '../../../protocol/kinds.ts'
import { searchableText, termsOf } from '../../search.ts'
import type { Pause, Row } from '../page.ts'
import type { Position, Reader } from '../store.ts'
import type { ReadEntries } from './index-pages.ts'
import { lastIdOf, rankOf } from './keys.ts'
import { type Entry, ID_SQL, lanesOf, type Span, spanOf } from './lanes.ts'
import { createRowTest, type RowTest } from './match.ts'
import { mergeLanes } from './merge.ts'
import type { Recent } from './recent.ts'
import { eventOfIntact, idIn, type ReadRow, readRow, SQL_ROW } from './row.ts'
import type { Statements } from './statements.ts'

/** The last event up to a seq. */
export const SEQ_BELOW_SQL = 'SELECT seq FROM events WHERE seq <= ? ORDER BY seq DESC LIMIT 1'
/** Rows fetched at a time. */
const CHUNK = 128
/** Rows by their seqs, in the order asked for. */
export const ROWS_SQL = `SELECT ${SQL_ROW} FROM json_each(?) j CROSS JOIN events e ON e.seq = j.value`

/** What one request may look at before others have their turn; it then goes on where it was. */
export interface Budget {
  entries: number
}

/** Reading a row costs as much as looking at so many index entries, and at one more for so many characters of it. */
const ROW_COST = 2
const CHARS_PER_ENTRY = 1_024
export const costOf = (chars: number): number => ROW_COST + chars / CHARS_PER_ENTRY

export interface ScanContext {
  readonly statements: Statements
  readonly read: ReadEntries
  /** Rows that were found intact, so that what many ask for is read and hashed once: they are looked for only where an index of the snapshot has them. */
  readonly cache: Recent<ReadRow>
  /** Called for each row that is not what was stored; it is left out. */
  readonly onDamage: (seq: number) => void
  readonly budget: Budget
}

export interface TimeScan {
  readonly filter: Filter
  readonly after: Position | undefined
  /** Highest seq. */
  readonly upTo: number
  /** How many rows will probably be asked for. */
  readonly wanted: number
  /** Words that an event must have, each of them. */
  readonly terms: readonly string[] | undefined
  /** Ranges of indexes that may be merged. */
  readonly lanes: number
}

/** Looking for words in one event costs as much as looking at so many entries, and at one more for so many characters of it. */
const WORDS_COST = 10
const WORDS_CHARS = 64

/** Intact rows of a filter in NIP-01's order: entries of covering indexes merged, rows fetched for those alone. */
export function* rowsInTime(context: ScanContext, scan: TimeScan, reader: Reader): Generator<Row | Pause, undefined> {
  const { filter, after, upTo, terms } = scan
  const { statements, budget } = context
  const span = spanOf(filter, after)
  const entries =
    filter.ids === undefined
      ? // One more tells that the place of the last one is complete, without another look.
        mergeLanes(context.read, lanesOf(filter, statements, span, scan.wanted, scan.lanes), span, scan.wanted + 1)
      : entriesOf(filter.ids, span, statements)
  const matches = createRowTest([filter], reader)
  const test: RowTest = row => matches(row) && (terms === undefined || hasWords(row, terms, budget))
  // Rows that nobody but their parties may have need not even be read.
  const stranger = reader.keys.length === 0
  let size = Math.max(1, Math.min(CHUNK, scan.wanted))
  let chunk: Entry[] = []
  let last: Entry | undefined
  for (const entry of entries) {
    const [created_at, rank, seq, kind] = entry
    // Within a place of the order ids are sorted below, so it is left or taken as a whole.
    if (last !== undefined && (last[0] !== created_at || last[1] !== rank)) {
      if (chunk.length >= size) {
        yield* fetch(context, chunk, after, test)
        chunk = []
        size = CHUNK
      }
      if (budget.entries <= 0) {
        yield* fetch(context, chunk, after, test)
        yield { pause: true, created_at: last[0], id: lastIdOf(last[1]) }
        return undefined
      }
    }
    last = entry
    budget.entries -= 1
    if (seq > upTo || filter.kinds?.has(kind) === false) continue
    if (stranger && audienceOf(kind) !== 'anyone') continue
    chunk.push(entry)
  }
  yield* fetch(context, chunk, after, test)
  return undefined
}

/** Asked of the text, as the index was made of it: to look up one event in FTS5 costs as much as to look up all. */
function hasWords(row: ReadRow, terms: readonly string[], budget: Budget): boolean {
  budget.entries -= WORDS_COST + row.json.length / WORDS_CHARS
  const words = new Set(termsOf(searchableText(eventOfIntact(row)) ?? ''))
  return terms.every(term => words.has(term))
}

function* fetch(
  context: ScanContext,
  entries: readonly Entry[],
  after: Position | undefined,
  test: RowTest,
): Generator<Row, undefined> {
  if (entries.length === 0) return undefined
  const found = rowsOf(context, entries)
  const rows: Row[] = []
  for (const [index, [created_at]] of entries.entries()) {
    const row = found[index]
    if (row === undefined) continue
    context.budget.entries -= costOf(row.json.length)
    if (row.created_at !== created_at) context.onDamage(row.seq)
    else if (test(row)) rows.push({ seq: row.seq, created_at, id: idIn(row.json), json: row.json })
  }
  sortPlaces(rows)
  for (const row of rows) if (after === undefined || row.created_at !== after.created_at || row.id > after.id) yield row
  return undefined
}

/** The intact rows of these entries, each at its entry's place; read in one statement as far as they are not known. */
function rowsOf({ statements, onDamage, cache }: ScanContext, entries: readonly Entry[]): (ReadRow | undefined)[] {
  const rows = entries.map(entry => cache.get(entry[2]))
  const missing = entries.filter((_, index) => rows[index] === undefined).map(entry => entry[2])
  if (missing.length === 0) return rows
  const read = (statements.values(ROWS_SQL).all(JSON.stringify(missing)) as string[]).map(readRow)
  let at = 0
  for (const row of read) {
    // In the order asked for; an index may name a row that is not there.
    while (at < entries.length && (rows[at] !== undefined || entries[at]?.[2] !== row.seq)) at += 1
    if (!row.intact) onDamage(row.seq)
    else {
      rows[at] = row
      cache.add(row.seq, row)
    }
    at += 1
  }
  return rows
}

/** Ids that share their first 48 bits, within a second: the index does not tell their order. */
function sortPlaces(rows: Row[]): void {
  for (let at = 1; at < rows.length; at += 1) {
    const [before, row] = [rows[at - 1], rows[at]]
    if (before?.created_at === row?.created_at && before !== undefined && row !== undefined && row.id < before.id) {
      rows.sort((a, b) => b.created_at - a.created_at || (a.id < b.id ? -1 : 1))
      return
    }
  }
}

function entriesOf(ids: ReadonlySet<string>, { from, since }: Span, statements: Statements): Entry[] {
  const find = statements.raw(ID_SQL)
  const [time, rank] = from
  return [...new Set([...ids].map(rankOf))]
    .flatMap(one => find.all(one) as Entry[])
    .filter(entry => entry[0] >= since && (entry[0] < time || (entry[0] === time && entry[1] <= rank)))
    .sort((a, b) => b[0] - a[0] || b[1] - a[1])
}
