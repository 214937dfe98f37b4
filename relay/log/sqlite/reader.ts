import { type Database, openDatabase, type Statement } from '../../../platform/sqlite.ts'
import { type NostrEvent, parseEvent } from '../../../protocol/event.ts'
import { type Filter, type Matchable, matchesNothing, matchFilters } from '../../../protocol/filter.ts'
import { hllOf } from '../../../protocol/hll.ts'
import { parseJson } from '../../../protocol/json.ts'
import { restrictedKinds } from '../../../protocol/kinds.ts'
import { packStubs } from '../../../protocol/negentropy/index.ts'
import { mayRead } from '../../access.ts'
import { concernsVanished } from '../entries.ts'
import { type Floor, floorOf } from '../floors.ts'
import { buildBatch, buildPage, type LogSource, PAGE_BYTES, type Row } from '../page.ts'
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
import { authorsPlan, countPlan, logPlan, type Plan, searchPlan, stubPlan, timePlan } from './plan.ts'
import { findVictims } from './retention.ts'
import { type EventText, headerOf, intactEvent } from './row.ts'
import { LOG_APPLICATION_ID, LOG_MIGRATIONS } from './schema.ts'

/** Rows fetched per statement: pages are built from keyset chunks, never from one unbounded scan. */
const CHUNK = 128
/** Distinct statement texts kept prepared. */
const PREPARED = 256
/** Longer ones are prepared each time: with their parameters they hold megabytes, and hardly come twice. */
const PREPARED_CHARS = 4_096

interface StoredText extends EventText {
  readonly seq: number
}

/** The reading connection. Synchronous: it lives in the reader thread. Each request reads one snapshot. */
export class LogReader {
  readonly #db: Database
  readonly #prepared = new Map<string, Statement>()
  readonly #snapshotLast: Statement
  #damaged: number[] = []

  constructor(path: string) {
    this.#db = openDatabase(path, { applicationId: LOG_APPLICATION_ID, migrations: LOG_MIGRATIONS, readonly: true })
    this.#snapshotLast = this.#db.prepare('SELECT last FROM log').pluck()
  }

  seqsOf(ids: readonly string[]): (number | undefined)[] {
    const find = this.#prepare('SELECT seq, json, sig_sum FROM events WHERE id = ?')
    return ids.map(id => {
      const row = find.get(id) as StoredText | undefined
      // A damaged copy is none: sent again, the event is stored again.
      return row !== undefined && this.#intact(row)?.id === id ? row.seq : undefined
    })
  }

  /** Seqs of damaged rows met since the last call. They were left out of every answer. */
  takeDamaged(): number[] {
    const met = this.#damaged
    this.#damaged = []
    return met
  }

