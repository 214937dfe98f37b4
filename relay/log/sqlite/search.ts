import type { Database, Statement } from '../../../platform/sqlite.ts'
import { SEARCH_VERSION, searchableText, termsOf } from '../../search.ts'
import { type EventRow, eventOf, ROW_COLUMNS } from './row.ts'

/**
 * The words of stored events, in FTS5. Terms are made by our own tokenizer and only told apart by SQLite's (`ascii` leaves
 * everything beyond ASCII as it is). It follows the log behind the commits, a transaction at a time, from a position of its own;
 * rows leave by a trigger on `events`, whatever removes them.
 */
export class SearchIndex {
  readonly #db: Database
  readonly #insert: Statement
  readonly #page: Statement
  readonly #setIndexed: Statement
  #indexed: number

  constructor(db: Database) {
    this.#db = db
    this.#insert = db.prepare('INSERT INTO search (rowid, words) VALUES (?, ?)')
    this.#page = db.prepare(`SELECT ${ROW_COLUMNS} FROM events WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?`)
    this.#setIndexed = db.prepare('UPDATE search_version SET indexed = ?')
    const { version, indexed } = db.prepare('SELECT version, indexed FROM search_version').get() as {
      version: number
      indexed: number
    }
    this.#indexed = indexed
    if (version !== SEARCH_VERSION) db.transaction(() => this.#empty()).immediate()
  }

  /** Everything up to here can be found. */
  get indexed(): number {
    return this.#indexed
  }

  /** Indexes the next rows, this many at the most, up to the log's end. */
  advance(last: number, rows: number): void {
    if (this.#indexed >= last) return
    this.#indexed = this.#db
      .transaction(() => {
        const page = this.#page.all(this.#indexed, last, rows) as EventRow[]
        for (const row of page) this.#add(row)
        const upTo = page.length < rows ? last : (page.at(-1)?.seq ?? last)
        this.#setIndexed.run(upTo)
        return upTo
      })
      .immediate()
  }

  #add(row: EventRow): void {
    const event = eventOf(row)
    const text = event === undefined ? undefined : searchableText(event)
    if (text === undefined) return
    const terms = termsOf(text)
    if (terms.length > 0) this.#insert.run(row.seq, terms.join(' '))
  }

  /** For logs from before there was an index, or from before its terms changed: it begins anew. */
  #empty(): void {
    this.#db.exec(`INSERT INTO search (search) VALUES ('delete-all')`)
    this.#db.prepare('UPDATE search_version SET version = ?, indexed = 0').run(SEARCH_VERSION)
    this.#indexed = 0
  }
}
