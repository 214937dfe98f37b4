import { type Database, openDatabase, type Statement } from '../../../platform/sqlite.ts'
import { type Filter, type Matchable, matchesNothing, matchFilters } from '../../../protocol/filter.ts'
import { hllOf } from '../../../protocol/hll.ts'
import { restrictedKinds } from '../../../protocol/kinds.ts'
import { packStubs } from '../../../protocol/negentropy/index.ts'
import { mayRead } from '../../access.ts'
import { queryTerms } from '../../search.ts'
import { concernsVanished } from '../entries.ts'
import { type Floor, floorOf } from '../floors.ts'
import { buildBatch, buildPage, type Horizon, type LogSource, PAGE_BYTES, type Pause, type Row } from '../page.ts'
import type { PrunePage, PruneRequest } from '../retention.ts'
import type {
  LogBatch,
  LogRequest,
  LogRow,
  Position,
  QueryPage,
  QueryRequest,
  Reader,
  StubPage,
  StubRequest,
} from '../store.ts'
import { type CountFrom, countSpan } from './count-span.ts'
import { IndexPages } from './index-pages.ts'
import { rankOf } from './keys.ts'
import { lanesFor } from './lanes.ts'
import { logRows } from './log-rows.ts'
import { createRowTest } from './match.ts'
import { authorsPlan, candidatesPlan, countPlan, type SeqSpan } from './plan.ts'
import { Recent } from './recent.ts'
import { findVictims } from './retention.ts'
import { type EventRow, headerOf, idIn, isIntact, type ReadRow, ROW_COLUMNS, readRow } from './row.ts'
import { ROWS_SQL, rowsInTime, type ScanContext, SEQ_BELOW_SQL } from './rows.ts'
import { LOG_APPLICATION_ID, LOG_MIGRATIONS } from './schema.ts'
import { type SearchPart, type SearchTurn, searchTurn } from './search-turn.ts'
import { type SegmentOptions, Segments } from './segments.ts'
import { Statements } from './statements.ts'

/** What one turn of a sketch found. */
export interface HllPart {
  readonly registers: string
  readonly next: CountFrom | undefined
}

/** What one turn of a count found. */
export interface CountPart {
  readonly count: number
  readonly next: CountFrom | undefined
}

export interface ReaderOptions {
  readonly segments?: SegmentOptions
  /** Index entries that one turn of a count looks at. */
  readonly countEntries?: number
  /** KiB of the file kept in memory. Default: 32 MiB. */
  readonly cacheKib?: number
}

/** Removals read per statement. */
const CHUNK = 128
/** Index entries and rows that one request looks at, at the most: some ten milliseconds, after which others have their turn. */
const BUDGET = 8_192
/** KiB of the file kept in memory. */
const CACHE_KIB = 32_768
/** Characters of events kept that were read for a query: the latest ones are asked for again and again. */
const CACHE_CHARS = 16_777_216

/** Values of tags that a row's text is looked through for. */
const CHEAP_VALUES = 8
/** Where rows have to be read, an entry costs so many times as much. */
const DEAR = 6

const UNBOUNDED = () => ({ entries: Number.POSITIVE_INFINITY })

/** Values of all tag conditions. */
function valuesOf(filters: readonly Filter[]): number {
  let values = 0
  for (const { tags } of filters) for (const [, each] of tags ?? []) values += each.size
  return values
}

/** Entries that one turn of a count looks at, fewer where each costs more. */
function entriesFor(filters: readonly Filter[], entries: number): number {
  const dear = valuesOf(filters) > CHEAP_VALUES || filters.some(({ search }) => search !== undefined)
  return Math.max(1, Math.floor(entries / (dear ? DEAR : 1 + (filters.length - 1) / 2)))
}

const FIND_SQL = `SELECT ${ROW_COLUMNS} FROM events INDEXED BY events_id WHERE rank = ?`

