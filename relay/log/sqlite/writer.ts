import { type Database, openDatabase, type Statement } from '../../../platform/sqlite.ts'
import { makeEpoch } from '../../../protocol/cursor.ts'
import { encodeEvent, expirationOf, type NostrEvent } from '../../../protocol/event.ts'
import { addressOf } from '../../../protocol/kinds.ts'
import { apply, type LogState, vanishes } from '../apply.ts'
import { indexedTags, keepSurvivors, toHeader } from '../entries.ts'
import type { EpochStart } from '../epochs.ts'
import type { PruneOrder } from '../retention.ts'
import type { Commit, LogEntry, Setting, Store, StoredEntry, StoredWill } from '../store.ts'
import { takeVictims } from './retention.ts'
import { type EventText, intactEvent, sigSum } from './row.ts'
import { LOG_APPLICATION_ID, LOG_MIGRATIONS } from './schema.ts'
import { SearchIndex } from './search.ts'

/** Expired rows dropped per transaction, so that a sweep never holds up a commit for long. */
const SWEEP_BATCH = 500

export interface WriterOptions {
  /** The file never grows beyond this; then SQLITE_FULL. */
  readonly maxBytes?: number
}

interface StoredRow extends EventText {
  readonly seq: number
}

/** The one writing connection. Synchronous: it lives in the writer thread (or in a tool that holds the folder's lock). */
export class LogWriter {
  readonly #db: Database
  readonly #state: LogState
  readonly #setLast: Statement
  readonly #insertEvent: Statement
  readonly #insertTag: Statement
  readonly #findEvent: Statement
  readonly #deleteTag: Statement
  readonly #search: SearchIndex
  readonly #deleteEvent: Statement
  #last: number
  #now = 0
  #fresh: LogEntry[] = []

