import type { Database, Statement } from '../../../platform/sqlite.ts'
import { GIFT_WRAP, VANISH } from '../../../protocol/kinds.ts'
import { authorKey, tagKey } from './keys.ts'
import { NEXT_KIND_SQL } from './lanes.ts'
import { removalKey } from './removals.ts'
import { type EventRow, pubkeyIn, ROW_COLUMNS, tagNeedle } from './row.ts'

/** What a request to vanish takes, by index: it costs what there is. */
export const OWN_ROWS_SQL = `SELECT ${ROW_COLUMNS} FROM events INDEXED BY events_author
  WHERE author = ? AND kind = ? AND created_at <= ? LIMIT ?`
export const WRAP_ROWS_SQL = `SELECT e.seq, e.created_at, e.kind, e.expires_at, e.sum, e.json
  FROM tags t INDEXED BY tags_wraps CROSS JOIN events e ON e.seq = t.seq
  WHERE t.key = ? AND t.kind = ${GIFT_WRAP} AND t.created_at <= ? LIMIT ?`
export const VANISHING_REMOVALS_SQL = `SELECT seq FROM removals INDEXED BY removals_author
  WHERE substr(target, 84, 12) = ?
    AND CASE WHEN json_valid(target) THEN target ->> 'created_at' <= ? AND target ->> 'pubkey' = ? END LIMIT ?`

/** Finds what a request to vanish takes (NIP-62). */
export class Vanishing {
  readonly #nextKind: Statement
  readonly #ownRows: Statement
  readonly #wrapRows: Statement
  readonly #removals: Statement

  constructor(db: Database) {
    this.#nextKind = db.prepare(NEXT_KIND_SQL).pluck()
    this.#ownRows = db.prepare(OWN_ROWS_SQL)
    this.#wrapRows = db.prepare(WRAP_ROWS_SQL)
    this.#removals = db.prepare(VANISHING_REMOVALS_SQL).pluck()
  }

  /** Rows of events, this many at the most: kind by kind of its author, then gift wraps to it. */
  rows(author: string, upTo: number, most: number): EventRow[] {
    const rows: EventRow[] = []
    const key = authorKey(author)
    for (let kind = -1; rows.length < most; ) {
      const next = this.#nextKind.get(key, kind) as number | undefined
      if (next === undefined) break
      kind = next
      if (kind === VANISH) continue
      const some = this.#ownRows.all(key, kind, upTo, most - rows.length) as EventRow[]
      for (const row of some) if (pubkeyIn(row.json) === author) rows.push(row)
    }
    if (rows.length === most) return rows
    const mail = tagNeedle('p', author)
    const seqs = new Set(rows.map(({ seq }) => seq))
    const wraps = this.#wrapRows.all(tagKey('p', author), upTo, most - rows.length) as EventRow[]
    for (const row of wraps) if (row.json.includes(mail) && !seqs.has(row.seq)) rows.push(row)
    return rows
  }

  /** Seqs of the author's removals, this many at the most; -1: all. */
  removals(author: string, upTo: number, most: number): readonly number[] {
    return this.#removals.all(removalKey(author), upTo, author, most) as number[]
  }

  /** There is something to take. */
  takesAny(author: string, upTo: number): boolean {
    return this.rows(author, upTo, 1).length > 0 || this.removals(author, upTo, 1).length > 0
  }
}