/** The reading connection. Synchronous: it lives in the reader thread. Each request reads one snapshot. */
export class LogReader {
  readonly #db: Database
  readonly #statements: Statements
  readonly #snapshotLast: Statement
  readonly #cache = new Recent<ReadRow>(CACHE_CHARS, ({ json }) => json.length)
  readonly #segments: Segments
  readonly #pages: IndexPages
  readonly #countEntries: number
  #damaged: number[] = []

  constructor(path: string, { segments, countEntries = BUDGET, cacheKib = CACHE_KIB }: ReaderOptions = {}) {
    this.#countEntries = countEntries
    this.#db = openDatabase(path, { applicationId: LOG_APPLICATION_ID, migrations: LOG_MIGRATIONS, readonly: true })
    this.#db.pragma(`cache_size = -${cacheKib}`)
    this.#statements = new Statements(this.#db)
    this.#pages = new IndexPages(this.#statements)
    this.#segments = new Segments(this.#statements, segments)
    this.#snapshotLast = this.#db.prepare('SELECT last FROM log').pluck()
  }

  seqsOf(ids: readonly string[]): (number | undefined)[] {
    const find = this.#statements.get(FIND_SQL)
    return ids.map(id => {
      const rows = find.all(rankOf(id)) as EventRow[]
      const row = rows.find(({ json }) => idIn(json) === id)
      // A damaged copy is none: sent again, the event is stored again.
      return row !== undefined && this.#intact(row) ? row.seq : undefined
    })
  }

  /** Seqs of damaged rows met since the last call. They were left out of every answer. */
  takeDamaged(): number[] {
    const met = this.#damaged
    this.#damaged = []
    return met
  }

