import { statSync } from 'node:fs'
import { addFunctions, codeOf, type Database, DatabaseError, openDatabase } from '../../../platform/sqlite.ts'
import { loadDriver } from '../../../platform/sqlite-driver.ts'
import { isEpoch } from '../../../protocol/cursor.ts'
import type { NostrEvent } from '../../../protocol/event.ts'
import { isHex64 } from '../../../protocol/hex.ts'
import { addressOf } from '../../../protocol/kinds.ts'
import { indexedTags } from '../entries.ts'
import { checkMemory } from './check-memory.ts'
import { type EventColumns, shapeOf } from './check-shapes.ts'
import { headerOf } from './row.ts'
import { LOG_APPLICATION_ID, LOG_FUNCTIONS, LOG_MIGRATIONS, WRITER_INDEXES } from './schema.ts'

/** A row that is not what was stored. `seq` or `id` is missing where the row has none that can be read. */
export interface DamagedRow {
  readonly seq: number | undefined
  readonly id: string | undefined
  readonly what: string
}

export interface CheckReport {
  readonly ok: boolean
  readonly events: number
  readonly removals: number
  /** Where the log ends. */
  readonly last: number
  readonly damaged: readonly DamagedRow[]
  /** What is wrong with the file as a whole. */
  readonly problems: readonly string[]
}

export interface CheckOptions {
  /** Also checks every signature; true for those that hold, same order. */
  readonly verify?: (events: readonly NostrEvent[]) => Promise<readonly boolean[]>
  /** Told now and then: the position reached, and where the log ends; both 0 when it begins with the file as a whole. */
  onProgress?(seq: number, last: number): void
}

/** Rows read at a time. */
const CHUNK = 500
/** What SQLite says of one damaged file can be endless. */
const MAX_SAID = 100

/** Where findings are gathered. */
export interface Findings {
  damaged(seq: number | undefined, id: string | undefined, what: string): void
  problem(what: string): void
}

/**
 * Checks a log file: SQLite's own structure, our schema, and every row against what it says of itself: events against their ids,
 * index columns and tag rows against events, marks and tombstones against the events that set them. Changes nothing and reads one
 * snapshot, so it may run beside the relay. Damage is reported, never thrown; throws DatabaseError for a newer or a foreign file.
 */
export async function checkLog(path: string, options: CheckOptions = {}): Promise<CheckReport> {
  const damaged: DamagedRow[] = []
  const problems: string[] = []
  const counts = { events: 0, removals: 0, last: 0 }
  const findings: Findings = {
    damaged: (seq, id, what) => damaged.push({ seq, id, what }),
    problem: what => problems.push(what),
  }
  let db: Database | undefined
  options.onProgress?.(0, 0)
  try {
    if (statSync(path, { throwIfNoEntry: false })?.size === 0)
      throw new DatabaseError('damaged-file', `${path} is empty (0 bytes): nothing of the log is in it.`)
    db = openDatabase(path, {
      applicationId: LOG_APPLICATION_ID,
      migrations: LOG_MIGRATIONS,
      readonly: true,
      functions: LOG_FUNCTIONS,
      olderSchema: true,
    })
    assertLogFile(db, path)
    db.exec('BEGIN')
    // Each part by itself: what breaks one still lets the others tell which rows are hurt.
    const parts: readonly ((db: Database) => void | Promise<void>)[] = [
      db => checkStructure(db, findings),
      db => checkEpochs(db, findings, counts),
      db => checkEvents(db, findings, counts, options),
      db => checkRemovals(db, findings, counts),
      db => checkMemory(db, findings),
    ]
    for (const part of parts) await attempt(() => part(db as Database), findings)
  } catch (error) {
    if (!isDamage(error)) throw error
    findings.problem(messageOf(error))
  } finally {
    db?.close()
  }
  return { ok: damaged.length === 0 && problems.length === 0, ...counts, damaged, problems }
}

