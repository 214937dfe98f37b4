import { type Database, openDatabase, type Statement } from '../../../platform/sqlite.ts'
import { makeEpoch } from '../../../protocol/cursor.ts'
import { encodeEvent, expirationOf, type NostrEvent } from '../../../protocol/event.ts'
import { apply, type LogState } from '../apply.ts'
import { keepSurvivors, toHeader } from '../entries.ts'
import type { EpochStart } from '../epochs.ts'
import type { Commit, LogEntry } from '../store.ts'
import { LOG_APPLICATION_ID, LOG_MIGRATIONS } from './schema.ts'

/** Expired rows dropped per transaction, so that a sweep never holds up a commit for long. */
export const SWEEP_BATCH = 500

/** The one writing connection. Synchronous: it lives in the writer thread (or in a tool that holds the folder's lock). */
export class LogWriter {
  readonly #db: Database
  readonly #state: LogState
  readonly #setLast: Statement
  readonly #deleteTag: Statement
  readonly #deleteEvent: Statement
  #last: number
  #now = 0
  #fresh: LogEntry[] = []

  constructor(path: string) {
    this.#db = openDatabase(path, { applicationId: LOG_APPLICATION_ID, migrations: LOG_MIGRATIONS, secret: true })
    this.#last = Number(this.#db.prepare('SELECT last FROM log').pluck().get())
    this.#setLast = this.#db.prepare('UPDATE log SET last = ?')
    this.#deleteTag = this.#db.prepare('DELETE FROM tags WHERE name = ? AND value = ? AND seq = ?')
    this.#deleteEvent = this.#db.prepare('DELETE FROM events WHERE seq = ?')
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

  /** One bounded batch; the caller comes again while it returns {@link SWEEP_BATCH}, and commits take their turn in between. */
  sweepExpired(now: number): number {
    const expired = this.#db
      .prepare('SELECT seq, json FROM events WHERE expires_at <= ? LIMIT ?')
      .all(now, SWEEP_BATCH) as { seq: number; json: string }[]
    if (expired.length === 0) return 0
    this.#transaction(() => {
      for (const { seq, json } of expired) this.#drop(seq, JSON.parse(json) as NostrEvent)
    })
    return expired.length
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
      return this.#db.transaction(() => apply(this.#state, event))()
    } catch (error) {
      // A full disk or a broken file ends the whole batch; anything else concerns this event alone.
      if (!this.#db.inTransaction || /FULL|IOERR|CORRUPT|NOTADB|NOMEM/.test(String((error as { code?: unknown }).code)))
        throw error
      this.#last = before
      this.#fresh.length = fresh
      return { status: 'refused', reason: 'error: this event could not be stored' }
    }
  }

  #drop(seq: number, event: NostrEvent): void {
    for (const [name, value] of indexedTags(event)) this.#deleteTag.run(name, value, seq)
    this.#deleteEvent.run(seq)
  }

  #createState(): LogState {
    const db = this.#db
    const seqOf = db.prepare('SELECT seq FROM events WHERE id = ?').pluck()
    const byId = db.prepare('SELECT json FROM events WHERE id = ?').pluck()
    const byAddress = db.prepare('SELECT json FROM events WHERE address = ?').pluck()
    const mark = db.prepare('SELECT created_at, id FROM marks WHERE address = ?')
    const isDeleted = db.prepare('SELECT 1 FROM deleted_ids WHERE id = ? AND author = ?').pluck()
    const deletedUpTo = db.prepare('SELECT up_to FROM deleted_addresses WHERE address = ?').pluck()
    const insertEvent = db.prepare(
      `INSERT INTO events (seq, id, pubkey, created_at, kind, address, expires_at, received_at, json) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    )
    const insertTag = db.prepare('INSERT OR IGNORE INTO tags (name, value, seq, created_at) VALUES (?, ?, ?, ?)')
    const insertRemoval = db.prepare(
      'INSERT INTO removals (seq, op, address, removed_at, target) VALUES (?, ?, ?, ?, ?)',
    )
    const setMark = db.prepare('INSERT OR REPLACE INTO marks (address, created_at, id) VALUES (?, ?, ?)')
    const setDeleted = db.prepare('INSERT OR IGNORE INTO deleted_ids (id, author) VALUES (?, ?)')
    const setDeletedUpTo = db.prepare('INSERT OR REPLACE INTO deleted_addresses (address, up_to) VALUES (?, ?)')
    const parse = (json: unknown): NostrEvent | undefined =>
      typeof json === 'string' ? (JSON.parse(json) as NostrEvent) : undefined
    const seqOfId = (id: string): number | undefined => seqOf.get(id) as number | undefined

    return {
      seqOf: seqOfId,
      find: id => parse(byId.get(id)),
      holder: address => parse(byAddress.get(address)),
      mark: address => mark.get(address) as Pick<NostrEvent, 'created_at' | 'id'> | undefined,
      isDeleted: (id, author) => isDeleted.get(id, author) !== undefined,
      deletedUpTo: address => deletedUpTo.get(address) as number | undefined,
      put: (event, address) => {
        this.#last += 1
        const seq = this.#last
        const { id, pubkey, created_at, kind } = event
        const json = encodeEvent(event)
        insertEvent.run(
          seq,
          id,
          pubkey,
          created_at,
          kind,
          address ?? null,
          expirationOf(event) ?? null,
          this.#now,
          json,
        )
        for (const [name, value] of indexedTags(event)) insertTag.run(name, value, seq, created_at)
        this.#fresh.push({ op: 'stored', seq, event, json, address })
        return seq
      },
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
    }
  }
}

/** NIP-01: single letters, first value only. */
function indexedTags(event: NostrEvent): [name: string, value: string][] {
  return event.tags.flatMap(([name, value]): [string, string][] =>
    name !== undefined && value !== undefined && /^[a-zA-Z]$/.test(name) ? [[name, value]] : [],
  )
}
