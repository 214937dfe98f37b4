import { type Database, openDatabase, type Statement } from '../../../platform/sqlite.ts'
import type { NostrEvent } from '../../../protocol/event.ts'
import { type Filter, type Matchable, matchesNothing, matchFilters } from '../../../protocol/filter.ts'
import { mayRead } from '../../access.ts'
import { concernsVanished } from '../entries.ts'
import { buildBatch, buildPage, type LogSource, type Row } from '../page.ts'
import type { LogBatch, LogRequest, LogRow, QueryPage, QueryRequest, Reader } from '../store.ts'
import { countPlan, logPlan, type Plan, timePlan } from './plan.ts'
import { LOG_APPLICATION_ID, LOG_MIGRATIONS } from './schema.ts'

/** Rows fetched per statement: pages are built from keyset chunks, never from one unbounded scan. */
const CHUNK = 128
/** Distinct statement texts kept prepared. */
const PREPARED = 256

/** The reading connection. Synchronous: it lives in the reader thread. Each request reads one snapshot. */
export class LogReader {
  readonly #db: Database
  readonly #prepared = new Map<string, Statement>()
  readonly #snapshotLast: Statement

  constructor(path: string) {
    this.#db = openDatabase(path, { applicationId: LOG_APPLICATION_ID, migrations: LOG_MIGRATIONS, readonly: true })
    this.#snapshotLast = this.#db.prepare('SELECT last FROM log').pluck()
  }

  seqsOf(ids: readonly string[]): (number | undefined)[] {
    const seq = this.#prepare('SELECT seq FROM events WHERE id = ?')
    return ids.map(id => (seq.get(id) as { seq: number } | undefined)?.seq)
  }

  query(request: QueryRequest): QueryPage {
    return this.#inSnapshot(last =>
      buildPage(request, last, (filter, after, upTo) => {
        let position = after
        return this.#chunks<Row>(
          () => timePlan(filter, request, position, upTo, CHUNK),
          row => {
            position = row
          },
          row => this.#admits(request, [filter], row.json),
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
      return buildBatch(request, last, sources)
    })
  }

  count(filters: readonly Filter[], reader: Reader): number {
    const wanted = filters.filter(filter => !matchesNothing(filter))
    if (wanted.length === 0) return 0
    const { sql, params } = countPlan(wanted, reader)
    if (reader.keys.length === 0)
      return Number((this.#prepare(sql).get(...params) as Record<string, number>)['count(*)'])
    return this.#inSnapshot(last => {
      const request = { ...reader, filters: wanted, after: 0, limit: Number.POSITIVE_INFINITY, gone: false }
      return buildBatch(
        request,
        last,
        wanted.map(filter => this.#logRows(request, filter)),
      ).entries.length
    })
  }

  close(): void {
    this.#db.close()
  }

  #logRows(request: LogRequest, filter: Filter): LogSource {
    let { after } = request
    const rows = this.#chunks<{ seq: number; address: string | null; json: string }>(
      () => logPlan(filter, request, after, CHUNK),
      row => {
        after = row.seq
      },
      row => this.#admits(request, [filter], row.json),
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
      row => this.#admits(request, request.filters, row.target),
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
  #admits(reader: Reader, filters: readonly Filter[], json: string): boolean {
    const event = JSON.parse(json) as NostrEvent
    return matchFilters(filters, event) && mayRead(event, reader.keys)
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
