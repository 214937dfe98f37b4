import {
  chmodSync,
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs'
import { basename, dirname } from 'node:path'
import { type Database, loadDriver, type SqlFunction } from './sqlite-driver.ts'

export type { Database, SqlFunction, Statement } from './sqlite-driver.ts'

export interface OpenOptions {
  /** Distinguishes our files from each other and from strangers' (PRAGMA application_id). */
  readonly applicationId: number
  /** One SQL text per schema version, in order; version n is the state after the first n. All pending ones run in one transaction, after a copy. */
  readonly migrations: readonly string[]
  /** What SQL of ours calls by name, migrations above all; each gives the same result for the same values. */
  readonly functions?: Readonly<Record<string, SqlFunction>>
  /** False: the journal is not folded into the file by itself, which takes room. Default: true. */
  readonly checkpoints?: boolean
  /** A second connection beside the writer: no pragma is changed, nothing is migrated; the file has to have our schema already. */
  readonly readonly?: boolean
  /** Read-only tools that know every older schema too. */
  readonly olderSchema?: boolean
  /** Readable by the owner only (0600): for files that hold private mail. */
  readonly secret?: boolean
  /** The file was complete before: one of no bytes has been emptied. Default false: it is taken for a new one. */
  readonly wasComplete?: boolean
}

/** The database cannot be used as it is; the message says what to do. */
export class DatabaseError extends Error {
  override readonly name = 'DatabaseError'
  readonly code:
    | 'sqlite-too-old'
    | 'not-durable'
    | 'foreign-file'
    | 'damaged-file'
    | 'unreadable-file'
    | 'newer-schema'
    | 'older-schema'
  constructor(code: DatabaseError['code'], message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/** 3.7.0 to 3.51.2 can corrupt a WAL database when two connections meet at a checkpoint reset (research: reliability, fact 4). */
const OLDEST_SAFE_SQLITE = [3, 51, 3] as const

/**
 * Opens a WAL database whose commits are synced before they return. Asserted after a real write, because SQLite
 * builds exist whose WAL default silently falls back to NORMAL on the first write. Throws {@link DatabaseError}.
 */
export function openDatabase(path: string, options: OpenOptions): Database {
  const stats = statSync(path, { throwIfNoEntry: false })
  const fresh = stats === undefined
  if (stats?.isDirectory()) throw unreadable(path, 'a folder is in its place')
  if (fresh && !existsSync(dirname(path))) throw unreadable(path, 'its folder is not there')
  if (stats?.size === 0 && options.wasComplete) throw damagedFile(path)
  let db: Database
  try {
    db = options.readonly ? openToRead(path) : new (loadDriver())(path)
  } catch (error) {
    throw fileFault(path, error)
  }
  try {
    if (options.secret && fresh) chmodSync(path, 0o600)
    assertSafeVersion(db)
    db.pragma('busy_timeout = 5000')
    db.pragma('trusted_schema = OFF')
    addFunctions(db, options.functions)
    if (options.checkpoints === false) db.pragma('wal_autocheckpoint = 0')
    if (options.readonly) {
      db.pragma('query_only = ON')
      assertOurs(db, path, options)
      if (!options.olderSchema) assertMigrated(db, path, options)
      return db
    }
    const version = assertOurs(db, path, options) // first, because switching to WAL already writes to the file
    if (version > 0 && version < options.migrations.length) copyBeforeMigration(db, path, version)
    db.pragma('journal_mode = WAL')
    db.pragma('synchronous = FULL')
    db.pragma('fullfsync = ON') // macOS: fsync alone does not reach the platter
    migrate(db, path, options)
    assertDurable(db)
    return db
  } catch (error) {
    db.close()
    throw fileFault(path, error)
  }
}

/** Larger files are not read into memory, bytes. */
const MAX_IN_MEMORY = 512 * 1024 * 1024
/** The bytes of the file's header that say it is in WAL mode (SQLite file format, 1.3); 1 is a rollback journal. */
const JOURNAL_BYTES = [18, 19]

/**
 * Opens a database for reading. In WAL mode a reader makes a small file of its own beside the database, which a full or read-only disk
 * does not allow: there the file is read into memory, unless another process has it open or left a log beside it. Throws as openDatabase.
 */
export function openToRead(path: string): Database {
  const Driver = loadDriver()
  const db = new Driver(path, { readonly: true, fileMustExist: true })
  try {
    db.pragma('schema_version')
    return db
  } catch (error) {
    db.close()
    // An empty log may be what this attempt has left.
    const hasLog = (statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0) > 0
    const isDisk = /^SQLITE_(IOERR|FULL|CANTOPEN|READONLY)/.test(codeOf(error))
    if (!isDisk || isDamage(error) || hasLog || statSync(path).size > MAX_IN_MEMORY) throw fileFault(path, error)
    const bytes = readFileSync(path)
    for (const at of JOURNAL_BYTES) bytes[at] = 1
    return new Driver(bytes, { readonly: true })
  }
}

/** Reads all of the file's structure; undefined if it is sound, else SQLite's first complaint. Takes about a second per 100 MB. */
export function structureFault(db: Database): string | undefined {
  try {
    const said = String(db.pragma('quick_check(1)', { simple: true }))
    return said === 'ok' ? undefined : said
  } catch (error) {
    if (!isDamage(error)) throw error
    return error instanceof Error ? error.message : String(error)
  }
}

/** SQLite's own words for a file that is not what it wrote. */
export const isDamage = (error: unknown): boolean =>
  /^SQLITE_(CORRUPT|NOTADB|FORMAT|IOERR_SHORT_READ|CANTOPEN_CORRUPT)/.test(codeOf(error))

/** The code of an error, e.g. `SQLITE_FULL`, `ENOENT`; `'undefined'` if it has none. */
export const codeOf = (error: unknown): string => String((error as { code?: unknown } | null)?.code)

/** There is no room to write: the disk is full, or the database has reached its limit. */
export const isFull = (error: unknown): boolean => codeOf(error) === 'SQLITE_FULL'

/** What a failure to open or read means for this file; everything else stays what it is. */
export function fileFault(path: string, error: unknown): unknown {
  if (isDamage(error)) return damagedFile(path, error)
  if (!/^SQLITE_(CANTOPEN|PERM|READONLY|AUTH)/.test(codeOf(error))) return error
  try {
    closeSync(openSync(path, 'r+'))
  } catch (cause) {
    return unreadable(path, reasonOf(cause), cause)
  }
  return unreadable(path, error instanceof Error ? error.message : String(error), error)
}

const reasonOf = (error: unknown): string => {
  const code = codeOf(error)
  if (code === 'ENOENT') return 'there is no such file or folder'
  if (code === 'EACCES' || code === 'EPERM') return 'this user may not'
  if (code === 'EROFS') return 'its file system is read-only'
  return error instanceof Error ? error.message : String(error)
}

const damagedFile = (path: string, cause?: unknown): DatabaseError =>
  new DatabaseError(
    'damaged-file',
    `${path} is not a SQLite database, or it is damaged. Restore it from a backup, or move it away to start without it.`,
    { cause },
  )

const unreadable = (path: string, why: string, cause?: unknown): DatabaseError =>
  new DatabaseError(
    'unreadable-file',
    `${path} cannot be opened for reading and writing: ${why}. Give ${basename(path)} and its folder to this user, or choose another folder.`,
    { cause },
  )

/** For migrations, here and wherever else they are run. */
export function addFunctions(db: Database, functions: OpenOptions['functions'] = {}): void {
  for (const [name, run] of Object.entries(functions)) db.function(name, { deterministic: true, varargs: true }, run)
}

function assertSafeVersion(db: Database): void {
  const version = String(db.prepare('SELECT sqlite_version()').pluck().get())
  const parts = version.split('.').map(Number)
  for (const [index, oldest] of OLDEST_SAFE_SQLITE.entries()) {
    const part = parts[index] ?? 0
    if (part > oldest) return
    if (part < oldest)
      throw new DatabaseError(
        'sqlite-too-old',
        `SQLite ${version} can corrupt WAL files; ${OLDEST_SAFE_SQLITE.join('.')} or later is needed. Install posthorn's dependencies again.`,
      )
  }
}

/** A writer migrates; beside one that has not got so far, or over a file of an older release, there is nothing to read by our schema. */
function assertMigrated(db: Database, path: string, { migrations }: OpenOptions): void {
  if (Number(db.pragma('user_version', { simple: true })) < migrations.length)
    throw new DatabaseError(
      'older-schema',
      `${path} has not been brought to this version of posthorn; start what writes to it first.`,
    )
}

const foreignFile = (path: string): DatabaseError =>
  new DatabaseError(
    'foreign-file',
    `${path} is a database of another program, or of another part of posthorn. Choose another folder, or move it away.`,
  )

/** Refuses a file that we may not write to. Returns its schema version. */
function assertOurs(db: Database, path: string, { applicationId, migrations }: OpenOptions): number {
  const id = Number(db.pragma('application_id', { simple: true }))
  const version = Number(db.pragma('user_version', { simple: true }))
  const tables = Number(db.prepare('SELECT count(*) FROM sqlite_schema').pluck().get())
  if (id !== applicationId && (id !== 0 || tables > 0)) throw foreignFile(path)
  if (version > migrations.length)
    throw new DatabaseError(
      'newer-schema',
      `${path} was written by a newer posthorn (schema ${version}, this one knows ${migrations.length}); update posthorn.`,
    )
  return version
}

/** A migration cannot be taken back: the file as it was stays beside it, so that the older program can be used again. */
function copyBeforeMigration(db: Database, path: string, version: number): void {
  const partial = `${path}.${process.pid}.partial`
  rmSync(partial, { force: true })
  closeSync(openSync(partial, 'wx', 0o600))
  try {
    db.prepare('VACUUM INTO ?').run(partial)
    const copy = openSync(partial, 'r')
    fsyncSync(copy)
    closeSync(copy)
    renameSync(partial, backupName(path, version))
  } finally {
    rmSync(partial, { force: true })
  }
}

/** Where a file of an older schema version is kept when it is migrated. */
export const backupName = (path: string, version: number): string => `${path}.schema-${version}`

function migrate(db: Database, path: string, options: OpenOptions): void {
  const { applicationId, migrations } = options
  const upgrade = db.transaction(() => {
    const version = assertOurs(db, path, options) // again: another process may have migrated since
    for (const sql of migrations.slice(version)) db.exec(sql)
    db.pragma(`application_id = ${applicationId}`)
    db.pragma(`user_version = ${migrations.length}`)
  })
  upgrade.immediate()
}

/** After the migration transaction, so the file has seen a write. Reads the connection's real settings, not what we asked for. */
export function assertDurable(db: Database): void {
  db.pragma(`user_version = ${Number(db.pragma('user_version', { simple: true }))}`)
  const mode = db.pragma('journal_mode', { simple: true })
  const synchronous = db.pragma('synchronous', { simple: true })
  if (mode !== 'wal' || synchronous !== 2)
    throw new DatabaseError(
      'not-durable',
      `SQLite runs with journal_mode=${mode}, synchronous=${synchronous}; wal and 2 (FULL) are needed for OK to mean synced.`,
    )
}
