import { type Database, openDatabase, type Statement } from '../../../platform/sqlite.ts'
import { type Filter, type Matchable, matchesNothing, matchFilters } from '../../../protocol/filter.ts'
import { hllOf } from '../../../protocol/hll.ts'
import { restrictedKinds } from '../../../protocol/kinds.ts'
import { packStubs } from '../../../protocol/negentropy/index.ts'
import { mayRead } from '../../access.ts'
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
  SearchRequest,
  SearchResult,
  StubPage,
  StubRequest,
} from '../store.ts'
import { type CountFrom, countSpan } from './count-span.ts'
import { IndexPages } from './index-pages.ts'
import { rankOf } from './keys.ts'
import { logRows } from './log-rows.ts'
import { authorsPlan, countPlan, searchPlan, wordsPlan } from './plan.ts'
import { Recent } from './recent.ts'
import { findVictims } from './retention.ts'
import { type EventRow, headerOf, idIn, isIntact, type ReadRow, ROW_COLUMNS } from './row.ts'
import { rowsInTime, type ScanContext } from './rows.ts'
import { LOG_APPLICATION_ID, LOG_MIGRATIONS } from './schema.ts'
import { type SegmentOptions, Segments } from './segments.ts'
import { Statements } from './statements.ts'

/** What one turn of a count found. */
export interface CountPart {
  readonly count: number
  readonly next: CountFrom | undefined
}

export interface ReaderOptions {
  readonly segments?: SegmentOptions
  /** Index entries that one turn of a count looks at. */
  readonly countEntries?: number
}

/** Removals read per statement. */
const CHUNK = 128
/** Index entries and rows that one request looks at, at the most: some ten milliseconds, after which others have their turn. */
const BUDGET = 8_192
/** KiB of the file kept in memory. */
const CACHE_KIB = 32_768
/** Characters of events kept that were read for a query: the latest ones are asked for again and again. */
const CACHE_CHARS = 16_777_216

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

  constructor(path: string, { segments, countEntries = BUDGET }: ReaderOptions = {}) {
    this.#countEntries = countEntries
    this.#db = openDatabase(path, { applicationId: LOG_APPLICATION_ID, migrations: LOG_MIGRATIONS, readonly: true })
    this.#db.pragma(`cache_size = -${CACHE_KIB}`)
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
      return buildPage(request, last, (filter, after, upTo, wanted) =>
        rowsInTime(context, { filter, after, upTo, wanted, found: undefined }, request),
      )
    })
  }

  readLog(request: LogRequest): LogBatch {
    return this.#inSnapshot(last => {
      const context = this.#context()
      const horizon: Horizon = { seq: last }
      const sources: LogSource[] = [logRows(context, this.#segments, request, last, horizon)]
      if (request.gone) sources.push(this.#removalRows(request, context, horizon), this.#vanishedRows(request))
      const floors = this.#statements.get('SELECT part, kind, floor FROM floors').all() as Floor[]
      const batch = buildBatch(request, last, sources, horizon)
      return { ...batch, floor: floorOf(floors, request.filters, request.gone) }
    })
  }

  /** One turn of a count; `next` is where to go on. Together they count what was stored when it began, less what went meanwhile. */
  count(filters: readonly Filter[], reader: Reader, from?: CountFrom): CountPart {
    return this.#inSnapshot(last => {
      const { until, upTo } = from ?? { until: Number.MAX_SAFE_INTEGER, upTo: last }
      const asked = filters.filter(filter => !matchesNothing(filter))
      const span = countSpan(asked, until, this.#countEntries, this.#statements)
      const next = span.next === undefined ? undefined : { until: span.next, upTo }
      const wanted = span.filters.filter(filter => !matchesNothing(filter))
      if (wanted.length === 0) return { count: 0, next }
      const { sql, params } = countPlan(wanted, { ...reader, keys: [] }, upTo)
      const [open = 0] = this.#statements.raw(sql).get(...params) as number[]
      return { count: reader.keys.length === 0 ? open : open + this.#countRestricted(wanted, reader, upTo), next }
    })
  }

  /** Of the kinds that not all may read, row by row: the access function decides. */
  #countRestricted(filters: readonly Filter[], reader: Reader, upTo: number): number {
    const seqs = new Set<number>()
    for (const filter of filters) {
      const kinds = restrictedKinds.filter(kind => filter.kinds?.has(kind) ?? true)
      if (kinds.length === 0) continue
      const context = { ...this.#context(), budget: { entries: Number.POSITIVE_INFINITY } }
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
    const words = filter.search === undefined ? undefined : wordsPlan(filter.search)
    const found =
      words && new Set((this.#statements.raw(words.sql).all(...words.params) as [number][]).map(([seq]) => seq))
    return rowsInTime(context, { filter, after, upTo, wanted: CHUNK, found }, reader)
  }

  hll(filter: Filter, offset: number, reader: Reader): string {
    if (matchesNothing(filter)) return hllOf([], offset)
    const { sql, params } = authorsPlan(filter, reader)
    const rows = this.#statements.get(sql).all(...params) as { pubkey: string }[]
    return hllOf(
      rows.map(({ pubkey }) => pubkey),
      offset,
    )
  }

  search({ filters, ...reader }: SearchRequest): SearchResult {
    return this.#inSnapshot(last => {
      const seqs = new Set<number>()
      let complete = true
      for (const { filter, limit } of filters) {
        const plan = matchesNothing(filter) ? undefined : searchPlan(filter, reader, limit + 1)
        if (plan === undefined) continue
        const rows = this.#statements.get(plan.sql).all(...plan.params) as { seq: number }[]
        if (rows.length > limit) complete = false
        for (const { seq } of rows.slice(0, limit)) seqs.add(seq)
      }
      return { seqs: [...seqs], seq: last, complete }
    })
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

  *#removalRows(request: LogRequest, { budget }: ScanContext, horizon: Horizon): Generator<LogRow, undefined> {
    type Removal = { seq: number; op: 'deleted' | 'replaced'; address: string | null; target: string }
    const page = this.#statements.get(
      'SELECT seq, op, address, target FROM removals WHERE seq > ? ORDER BY seq LIMIT ?',
    )
    for (let { after } = request; ; ) {
      const rows = page.all(after, CHUNK) as Removal[]
      for (const row of rows) {
        const header = this.#header(row)
        if (header !== undefined && matchFilters(request.filters, header) && mayRead(header, request.keys))
          yield { op: row.op, seq: row.seq, address: row.address ?? undefined, target: header.id }
      }
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

  *#vanishedRows(request: LogRequest): Generator<LogRow, undefined> {
    const all = this.#statements.get('SELECT seq, author FROM vanished WHERE seq > ? ORDER BY seq')
    for (const { seq, author } of all.all(request.after) as { seq: number; author: string }[])
      if (concernsVanished(request.filters, author)) yield { op: 'vanished', seq, target: author, address: undefined }
    return undefined
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