  query(request: QueryRequest): QueryPage {
    return this.#inSnapshot(last =>
      buildPage(request, last, (filter, after, upTo) => {
        let position = after
        return this.#chunks<Row & StoredText>(
          () => timePlan(filter, request, position, upTo, CHUNK),
          row => {
            position = row
          },
          row => this.#admits(request, [filter], this.#intact(row)),
        )
      }),
    )
  }

  readLog(request: LogRequest): LogBatch {
    return this.#inSnapshot(last => {
      const sources = request.filters
        .filter(filter => !matchesNothing(filter))
        .map(filter => this.#logRows(request, filter))
      if (request.gone) sources.push(this.#removalRows(request), this.#vanishedRows(request))
      const floors = this.#prepare('SELECT part, kind, floor FROM floors').all() as Floor[]
      return { ...buildBatch(request, last, sources), floor: floorOf(floors, request.filters, request.gone) }
    })
  }

  count(filters: readonly Filter[], reader: Reader): number {
    const wanted = filters.filter(filter => !matchesNothing(filter))
    if (wanted.length === 0) return 0
    return this.#inSnapshot(() => {
      const { sql, params } = countPlan(wanted, { ...reader, keys: [] })
      const open = Number((this.#prepare(sql).get(...params) as Record<string, number>)['count(*)'])
      return reader.keys.length === 0 ? open : open + this.#countRestricted(wanted, reader)
    })
  }

  /** Of the kinds that not all may read, row by row: the access function decides. */
  #countRestricted(filters: readonly Filter[], reader: Reader): number {
    const seqs = new Set<number>()
    for (const filter of filters) {
      const kinds = restrictedKinds.filter(kind => filter.kinds?.has(kind) ?? true)
      if (kinds.length === 0) continue
      const narrow = { ...filter, kinds: new Set(kinds) }
      const request = { ...reader, filters: [narrow], after: 0, limit: Number.POSITIVE_INFINITY, gone: false }
      const rows = this.#logRows(request, narrow)
      for (let row = rows.next().value; row !== undefined; row = rows.next().value) seqs.add(row.seq)
    }
    return seqs.size
  }

  hll(filter: Filter, offset: number, reader: Reader): string {
    if (matchesNothing(filter)) return hllOf([], offset)
    const { sql, params } = authorsPlan(filter, reader)
    const rows = this.#prepare(sql).all(...params) as { pubkey: string }[]
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
        const rows = this.#prepare(plan.sql).all(...plan.params) as { seq: number }[]
        if (rows.length > limit) complete = false
        for (const { seq } of rows.slice(0, limit)) seqs.add(seq)
      }
      return { seqs: [...seqs], seq: last, complete }
    })
  }

  texts(seqs: readonly number[]): { events: string[]; taken: number } {
    const find = this.#prepare('SELECT seq, json, sig_sum FROM events WHERE seq = ?')
    const events: string[] = []
    let bytes = 0
    let taken = 0
    for (const seq of seqs) {
      if (bytes >= PAGE_BYTES) break
      taken += 1
      const row = find.get(seq) as StoredText | undefined
      if (row === undefined || this.#intact(row) === undefined) continue
      events.push(row.json)
      bytes += row.json.length
    }
    return { events, taken }
  }

  /** The plan alone decides, but for restricted kinds: tens of thousands of records are not parsed. */
  stubs(request: StubRequest): StubPage {
    const { filter, limit } = request
    return this.#inSnapshot(last => {
      const upTo = request.upTo ?? last
      if (matchesNothing(filter) || limit <= 0) return { ...packStubs([]), seq: upTo, next: undefined }
      const { sql, params } = stubPlan(filter, request, request.after, upTo, limit)
      const rows = this.#prepare(sql).all(...params) as (Position & { json: string | null })[]
      const readable = rows.filter(({ json }) => json === null || isReadable(json, request.keys))
      const end = rows.length < limit ? undefined : rows.at(-1)
      return { ...packStubs(readable), seq: upTo, next: end && { created_at: end.created_at, id: end.id } }
    })
  }

  prunable(request: PruneRequest): PrunePage {
    return this.#inSnapshot(() => findVictims(this.#db, request))
  }

  close(): void {
    this.#db.close()
  }

  #logRows(request: LogRequest, filter: Filter): LogSource {
    let { after } = request
    const rows = this.#chunks<StoredText & { address: string | null }>(
      () => logPlan(filter, request, after, CHUNK),
      row => {
        after = row.seq
      },
      row => this.#admits(request, [filter], this.#intact(row)),
    )
    return map(rows, ({ seq, address, json }) => ({ op: 'stored', seq, json, address: address ?? undefined }))
  }

  #removalRows(request: LogRequest): LogSource {
    let { after } = request
    type Removal = { seq: number; op: 'deleted' | 'replaced'; address: string | null; target: string }
    const rows = this.#chunks<Removal>(
      () => ({
        sql: 'SELECT seq, op, address, target FROM removals WHERE seq > ? ORDER BY seq LIMIT ?',
        params: [after, CHUNK],
      }),
      row => {
        after = row.seq
      },
      row => this.#admits(request, request.filters, this.#header(row)),
    )
    return map(rows, ({ seq, op, address, target }) => ({
      op,
      seq,
      address: address ?? undefined,
      target: (JSON.parse(target) as Matchable).id,
    }))
  }

  #vanishedRows(request: LogRequest): LogSource {
    let { after } = request
    const rows = this.#chunks<{ seq: number; author: string }>(
      () => ({ sql: 'SELECT seq, author FROM vanished WHERE seq > ? ORDER BY seq LIMIT ?', params: [after, CHUNK] }),
      row => {
        after = row.seq
      },
      row => concernsVanished(request.filters, row.author),
    )
    return map(rows, ({ seq, author }) => ({ op: 'vanished', seq, target: author, address: undefined }))
  }

  /** The plan narrows; the one matcher and the one access function decide. */
  #admits(reader: Reader, filters: readonly Filter[], event: Matchable | undefined): boolean {
    return event !== undefined && matchFilters(filters, event) && mayRead(event, reader.keys)
  }

  #intact(row: StoredText): NostrEvent | undefined {
    const event = intactEvent(row)
    if (event === undefined) this.#damaged.push(row.seq)
    return event
  }

  #header({ seq, target }: { readonly seq: number; readonly target: string }): Matchable | undefined {
    const header = headerOf(target)
    if (header === undefined) this.#damaged.push(seq)
    return header
  }

  *#chunks<T>(plan: () => Plan, advance: (row: T) => void, admits: (row: T) => boolean): Generator<T, undefined> {
    for (;;) {
      const { sql, params } = plan()
      const rows = this.#prepare(sql).all(...params) as T[]
      for (const row of rows) {
        advance(row)
        if (admits(row)) yield row
      }
      if (rows.length < CHUNK) return undefined
    }
  }

  #inSnapshot<T>(read: (last: number) => T): T {
    return this.#db.transaction(() => read(Number(this.#snapshotLast.get())))()
  }

  #prepare(sql: string): Statement {
    if (sql.length > PREPARED_CHARS) return this.#db.prepare(sql)
    const known = this.#prepared.get(sql)
    if (known !== undefined) return known
    if (this.#prepared.size >= PREPARED) this.#prepared.clear()
    const statement = this.#db.prepare(sql)
    this.#prepared.set(sql, statement)
    return statement
  }
}

function* map<T>(rows: Iterable<T>, toRow: (row: T) => LogRow): Generator<LogRow, undefined> {
  for (const row of rows) yield toRow(row)
  return undefined
}

/** A row that cannot be read is nobody's. */
function isReadable(json: string, keys: readonly string[]): boolean {
  const value = parseJson(json)
  const event = value.ok ? parseEvent(value.value) : value
  return event.ok && mayRead(event.value, keys)
}