  query(request: QueryRequest): QueryPage {
    return this.#inSnapshot(last => {
      const context = this.#context()
      const lanes = lanesFor(request.filters.length)
      return buildPage(request, last, (filter, after, upTo, wanted) =>
        rowsInTime(context, { filter, after, upTo, wanted, terms: undefined, lanes }, request),
      )
    })
  }

  readLog(request: LogRequest): LogBatch {
    return this.#inSnapshot(last => {
      const context = this.#context()
      const horizon: Horizon = { seq: last }
      const sources: LogSource[] = [logRows(context, this.#segments, request, last, horizon)]
      if (request.gone)
        sources.push(this.#removalRows(request, context, horizon), this.#vanishedRows(request, context, horizon))
      const floors = this.#statements.get('SELECT part, kind, floor FROM floors').all() as Floor[]
      const batch = buildBatch(request, last, sources, horizon)
      return { ...batch, floor: floorOf(floors, request.filters, request.gone) }
    })
  }

  /** One turn of a count; `next` is where to go on. Together they count what was stored when it began, less what went meanwhile. */
  count(filters: readonly Filter[], reader: Reader, from?: CountFrom): CountPart {
    return this.#inSnapshot(last => {
      const asked = filters.filter(filter => !matchesNothing(filter))
      if (asked.some(({ search }) => search !== undefined)) return this.#countWords(asked, reader, last, from)
      const { until, upTo } = from ?? { until: Number.MAX_SAFE_INTEGER, upTo: last }
      const { wanted, next } = this.#countTurn(asked, until, upTo)
      if (wanted.length === 0) return { count: 0, next }
      const open = this.#countOpen(wanted, { ...reader, keys: [] }, { above: 0, upTo }, lanesFor(asked.length))
      return { count: reader.keys.length === 0 ? open : open + this.#countRestricted(wanted, reader, upTo), next }
    })
  }

  /** What one turn of a count looks at. */
  #countTurn(
    asked: readonly Filter[],
    until: number,
    upTo: number,
  ): { readonly wanted: readonly Filter[]; readonly next: CountFrom | undefined } {
    const span = countSpan(asked, until, entriesFor(asked, this.#countEntries), this.#statements)
    return {
      wanted: span.filters.filter(filter => !matchesNothing(filter)),
      next: span.next === undefined ? undefined : { until: span.next, upTo },
    }
  }

  /** Of few values of tags SQLite looks through each row's text; of many the row is read, which costs the same for any number. */
  #countOpen(filters: readonly Filter[], reader: Reader, span: SeqSpan, lanes: number): number {
    if (valuesOf(filters) <= CHEAP_VALUES) {
      const { sql, params } = countPlan(filters, reader, span, lanes)
      return Number((this.#statements.raw(sql).get(...params) as number[])[0])
    }
    const { sql, params } = candidatesPlan(filters, reader, span, lanes)
    const test = createRowTest(
      filters.map(({ search: _, ...filter }) => filter),
      reader,
    )
    const seqs = this.#statements.values(sql).all(...params) as number[]
    const fetch = this.#statements.values(ROWS_SQL)
    let found = 0
    for (let at = 0; at < seqs.length; at += CHUNK)
      for (const text of fetch.all(JSON.stringify(seqs.slice(at, at + CHUNK))) as string[]) {
        const row = readRow(text)
        if (!row.intact) this.#damaged.push(row.seq)
        else if (test(row)) found += 1
      }
    return found
  }

  /** Words are indexed by seq, so a stretch of the log is counted. Nothing that not all may read has words in the index. */
  #countWords(asked: readonly Filter[], reader: Reader, last: number, from: CountFrom | undefined): CountPart {
    const { until, upTo } = from ?? { until: Number.MAX_SAFE_INTEGER, upTo: last }
    const top = from?.below ?? upTo
    const above = Math.max(0, top - entriesFor(asked, this.#countEntries))
    const open = this.#countOpen(asked, { ...reader, keys: [] }, { above, upTo: top }, lanesFor(asked.length))
    const isFirst = from === undefined && reader.keys.length > 0
    const plain = isFirst ? asked.filter(({ search }) => search === undefined) : []
    const count = plain.length === 0 ? open : open + this.#countRestricted(plain, reader, upTo)
    const below = Number(this.#statements.values(SEQ_BELOW_SQL).get(above) ?? 0)
    return { count, next: below === 0 ? undefined : { until, upTo, below } }
  }

  /** Of the kinds that not all may read, row by row: the access function decides. */
  #countRestricted(filters: readonly Filter[], reader: Reader, upTo: number): number {
    const seqs = new Set<number>()
    for (const filter of filters) {
      const kinds = restrictedKinds.filter(kind => filter.kinds?.has(kind) ?? true)
      if (kinds.length === 0) continue
      const context = { ...this.#context(), budget: UNBOUNDED() }
      for (const row of this.#scan(context, { ...filter, kinds: new Set(kinds) }, reader, undefined, upTo))
        if ('seq' in row && row.seq > (filter.since_seq ?? 0)) seqs.add(row.seq)
    }
    return seqs.size
  }

  /** All of a filter, words included. */
  #scan(
    context: ScanContext,
    filter: Filter,
    reader: Reader,
    after?: Position,
    upTo = Number.MAX_SAFE_INTEGER,
  ): Generator<Row | Pause, undefined> {
    const words = filter.search === undefined ? [] : queryTerms(filter.search)
    const terms = words.length === 0 ? undefined : words
    return rowsInTime(context, { filter, after, upTo, wanted: CHUNK, terms, lanes: lanesFor(1) }, reader)
  }

  /** One turn of a sketch; the registers of all turns are to be joined (`joinHll`). */
  hll(filter: Filter, offset: number, reader: Reader, from?: CountFrom): HllPart {
    return this.#inSnapshot(last => {
      if (matchesNothing(filter)) return { registers: hllOf([], offset), next: undefined }
      const { until, upTo } = from ?? { until: Number.MAX_SAFE_INTEGER, upTo: last }
      const { wanted, next } = this.#countTurn([filter], until, upTo)
      const pubkeys = wanted.flatMap(one => {
        const { sql, params } = authorsPlan(one, reader, upTo, lanesFor(1))
        return this.#statements.values(sql).all(...params) as string[]
      })
      return { registers: hllOf(pubkeys, offset), next }
    })
  }

  /** One turn of a search for one filter's words. */
  search(request: SearchTurn): SearchPart {
    return this.#inSnapshot(last => searchTurn(this.#statements, request, last, seq => this.#damaged.push(seq)))
  }

  texts(seqs: readonly number[]): { events: string[]; taken: number } {
    const find = this.#statements.get(`SELECT ${ROW_COLUMNS} FROM events WHERE seq = ?`)
    const events: string[] = []
    let bytes = 0
    let taken = 0
    for (const seq of seqs) {
      if (bytes >= PAGE_BYTES) break
      taken += 1
      const row = find.get(seq) as EventRow | undefined
      if (row === undefined || !this.#intact(row)) continue
      events.push(row.json)
      bytes += row.json.length
    }
    return { events, taken }
  }

  stubs(request: StubRequest): StubPage {
    const { filter, limit } = request
    return this.#inSnapshot(last => {
      const upTo = request.upTo ?? last
      if (matchesNothing(filter) || limit <= 0) return { ...packStubs([]), seq: upTo, next: undefined }
      const stubs: Position[] = []
      let next: Position | undefined
      for (const row of this.#scan(this.#context(), filter, request, request.after, upTo)) {
        if (!('pause' in row)) stubs.push(row)
        if ('pause' in row || stubs.length === limit) {
          next = { created_at: row.created_at, id: row.id }
          break
        }
      }
      return { ...packStubs(stubs), seq: upTo, next }
    })
  }

  prunable(request: PruneRequest): PrunePage {
    return this.#inSnapshot(() => findVictims(this.#db, request))
  }

  close(): void {
    this.#db.close()
  }

  *#removalRows(request: LogRequest, context: ScanContext, horizon: Horizon): Generator<LogRow, undefined> {
    type Removal = { seq: number; op: 'deleted' | 'replaced'; address: string | null; target: string }
    const sql = 'SELECT seq, op, address, target FROM removals WHERE seq > ? ORDER BY seq LIMIT ?'
    for (const row of this.#rowsAfter<Removal>(sql, request.after, context, horizon)) {
      const header = this.#header(row)
      if (header !== undefined && matchFilters(request.filters, header) && mayRead(header, request.keys))
        yield { op: row.op, seq: row.seq, address: row.address ?? undefined, target: header.id }
    }
    return undefined
  }

  *#vanishedRows(request: LogRequest, context: ScanContext, horizon: Horizon): Generator<LogRow, undefined> {
    const sql = 'SELECT seq, author FROM vanished WHERE seq > ? ORDER BY seq LIMIT ?'
    for (const { seq, author } of this.#rowsAfter<{ seq: number; author: string }>(
      sql,
      request.after,
      context,
      horizon,
    ))
      if (concernsVanished(request.filters, author)) yield { op: 'vanished', seq, target: author, address: undefined }
    return undefined
  }

  /** Rows by seq, a chunk a statement. Where the budget ends, the horizon is at the last row. */
  *#rowsAfter<R extends { readonly seq: number }>(
    sql: string,
    start: number,
    { budget }: ScanContext,
    horizon: Horizon,
  ): Generator<R, undefined> {
    const page = this.#statements.get(sql)
    for (let after = start; ; ) {
      const rows = page.all(after, CHUNK) as R[]
      yield* rows
      const end = rows.at(-1)
      if (rows.length < CHUNK || end === undefined) return undefined
      after = end.seq
      budget.entries -= rows.length
      if (budget.entries <= 0) {
        horizon.seq = Math.min(horizon.seq, after)
        return undefined
      }
    }
  }

  #context(): ScanContext {
    return {
      statements: this.#statements,
      read: this.#pages.open(),
      cache: this.#cache,
      budget: { entries: BUDGET },
      onDamage: seq => this.#damaged.push(seq),
    }
  }

  #intact(row: EventRow): boolean {
    const intact = isIntact(row)
    if (!intact) this.#damaged.push(row.seq)
    return intact
  }

  #header({ seq, target }: { readonly seq: number; readonly target: string }): Matchable | undefined {
    const header = headerOf(target)
    if (header === undefined) this.#damaged.push(seq)
    return header
  }

  #inSnapshot<T>(read: (last: number) => T): T {
    return this.#db.transaction(() => read(Number(this.#snapshotLast.get())))()
  }
}