async function attempt(run: () => void | Promise<void>, findings: Findings): Promise<void> {
  try {
    await run()
  } catch (error) {
    if (!isDamage(error)) throw error
    findings.problem(messageOf(error))
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/** Errors that a damaged file makes SQLite throw. A schema text that was hit is a plain SQLITE_ERROR ("no such column"). */
const isDamage = (error: unknown): boolean =>
  /^damaged-file$|^SQLITE_(CORRUPT|NOTADB|ERROR|FORMAT|CANTOPEN_CORRUPT|IOERR_SHORT_READ|MISMATCH|TOOBIG|NOMEM)/.test(
    codeOf(error),
  )

function assertLogFile(db: Database, path: string): void {
  const id = Number(db.pragma('application_id', { simple: true }))
  const version = Number(db.pragma('user_version', { simple: true }))
  const isLog = db.prepare(`SELECT 1 FROM sqlite_schema WHERE name = 'epochs'`).get() !== undefined
  if (id !== LOG_APPLICATION_ID && !isLog)
    throw new DatabaseError('foreign-file', `${path} is no log of a posthorn relay.`)
  if (id === LOG_APPLICATION_ID && version > LOG_MIGRATIONS.length && version <= LOG_MIGRATIONS.length + 1_000)
    throw new DatabaseError(
      'newer-schema',
      `${path} was written by a newer posthorn (schema ${version}); update posthorn.`,
    )
}

/** Pages, indexes and constraints (SQLite's own check), and the very schema that our migrations make. */
function checkStructure(db: Database, findings: Findings): void {
  const id = Number(db.pragma('application_id', { simple: true }))
  const version = Number(db.pragma('user_version', { simple: true }))
  if (id !== LOG_APPLICATION_ID) findings.problem('the mark that says whose file this is has changed')
  // Statistics come and go with PRAGMA optimize.
  const schema = `SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite_stat%' ORDER BY type, name`
  const Driver = loadDriver()
  const model = new Driver(':memory:')
  addFunctions(model, LOG_FUNCTIONS)
  try {
    for (const sql of LOG_MIGRATIONS.slice(0, version)) model.exec(sql)
    const required = (model.prepare(schema).all() as SchemaRow[]).map(textOf)
    if (version === LOG_MIGRATIONS.length) model.exec(WRITER_INDEXES)
    const known = new Set((model.prepare(schema).all() as SchemaRow[]).map(textOf))
    // Litestream keeps tables of its own next to ours.
    const theirs = (db.prepare(schema).all() as SchemaRow[])
      .filter(({ type, tbl_name }) => !(LITESTREAM.test(tbl_name) && (type === 'table' || type === 'index')))
      .map(textOf)
    const found = new Set(theirs)
    if (!required.every(text => found.has(text)) || !theirs.every(text => known.has(text)))
      findings.problem(`the tables are not those of schema ${version}`)
  } finally {
    model.close()
  }
  const said = db.pragma(`integrity_check(${MAX_SAID})`) as { integrity_check: string }[]
  for (const { integrity_check: text } of said) if (text !== 'ok') findings.problem(text)
}

const LITESTREAM = /^_litestream_/

interface SchemaRow {
  readonly type: string
  readonly name: string
  readonly tbl_name: string
  readonly sql: string | null
}
const textOf = (row: SchemaRow): string => JSON.stringify(row)

function checkEpochs(db: Database, findings: Findings, counts: { last: number }): void {
  counts.last = Number(db.prepare('SELECT last FROM log').pluck().get())
  const runs = db.prepare('SELECT epoch, start FROM epochs ORDER BY epoch').all() as { epoch: string; start: number }[]
  let before = 0
  for (const { epoch, start } of runs) {
    if (!isEpoch(epoch)) findings.problem(`${JSON.stringify(epoch)} is no epoch`)
    if (start < before || start > counts.last) findings.problem(`epoch ${epoch} starts at ${start}, out of order`)
    before = start
  }
}

async function checkEvents(
  db: Database,
  findings: Findings,
  counts: { events: number; last: number },
  { verify, onProgress }: CheckOptions,
): Promise<void> {
  const shape = shapeOf(db)
  const page = db.prepare(shape.pageSql)
  const addresses = new Map<string, number>()
  let tags = 0
  for (let after = Number.MIN_SAFE_INTEGER; ; ) {
    const rows = page.all(after, CHUNK) as EventColumns[]
    const end = rows.at(-1)
    if (end === undefined) break
    after = end.seq
    counts.events += rows.length
    onProgress?.(end.seq, counts.last)
    const sound: { readonly seq: number; readonly event: NostrEvent }[] = []
    for (const row of rows) {
      const { seq } = row
      const id = shape.idOf(row)
      const event = shape.eventOf(row)
      if (event === undefined) {
        findings.damaged(seq, id, 'the event does not hash to its id')
        continue
      }
      sound.push({ seq, event })
      const wrong = Object.entries(shape.columnsOf(event)).flatMap(([name, value]) => (row[name] === value ? [] : name))
      if (wrong.length > 0) findings.damaged(seq, id, `index columns differ from the event: ${wrong.join(', ')}`)
      if (seq < 1 || seq > counts.last)
        findings.damaged(seq, id, `its seq is outside the log, which ends at ${counts.last}`)
      const wanted = new Map(indexedTags(event).map(([name, value]) => [shape.tagId(name, value), { name, value }]))
      tags += wanted.size
      for (const { name, value } of wanted.values())
        if (!shape.hasTag(name, value, seq, event))
          findings.damaged(seq, id, `tag ${JSON.stringify(name)} is not in the index as it is in the event`)
      const address = addressOf(event)
      const other = address === undefined ? undefined : addresses.get(address)
      if (other !== undefined) findings.damaged(seq, id, `seq ${other} holds the same address`)
      if (address !== undefined) addresses.set(address, seq)
    }
    if (verify !== undefined) {
      const verdicts = await verify(sound.map(({ event }) => event))
      for (const [index, { seq, event }] of sound.entries())
        if (verdicts[index] !== true) findings.damaged(seq, event.id, 'the signature does not fit the event')
    }
  }
  const stored = Number(db.prepare('SELECT count(*) FROM tags').pluck().get())
  if (stored > tags) findings.problem(`${stored - tags} tag rows belong to no event`)
}

function checkRemovals(db: Database, findings: Findings, counts: { removals: number; last: number }): void {
  const both = db.prepare('SELECT 1 FROM events WHERE seq = ?').pluck()
  const vanished = db.prepare(`SELECT 1 FROM sqlite_schema WHERE name = 'vanished'`).get() !== undefined
  const checkSeq = (seq: number, id: string | undefined): void => {
    if (seq < 1 || seq > counts.last || both.get(seq) !== undefined)
      findings.damaged(seq, id, 'a removal has a seq outside the log, or that of an event')
  }
  for (const row of db.prepare('SELECT seq, op, address, target FROM removals').iterate()) {
    const { seq, op, address, target } = row as { seq: number; op: string; address: string | null; target: string }
    const header = headerOf(target)
    counts.removals += 1
    if (header === undefined || (op !== 'deleted' && op !== 'replaced') || (addressOf(header) ?? null) !== address)
      findings.damaged(seq, header?.id, 'a removal cannot be read')
    checkSeq(seq, header?.id)
  }
  if (!vanished) return
  for (const row of db.prepare('SELECT seq, author FROM vanished').iterate()) {
    const { seq, author } = row as { seq: number; author: string }
    counts.removals += 1
    if (!isHex64(author)) findings.damaged(seq, undefined, 'a vanishing names no key')
    checkSeq(seq, undefined)
  }
}
