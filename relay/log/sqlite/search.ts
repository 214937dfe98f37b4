import type { Database, Statement } from '../../../platform/sqlite.ts'
import type { NostrEvent } from '../../../protocol/event.ts'
import { SEARCH_VERSION, searchableText, termsOf } from '../../search.ts'
import { type EventText, intactEvent } from './row.ts'

/** Rows indexed between two looks at the table while an index is built anew. */
const CHUNK = 1_000

/**
 * The words of stored events, in FTS5. Terms are made by our own tokenizer and only told apart by SQLite's (`ascii` leaves
 * everything beyond ASCII as it is). Rows leave by a trigger on `events`, whatever removes them.
 */
export class SearchIndex {
  readonly #insert: Statement

  constructor(db: Database) {
    this.#insert = db.prepare('INSERT INTO search (rowid, words) VALUES (?, ?)')
    const version = db.prepare('SELECT version FROM search_version').pluck().get()
    if (version !== SEARCH_VERSION) db.transaction(() => this.#rebuild(db)).immediate()
  }

  add(seq: number, event: NostrEvent): void {
    const text = searchableText(event)
    if (text === undefined) return
    const terms = termsOf(text)
    if (terms.length > 0) this.#insert.run(seq, terms.join(' '))
  }

  /** For logs from before there was an index, or from before its terms changed. */
  #rebuild(db: Database): void {
    db.exec(`INSERT INTO search (search) VALUES ('delete-all')`)
    const page = db.prepare('SELECT seq, id, json, sig_sum FROM events WHERE seq > ? ORDER BY seq LIMIT ?')
    for (let after = 0; ; ) {
      const rows = page.all(after, CHUNK) as (EventText & { seq: number })[]
      const last = rows.at(-1)
      if (last === undefined) break
      for (const row of rows) {
        const event = intactEvent(row)
        if (event !== undefined) this.add(row.seq, event)
      }
      after = last.seq
    }
    db.prepare('UPDATE search_version SET version = ?').run(SEARCH_VERSION)
  }
}