  constructor(path: string, { maxBytes }: WriterOptions = {}) {
    this.#db = openDatabase(path, { applicationId: LOG_APPLICATION_ID, migrations: LOG_MIGRATIONS, secret: true })
    if (maxBytes !== undefined) {
      const pageBytes = Number(this.#db.pragma('page_size', { simple: true }))
      this.#db.pragma(`max_page_count = ${Math.max(1, Math.floor(maxBytes / pageBytes))}`)
    }
    this.#last = Number(this.#db.prepare('SELECT last FROM log').pluck().get())
    this.#setLast = this.#db.prepare('UPDATE log SET last = ?')
    this.#insertEvent = this.#db.prepare(
      `INSERT INTO events (seq, id, pubkey, created_at, kind, address, expires_at, received_at, json, sig_sum)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    )
    this.#insertTag = this.#db.prepare('INSERT OR IGNORE INTO tags (name, value, seq, created_at) VALUES (?, ?, ?, ?)')
    this.#findEvent = this.#db.prepare('SELECT seq, json, sig_sum FROM events WHERE id = ?')
    this.#deleteTag = this.#db.prepare('DELETE FROM tags WHERE name = ? AND value = ? AND seq = ?')
    this.#deleteEvent = this.#db.prepare('DELETE FROM events WHERE seq = ?')
    this.#search = new SearchIndex(this.#db)
    this.#state = this.#createState()
  }

  get last(): number {
    return this.#last
  }

  epochs(): EpochStart[] {
    return this.#db.prepare('SELECT epoch, start FROM epochs ORDER BY start, epoch').all() as EpochStart[]
  }

  /** Commits a new run beginning at the present end. */
  startEpoch(nowMs: number, random16: number): void {
    const insert = this.#db.prepare('INSERT INTO epochs (epoch, start) VALUES (?, ?)')
    this.#transaction(() => {
      const above = this.epochs().map(run => run.epoch)
      insert.run(makeEpoch(nowMs, random16, above), this.#last)
    })
  }

  /** One transaction for all; a savepoint per event, so that one that fails takes nothing else with it. */
  append(events: readonly NostrEvent[], nowMs: number): Commit {
    this.#now = nowMs
    this.#fresh = []
    const outcomes = this.#transaction(() => {
      const results = events.map(event => this.#applyInSavepoint(event))
      this.#setLast.run(this.#last)
      return results
    })
    return { outcomes, entries: keepSurvivors(this.#fresh), last: this.#last }
  }

  remove(ids: readonly string[], nowMs: number): Commit {
    this.#now = nowMs
    this.#fresh = []
    this.#transaction(() => {
      for (const id of ids) {
        const event = this.#state.find(id)
        if (event !== undefined) this.#state.remove(event, addressOf(event), 'deleted')
      }
      this.#setLast.run(this.#last)
    })
    return { outcomes: [], entries: this.#fresh, last: this.#last }
  }

  readSettings(): Setting[] {
    return this.#db.prepare('SELECT section, name, value FROM settings').all() as Setting[]
  }

  writeSetting({ section, name, value }: Parameters<Store['writeSetting']>[0]): void {
    if (value === null) this.#db.prepare('DELETE FROM settings WHERE section = ? AND name = ?').run(section, name)
    else
      this.#db
        .prepare('INSERT OR REPLACE INTO settings (section, name, value) VALUES (?, ?, ?)')
        .run(section, name, value)
  }

  wills(): StoredWill[] {
    const rows = this.#db.prepare('SELECT session, json FROM wills').all() as { session: string; json: string }[]
    return rows.map(({ session, json }) => ({ session, event: JSON.parse(json) as NostrEvent }))
  }

  putWill({ event, session }: StoredWill): void {
    this.#db
      .prepare('INSERT OR REPLACE INTO wills (author, session, id, json) VALUES (?, ?, ?, ?)')
      .run(event.pubkey, session, event.id, encodeEvent(event))
  }

  dropWill(id: string): void {
    this.#db.prepare('DELETE FROM wills WHERE id = ?').run(id)
  }

  /** One bounded batch after a seq; the caller comes again from `next`, and commits take their turn in between. */
  sweepExpired(now: number, after: number): { readonly swept: number; readonly next: number | undefined } {
    const expired = this.#db
      .prepare('SELECT seq, json, sig_sum FROM events WHERE expires_at <= ? AND seq > ? ORDER BY seq LIMIT ?')
      .all(now, after, SWEEP_BATCH) as StoredRow[]
    // The column only points at it: the event itself must say so, intact. A damaged row stays for `check` to tell of.
    const due = expired.flatMap(row => {
      const event = intactEvent(row)
      return event !== undefined && (expirationOf(event) ?? Number.POSITIVE_INFINITY) <= now
        ? [{ seq: row.seq, event }]
        : []
    })
    if (due.length > 0)
      this.#transaction(() => {
        for (const { seq, event } of due) this.#drop(seq, event)
      })
    return { swept: due.length, next: expired.length < SWEEP_BATCH ? undefined : expired.at(-1)?.seq }
  }

  prune(order: PruneOrder): number {
    return this.#transaction(() => takeVictims(this.#db, order, (seq, event) => this.#drop(seq, event)))
  }

  close(): void {
    this.#db.pragma('optimize')
    this.#db.close()
  }

  /** A failed commit gives its seqs back: nobody has seen them. */
  #transaction<T>(run: () => T): T {
    const before = this.#last
    try {
      return this.#db.transaction(run).immediate()
    } catch (error) {
      this.#last = before
      this.#fresh = []
      throw error
    }
  }

  #applyInSavepoint(event: NostrEvent): ReturnType<typeof apply> {
    const before = this.#last
    const fresh = this.#fresh.length
    try {
      return this.#db.transaction((): ReturnType<typeof apply> => {
        const healed = this.#healed(event)
        return healed === undefined ? apply(this.#state, event) : { status: 'stored', seq: healed.seq }
      })()
    } catch (error) {
      // A full disk or a broken file ends the whole batch; anything else concerns this event alone.
      if (!this.#db.inTransaction || /FULL|IOERR|CORRUPT|NOTADB|NOMEM/.test(String((error as { code?: unknown }).code)))
        throw error
      this.#last = before
      this.#fresh.length = fresh
      return { status: 'refused', reason: 'error: this event could not be stored' }
    }
  }

  /** Takes a damaged copy of the event away, so that the good one can be stored anew. */
  #healed(event: NostrEvent): StoredEntry | undefined {
    const row = this.#findEvent.get(event.id) as StoredRow | undefined
    if (row === undefined || intactEvent(row) !== undefined) return undefined
    this.#drop(row.seq, event)
    return this.#insert(event, addressOf(event))
  }

  #insert(event: NostrEvent, address: string | undefined): StoredEntry {
    this.#last += 1
    const seq = this.#last
    const { id, pubkey, created_at, kind } = event
    const json = encodeEvent(event)
    const expires = expirationOf(event) ?? null
    this.#insertEvent.run(seq, id, pubkey, created_at, kind, address ?? null, expires, this.#now, json, sigSum(event))
    for (const [name, value] of indexedTags(event)) this.#insertTag.run(name, value, seq, created_at)
    this.#search.add(seq, event)
    const entry: StoredEntry = { op: 'stored', seq, event, json, address }
    this.#fresh.push(entry)
    return entry
  }

  #drop(seq: number, event: NostrEvent): void {
    for (const [name, value] of indexedTags(event)) this.#deleteTag.run(name, value, seq)
    this.#deleteEvent.run(seq)
  }

  /** Its tags can no longer be told from its text. Slow, and rare. */
  #dropDamaged(seq: number): void {
    this.#db.prepare('DELETE FROM tags WHERE seq = ?').run(seq)
    this.#deleteEvent.run(seq)
  }

  /** Their tags would tell of a removed event as much as the event did, so the author's removals go too. */
  #vanish(author: string, upTo: number): void {
    const db = this.#db
    const own = db.prepare('SELECT seq, json, sig_sum FROM events WHERE pubkey = ?').all(author)
    const wraps = db
      .prepare(
        `SELECT e.seq, e.json, e.sig_sum FROM tags t JOIN events e ON e.seq = t.seq WHERE t.name = 'p' AND t.value = ?`,
      )
      .all(author)
    for (const row of [...own, ...wraps] as StoredRow[]) {
      const event = intactEvent(row)
      if (event === undefined) this.#dropDamaged(row.seq)
      else if (vanishes(event, author, upTo)) this.#drop(row.seq, event)
    }
    db.prepare(`DELETE FROM removals WHERE target ->> 'pubkey' = ? AND target ->> 'created_at' <= ?`).run(author, upTo)
    this.#last += 1
    db.prepare('INSERT OR REPLACE INTO vanished (author, up_to, seq) VALUES (?, ?, ?)').run(author, upTo, this.#last)
    this.#fresh.push({ op: 'vanished', seq: this.#last, pubkey: author, upTo })
  }

  #createState(): LogState {
    const db = this.#db
    const seqOf = db.prepare('SELECT seq FROM events WHERE id = ?').pluck()
    const byAddress = db.prepare('SELECT seq, json, sig_sum FROM events WHERE address = ?')
    const mark = db.prepare('SELECT created_at, id FROM marks WHERE address = ?')
    const isDeleted = db.prepare('SELECT 1 FROM deleted_ids WHERE id = ? AND author = ?').pluck()
    const deletedUpTo = db.prepare('SELECT up_to FROM deleted_addresses WHERE address = ?').pluck()
    const insertRemoval = db.prepare(
      'INSERT INTO removals (seq, op, address, removed_at, target) VALUES (?, ?, ?, ?, ?)',
    )
    const setMark = db.prepare('INSERT OR REPLACE INTO marks (address, created_at, id) VALUES (?, ?, ?)')
    const setDeleted = db.prepare('INSERT OR IGNORE INTO deleted_ids (id, author) VALUES (?, ?)')
    const setDeletedUpTo = db.prepare('INSERT OR REPLACE INTO deleted_addresses (address, up_to) VALUES (?, ?)')
    const vanishedUpTo = db.prepare('SELECT up_to FROM vanished WHERE author = ?').pluck()
    /** A damaged row holds no address and is nobody's to delete: it is as good as gone. */
    const intact = (row: unknown): NostrEvent | undefined =>
      row === undefined ? undefined : intactEvent(row as StoredRow)
    const seqOfId = (id: string): number | undefined => seqOf.get(id) as number | undefined

    return {
      seqOf: seqOfId,
      find: id => intact(this.#findEvent.get(id)),
      holder: address =>
        byAddress
          .all(address)
          .map(intact)
          .find(event => event !== undefined),
      mark: address => mark.get(address) as Pick<NostrEvent, 'created_at' | 'id'> | undefined,
      isDeleted: (id, author) => isDeleted.get(id, author) !== undefined,
      deletedUpTo: address => deletedUpTo.get(address) as number | undefined,
      vanishedUpTo: author => vanishedUpTo.get(author) as number | undefined,
      put: (event, address) => this.#insert(event, address).seq,
      remove: (event, address, op) => {
        const stored = seqOfId(event.id)
        if (stored === undefined) return
        this.#drop(stored, event)
        this.#last += 1
        const target = toHeader(event)
        insertRemoval.run(this.#last, op, address ?? null, this.#now, JSON.stringify(target))
        this.#fresh.push({ op, seq: this.#last, target, address })
      },
      setMark: (address, { created_at, id }) => setMark.run(address, created_at, id),
      setDeleted: (id, author) => setDeleted.run(id, author),
      setDeletedUpTo: (address, created_at) => setDeletedUpTo.run(address, created_at),
      vanish: (author, upTo) => this.#vanish(author, upTo),
    }
  }
}
