import { statSync } from 'node:fs'
import { codeOf, type Database, isFull, openDatabase, type Statement } from '../../../platform/sqlite.ts'
import { makeEpoch } from '../../../protocol/cursor.ts'
import { encodeEvent, expirationOf, type NostrEvent } from '../../../protocol/event.ts'
import { addressOf, DELETION, VANISH } from '../../../protocol/kinds.ts'
import { apply, type LogState } from '../apply.ts'
import { indexedTags, keepSurvivors, toHeader } from '../entries.ts'
import type { EpochStart } from '../epochs.ts'
import type { PruneOrder } from '../retention.ts'
import type { Commit, LogEntry, Outcome, Setting, Store, StoredEntry, StoredWill } from '../store.ts'
import { authorKey, rankOf, tagKey } from './keys.ts'
import { Removals } from './removals.ts'
import { RESERVE_BYTES, type Reserve } from './reserve.ts'
import { takeVictims } from './retention.ts'
import { type EventRow, eventOf, idIn, isIntact, provenEvent, ROW_COLUMNS, rowSum } from './row.ts'
import { LOG_APPLICATION_ID, LOG_FUNCTIONS, LOG_MIGRATIONS, WRITER_INDEXES } from './schema.ts'
import { SearchIndex } from './search.ts'
import { Vanishing } from './vanishing.ts'

/** Expired rows dropped per transaction, so that a sweep never holds up a commit for long. */
const SWEEP_BATCH = 500
/** Bytes of the journal's file that stay when it begins anew; a long read makes it grow. */
const JOURNAL_BYTES = 16_777_216
/** Rows of a vanishing key dropped per transaction. */
const VANISH_BATCH = 500
/** A place in the index of deadlines. */
export interface SweptTo {
  readonly expires_at: number
  readonly seq: number
}

/** KiB of the file kept in memory: what a commit changes of the indexes is spread over all of them. */
const CACHE_KIB = 32_768
/** Pages of 4 KiB in the journal before they go into the file: each then goes once for many commits that changed it. */
const CHECKPOINT_PAGES = 4_000

export interface WriterOptions {
  /** The file never grows beyond this; then SQLITE_FULL. */
  readonly maxBytes?: number
  /** Room held back for deletions, pruning and starts. Default: none. */
  readonly reserve?: Reserve
  /** It was given away already. */
  readonly reserveUsed?: boolean
  /** A relay has run on this folder before: a file of no bytes was emptied, and is no new one. */
  readonly wasComplete?: boolean
}

/** A full disk or a broken file, as against one event that cannot be stored. */
const isFatal = (error: unknown): boolean => /FULL|IOERR|CORRUPT|NOTADB|NOMEM/.test(codeOf(error))

/** Refused because room is held back, as SQLite would where there is none. */
class StorageFullError extends Error {
  override readonly name = 'StorageFullError'
  readonly code = 'SQLITE_FULL'
  constructor() {
    super('the disk is full: only deletions are stored until there is room again')
  }
}

/** A disk that cannot be asked is taken to have room: a commit will tell. */
function roomOf(reserve: Reserve): number {
  try {
    return reserve.room()
  } catch {
    return Number.POSITIVE_INFINITY
  }
}

/** More room than this, and the journal need not be looked at. */
const PLENTY_BYTES = 67_108_864
const PAGE_BYTES = 4_096

/** Deletions and requests to vanish. */
const MAKES_ROOM: ReadonlySet<number> = new Set([DELETION, VANISH])
const FULL: Outcome = { status: 'refused', reason: 'error: storage full, nothing was stored' }
/** Pages that deletions may take beyond the bound of the file. */
const RESERVE_PAGES = RESERVE_BYTES / PAGE_BYTES

