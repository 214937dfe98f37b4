import type { Database, Statement } from '../../../platform/sqlite.ts'
import { headerOf } from './row.ts'

/** Bytes of removals kept of one author, how many more may come before the oldest go, and what a row costs without its texts. */
const BUDGET = 393_216
const SLACK = 98_304
const ROW_BYTES = 48
const REMEMBERED_AUTHORS = 10_000

/** As the index of removals has their author. */
export const removalKey = (author: string): string => author.slice(0, 12)

interface Removal {
  readonly seq: number
  readonly bytes: number
  readonly target: string
}

/** What was removed, as kept for readers that ask for it: an author's have a budget of bytes, beyond which the oldest go. */
export class Removals {
  readonly #of: Statement
  readonly #raiseFloor: Statement
  readonly #drop: Statement
  /** Bytes since an author's were trimmed, by the author's key in their index; in order of use. */
  readonly #bytes = new Map<string, number>()

  constructor(db: Database) {
    this.#of = db.prepare(
      `SELECT seq, length(target) + coalesce(length(address), 0) AS bytes, target FROM removals INDEXED BY removals_author
       WHERE substr(target, 84, 12) = ? ORDER BY seq DESC`,
    )
    this.#raiseFloor = db.prepare(
      `INSERT INTO floors (part, kind, floor) VALUES ('removals', ?, ?)
       ON CONFLICT DO UPDATE SET floor = max(floor, excluded.floor)`,
    )
    this.#drop = db.prepare('DELETE FROM removals WHERE seq = ?')
  }

  drop(seq: number): void {
    this.#drop.run(seq)
  }

  /** One more of this author was kept, its texts so long. */
  weigh(author: string, textBytes: number): void {
    const key = removalKey(author)
    const grown = (this.#bytes.get(key) ?? 0) + textBytes + ROW_BYTES
    this.#bytes.delete(key)
    this.#bytes.set(key, grown)
    if (this.#bytes.size > REMEMBERED_AUTHORS) {
      const [oldest] = this.#bytes.keys()
      if (oldest !== undefined) this.#bytes.delete(oldest)
    }
    if (grown >= SLACK) this.#trim(key)
  }

  #trim(key: string): void {
    this.#bytes.set(key, 0)
    let kept = 0
    const gone: Removal[] = []
    for (const removal of this.#of.all(key) as Removal[]) {
      kept += removal.bytes + ROW_BYTES
      if (kept > BUDGET) gone.push(removal)
    }
    for (const { seq, target } of gone) {
      const header = headerOf(target)
      // A damaged one stays for `check` to tell of.
      if (header === undefined) continue
      this.drop(seq)
      this.#raiseFloor.run(header.kind, seq + 1)
    }
  }
}