/** The one writing connection. Synchronous: it lives in the writer thread (or in a tool that holds the folder's lock). */
export class LogWriter {
  readonly #db: Database
  readonly #reserve: Reserve | undefined
  readonly #journal: string
  #maxPages: number | undefined
  /** The reserve was given away and is not there again. */
  #reserveUsed = false
  readonly #state: LogState
  readonly #setLast: Statement
  readonly #insertEvent: Statement
  readonly #insertTag: Statement
  readonly #findEvent: Statement
  readonly #deleteTag: Statement
  readonly #search: SearchIndex
  readonly #deleteEvent: Statement
  readonly #removals: Removals
  readonly #vanishing: Vanishing
  #last: number
  #now = 0
  #fresh: LogEntry[] = []
  #texts: ReadonlyMap<NostrEvent | undefined, string> = new Map()
  /** Of the event in hand, so that it is looked up once. */
  #found: { readonly id: string; readonly row: EventRow | undefined } | undefined
  /** Nothing to look up where nobody ever deleted or vanished. */
  #anyDeleted: boolean
  #anyVanished: boolean

  constructor(path: string, { maxBytes, reserve, reserveUsed = false, wasComplete = false }: WriterOptions = {}) {
    this.#reserve = reserve
    this.#db = openDatabase(path, {
      applicationId: LOG_APPLICATION_ID,
      migrations: LOG_MIGRATIONS,
      functions: LOG_FUNCTIONS,
      secret: true,
      wasComplete,
      checkpoints: !reserveUsed,
    })
    this.#journal = `${path}-wal`
    this.#db.pragma(`cache_size = -${CACHE_KIB}`)
    this.#db.pragma(`journal_size_limit = ${JOURNAL_BYTES}`)
    if (!reserveUsed) this.#db.pragma(`wal_autocheckpoint = ${CHECKPOINT_PAGES}`)
    if (maxBytes !== undefined) {
      const pageBytes = Number(this.#db.pragma('page_size', { simple: true }))
      this.#maxPages = Math.max(1, Math.floor(maxBytes / pageBytes))
      this.#db.pragma(`max_page_count = ${this.#maxPages}`)
    }
    this.#db.exec(WRITER_INDEXES)
    this.#last = Number(this.#db.prepare('SELECT last FROM log').pluck().get())
    this.#setLast = this.#db.prepare('UPDATE log SET last = ?')
    this.#insertEvent = this.#db.prepare(
      `INSERT INTO events (seq, rank, author, created_at, kind, expires_at, received_at, address, sum, json)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    )
    this.#insertTag = this.#db.prepare(
      'INSERT OR IGNORE INTO tags (key, created_at, rank, seq, kind) VALUES (?, ?, ?, ?, ?)',
    )
    this.#findEvent = this.#db.prepare(`SELECT ${ROW_COLUMNS} FROM events INDEXED BY events_id WHERE rank = ?`)
    this.#deleteTag = this.#db.prepare('DELETE FROM tags WHERE key = ? AND created_at = ? AND rank = ? AND seq = ?')
    this.#deleteEvent = this.#db.prepare('DELETE FROM events WHERE seq = ?')
    this.#removals = new Removals(this.#db)
    this.#vanishing = new Vanishing(this.#db)
    this.#search = new SearchIndex(this.#db)
    const any = (table: string) => this.#db.prepare(`SELECT 1 FROM ${table} LIMIT 1`).get() !== undefined
    this.#anyDeleted = any('deleted_ids')
    this.#anyVanished = any('vanished')
    this.#state = this.#createState()
    // Given away to be opened at all.
    this.#reserveUsed = reserveUsed
    if (reserve !== undefined && !reserveUsed) reserve.ensure()
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
    this.#makingRoom(() => {
      const above = this.epochs().map(run => run.epoch)
      insert.run(makeEpoch(nowMs, random16, above), this.#last)
    })
  }

  /**
   * One transaction for all. An event that fails takes nothing else with it: the transaction is then taken back and made anew with a
   * savepoint per event, which hardly ever happens and would cost each event more than its own rows do. `texts`: the events' own.
   */
  append(events: readonly NostrEvent[], nowMs: number, texts?: readonly string[]): Commit {
    this.#now = nowMs
    this.#texts = new Map(texts?.map((text, index) => [events[index], text]))
    this.#fresh = []
    const commit = (add: (event: NostrEvent) => Outcome) =>
      this.#transaction(() => {
        const results = events.map(add)
        this.#setLast.run(this.#last)
        return results
      })
    const commitAll = () => {
      try {
        return commit(event => this.#apply(event))
      } catch (error) {
        if (isFatal(error)) throw error
        return commit(event => this.#applyInSavepoint(event))
      }
    }
    const commitRemovals = () =>
      this.#usingReserve(() => commit(event => (MAKES_ROOM.has(event.kind) ? this.#apply(event) : FULL)))
    let outcomes: readonly Outcome[]
    const removes = events.some(({ kind }) => MAKES_ROOM.has(kind))
    if (this.isLow()) {
      if (!removes) throw new StorageFullError()
      outcomes = commitRemovals()
    } else {
      try {
        outcomes = commitAll()
      } catch (error) {
        if (!isFull(error) || !removes) throw error
        this.#fresh = []
        outcomes = commitRemovals()
      }
    }
    return { outcomes, entries: keepSurvivors(this.#fresh), last: this.#last }
  }

  /** Everything up to here can be searched. */
  get searchable(): number {
    return this.#search.indexed
  }

  /** Makes the next stored events searchable, this many at the most. Returns {@link searchable}. */
  indexSearch(rows: number): number {
    // Words can wait; what is left of the disk is for what makes room.
    if (!this.isLow()) this.#search.advance(this.#last, rows)
    return this.#search.indexed
  }

  remove(ids: readonly string[], nowMs: number): Commit {
    this.#now = nowMs
    this.#fresh = []
    this.#makingRoom(() => {
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
    if (this.isLow()) throw new StorageFullError()
    this.#db
      .prepare('INSERT OR REPLACE INTO wills (author, session, id, json) VALUES (?, ?, ?, ?)')
      .run(event.pubkey, session, event.id, encodeEvent(event))
  }

  dropWill(id: string): void {
    this.#db.prepare('DELETE FROM wills WHERE id = ?').run(id)
  }

  /** One bounded batch after a place in the index of deadlines; the caller comes again from `next`, and commits take their turn in between. */
  sweepExpired(now: number, after: SweptTo | 0): { readonly swept: number; readonly next: SweptTo | undefined } {
    const from = after === 0 ? { expires_at: Number.MIN_SAFE_INTEGER, seq: 0 } : after
    const expired = this.#db
      .prepare(
        `SELECT ${ROW_COLUMNS} FROM events INDEXED BY events_expiry
         WHERE expires_at IS NOT NULL AND expires_at <= ? AND (expires_at, seq) > (?, ?) ORDER BY expires_at, seq LIMIT ?`,
      )
      .all(now, from.expires_at, from.seq, SWEEP_BATCH) as EventRow[]
    // The column only points at it: the event itself must say so, intact. A damaged row stays for `check` to tell of.
    const due = expired.flatMap(row => {
      const event = provenEvent(row)
      return event !== undefined && (expirationOf(event) ?? Number.POSITIVE_INFINITY) <= now
        ? [{ seq: row.seq, event }]
        : []
    })
    if (due.length > 0)
      this.#makingRoom(() => {
        for (const { seq, event } of due) this.#drop(seq, event)
      })
    const end = expired.length < SWEEP_BATCH ? undefined : expired.at(-1)
    return { swept: due.length, next: end && { expires_at: end.expires_at ?? 0, seq: end.seq } }
  }

  /**
   * One bounded batch of what a request to vanish takes. False, and nothing is taken, if so little is left that the request itself may take
   * it in its own commit. What is not told yet is told by the request's entry.
   */
  clearVanishing(author: string, upTo: number): boolean {
    const rows = this.#vanishing.rows(author, upTo, VANISH_BATCH)
    const removals = this.#vanishing.removals(author, upTo, VANISH_BATCH)
    if (rows.length + removals.length < VANISH_BATCH) return false
    this.#makingRoom(() => {
      this.#dropAll(rows)
      for (const seq of removals) this.#removals.drop(seq)
    })
    return true
  }

  prune(order: PruneOrder): number {
    return this.#makingRoom(() => takeVictims(this.#db, order, (seq, event) => this.#drop(seq, event)))
  }

  close(): void {
    this.#db.pragma('optimize')
    this.#db.close()
  }

  /**
   * So little is left that only what makes room is stored. The journal counts: folding it into the file takes as much again at the most,
   * and is done here rather than when there is no room for it any more.
   */
  isLow(): boolean {
    const reserve = this.#reserve
    if (reserve === undefined) return false
    const room = roomOf(reserve)
    if (room > PLENTY_BYTES) return this.#reserveUsed && !this.#ensureReserve()
    if (this.#reserveUsed && !this.#ensureReserve()) return true
    if (room > (statSync(this.#journal, { throwIfNoEntry: false })?.size ?? 0)) return false
    const [folded] = this.#db.pragma('wal_checkpoint(PASSIVE)') as [{ log: number; checkpointed: number }]
    // What was deleted left pages in the file.
    const free = Number(this.#db.pragma('freelist_count', { simple: true }))
    return roomOf(reserve) <= (Math.max(0, folded.log - folded.checkpointed) - free) * PAGE_BYTES
  }

  #ensureReserve(): boolean {
    if (this.#reserve?.ensure() === true) {
      this.#reserveUsed = false
      this.#db.pragma(`wal_autocheckpoint = ${CHECKPOINT_PAGES}`)
    }
    return !this.#reserveUsed
  }

  /** A transaction that makes room, or that a start needs: on a full disk it has the reserve. */
  #makingRoom<T>(run: () => T): T {
    try {
      return this.#transaction(run)
    } catch (error) {
      if (!isFull(error)) throw error
      return this.#usingReserve(() => this.#transaction(run))
    }
  }

  #usingReserve<T>(run: () => T): T {
    if (this.#reserve?.release() === true) {
      this.#reserveUsed = true
      // What was given away is for the journal.
      this.#db.pragma('wal_autocheckpoint = 0')
    }
    // What is deleted leaves pages for the next commit; the one that deletes may need some first.
    if (this.#maxPages !== undefined) this.#db.pragma(`max_page_count = ${this.#maxPages + RESERVE_PAGES}`)
    try {
      return run()
    } finally {
      if (this.#maxPages !== undefined) this.#db.pragma(`max_page_count = ${this.#maxPages}`)
    }
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

  #applyInSavepoint(event: NostrEvent): Outcome {
    const before = this.#last
    const fresh = this.#fresh.length
    try {
      return this.#db.transaction(() => this.#apply(event))()
    } catch (error) {
      // A full disk or a broken file ends the whole batch; anything else concerns this event alone.
      if (!this.#db.inTransaction || isFatal(error)) throw error
      this.#last = before
      this.#fresh.length = fresh
      return { status: 'refused', reason: 'error: this event could not be stored' }
    }
  }

  #apply(event: NostrEvent): Outcome {
    const row = this.#find(event.id)
    this.#found = { id: event.id, row }
    try {
      if (row === undefined || isIntact(row)) return apply(this.#state, event)
      // A damaged copy is taken away, so that the good one can be stored anew.
      this.#drop(row.seq, event)
      return { status: 'stored', seq: this.#insert(event, addressOf(event)).seq }
    } finally {
      this.#found = undefined
    }
  }

  /** The row of an id. Of those that share a rank the id is in the text, and of damaged ones the rank must do. */
  #find(id: string): EventRow | undefined {
    if (this.#found?.id === id) return this.#found.row
    const rows = this.#findEvent.all(rankOf(id)) as EventRow[]
    return rows.find(row => idIn(row.json) === id) ?? rows.find(row => !isIntact(row))
  }

  #insert(event: NostrEvent, address: string | undefined): StoredEntry {
    this.#last += 1
    const seq = this.#last
    const { id, pubkey, created_at, kind } = event
    const json = this.#texts.get(event) ?? encodeEvent(event)
    const expires_at = expirationOf(event) ?? null
    const sum = rowSum({ seq, created_at, kind, expires_at, json })
    const rank = rankOf(id)
    const author = authorKey(pubkey)
    this.#insertEvent.run(seq, rank, author, created_at, kind, expires_at, this.#now, address ?? null, sum, json)
    for (const [name, value] of indexedTags(event))
      this.#insertTag.run(tagKey(name, value), created_at, rank, seq, kind)
    const entry: StoredEntry = { op: 'stored', seq, event, json, address }
    this.#fresh.push(entry)
    return entry
  }

  #drop(seq: number, event: NostrEvent): void {
    const rank = rankOf(event.id)
    for (const [name, value] of indexedTags(event))
      this.#deleteTag.run(tagKey(name, value), event.created_at, rank, seq)
    this.#deleteEvent.run(seq)
  }

  #dropAll(rows: readonly EventRow[]): void {
    for (const row of rows) {
      const event = eventOf(row)
      if (event === undefined) this.#dropDamaged(row.seq)
      else this.#drop(row.seq, event)
    }
  }

  /** Its tags can no longer be told from its text. Slow, and rare. */
  #dropDamaged(seq: number): void {
    this.#db.prepare('DELETE FROM tags WHERE seq = ?').run(seq)
    this.#deleteEvent.run(seq)
  }

  /** Their tags would tell of a removed event as much as the event did, so the author's removals go too. */
  #vanish(author: string, upTo: number): void {
    const db = this.#db
    this.#anyVanished = true
    this.#dropAll(this.#vanishing.rows(author, upTo, Number.MAX_SAFE_INTEGER))
    for (const seq of this.#vanishing.removals(author, upTo, -1)) this.#removals.drop(seq)
    this.#last += 1
    db.prepare('INSERT OR REPLACE INTO vanished (author, up_to, seq) VALUES (?, ?, ?)').run(author, upTo, this.#last)
    this.#fresh.push({ op: 'vanished', seq: this.#last, pubkey: author, upTo })
  }

  #createState(): LogState {
    const db = this.#db
    const byAddress = db.prepare(`SELECT ${ROW_COLUMNS} FROM events WHERE address = ?`)
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
    const intact = (row: EventRow | undefined): NostrEvent | undefined => (row === undefined ? undefined : eventOf(row))
    const seqOfId = (id: string): number | undefined => this.#find(id)?.seq

    return {
      seqOf: seqOfId,
      find: id => intact(this.#find(id)),
      holder: address => (byAddress.all(address) as EventRow[]).map(intact).find(event => event !== undefined),
      mark: address => mark.get(address) as Pick<NostrEvent, 'created_at' | 'id'> | undefined,
      isDeleted: (id, author) => this.#anyDeleted && isDeleted.get(id, author) !== undefined,
      deletedUpTo: address => deletedUpTo.get(address) as number | undefined,
      vanishedUpTo: author => (this.#anyVanished ? (vanishedUpTo.get(author) as number | undefined) : undefined),
      put: (event, address) => this.#insert(event, address).seq,
      remove: (event, address, op) => {
        const stored = seqOfId(event.id)
        if (stored === undefined) return
        this.#drop(stored, event)
        this.#last += 1
        const target = toHeader(event)
        const text = JSON.stringify(target)
        insertRemoval.run(this.#last, op, address ?? null, this.#now, text)
        this.#removals.weigh(event.pubkey, text.length + (address?.length ?? 0))
        this.#fresh.push({ op, seq: this.#last, target, address })
      },
      setMark: (address, { created_at, id }) => setMark.run(address, created_at, id),
      setDeleted: (id, author) => {
        this.#anyDeleted = true
        setDeleted.run(id, author)
      },
      setDeletedUpTo: (address, created_at) => setDeletedUpTo.run(address, created_at),
      concerns: (author, upTo) => this.#vanishing.takesAny(author, upTo),
      vanish: (author, upTo) => this.#vanish(author, upTo),
    }
  }
}
