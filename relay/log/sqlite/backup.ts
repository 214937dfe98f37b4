import {
  chmodSync,
  closeSync,
  copyFileSync,
  existsSync,
  fsyncSync,
  openSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
} from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { acquireLock } from '../../../platform/lock.ts'
import { makeFolder } from '../../../platform/make-folder.ts'
import { openDatabase } from '../../../platform/sqlite.ts'
import { loadDriver } from '../../../platform/sqlite-driver.ts'
import { type CheckOptions, type CheckReport, checkLog } from './check.ts'
import { LOG_APPLICATION_ID, LOG_MIGRATIONS } from './schema.ts'
import { LOG_FILE } from './store.ts'

/** A backup that was not made, or not put back; nothing was changed. */
export class BackupError extends Error {
  override readonly name = 'BackupError'
  readonly code: 'no-log' | 'no-folder' | 'target-exists' | 'damaged-log' | 'log-in-place'
  /** What the check found, where it is the reason. */
  readonly report: CheckReport | undefined
  constructor(code: BackupError['code'], message: string, report?: CheckReport) {
    super(message)
    this.code = code
    this.report = report
  }
}

export interface BackupReport extends CheckReport {
  /** Absolute path. */
  readonly file: string
  readonly bytes: number
}

/**
 * Copies the log of a folder into one file as it is at one moment, beside a running relay or without one; the copy is checked, synced and
 * only then given its name. Holds private mail: readable by the owner only. Throws {@link BackupError}; blocks while it copies.
 */
export async function backupLog(directory: string, target: string, options: CheckOptions = {}): Promise<BackupReport> {
  const source = requireLog(directory)
  const file = resolve(target)
  if (existsSync(file)) throw new BackupError('target-exists', `${target} is there already; choose another name.`)
  if (statSync(dirname(file), { throwIfNoEntry: false })?.isDirectory() !== true)
    throw new BackupError(
      'no-folder',
      `there is no folder ${dirname(target)} for the backup; make it (mkdir -p), or choose another.`,
    )
  const partial = partialOf(file)
  rmSync(partial, { force: true })
  try {
    // Made first, so that nobody else may look into it while it is being written.
    closeSync(openSync(partial, 'wx', 0o600))
    const db = openDatabase(source, { applicationId: LOG_APPLICATION_ID, migrations: LOG_MIGRATIONS, readonly: true })
    try {
      // Would forbid writing the copy, too; the log itself is open for reading only.
      db.pragma('query_only = OFF')
      db.prepare('VACUUM INTO ?').run(partial)
    } finally {
      db.close()
    }
    syncFile(partial)
    const report = await checkLog(partial, options)
    if (!report.ok)
      throw new BackupError(
        'damaged-log',
        `${source} is damaged, so no backup was made. See: posthorn relay check`,
        report,
      )
    renameSync(partial, file)
    syncFile(dirname(file))
    return { ...report, file, bytes: statSync(file).size }
  } finally {
    removePartial(file)
  }
}

export interface RestoreReport extends CheckReport {
  /** Where the log that was in the folder is now. */
  readonly before: string | undefined
}

export interface RestoreOptions extends CheckOptions {
  readonly replace?: boolean
  /** Told when all is checked and the log is about to change; until then the process may be killed without a trace. */
  onReplace?(): void
}

/**
 * Puts a backup into a folder that no relay holds. With `replace` a log that is there is set aside, never deleted. The next start begins a new
 * epoch, so clients that know positions above the backup's end are told so. Throws {@link BackupError}, LockedError.
 */
export async function restoreLog(
  backup: string,
  directory: string,
  options: RestoreOptions = {},
): Promise<RestoreReport> {
  requireFile(backup)
  const made = makeFolder(directory, 0o700)
  let isRestored = false
  const unlock = acquireLock(directory)
  const log = join(directory, LOG_FILE)
  const partial = partialOf(log)
  try {
    if (existsSync(log) && options.replace !== true)
      throw new BackupError('log-in-place', `${log} is there already; choose another folder, or use --force.`)
    copyFileSync(backup, partial)
    chmodSync(partial, 0o600)
    // The copy, not the original: it is what will be used.
    const report = await checkLog(partial, options)
    if (!report.ok)
      throw new BackupError(
        'damaged-log',
        `${backup} is damaged; nothing was restored. See: posthorn relay check ${backup}`,
        report,
      )
    syncFile(partial)
    options.onReplace?.()
    const before = existsSync(log) ? setAside(log) : undefined
    renameSync(partial, log)
    syncFile(directory)
    isRestored = true
    return { ...report, before }
  } finally {
    removePartial(log)
    unlock()
    if (!isRestored && made !== undefined) removeMade(made, directory)
  }
}

/** Takes away the folders that a restore has made, down to the first of them, once nothing but the lock is left inside. */
function removeMade(first: string, directory: string): void {
  for (const name of ['lock.db', 'lock.db-journal', 'lock.pid']) rmSync(join(directory, name), { force: true })
  try {
    for (let folder = resolve(directory); folder.startsWith(resolve(first)); folder = dirname(folder)) rmdirSync(folder)
  } catch {
    // Somebody has put something there meanwhile: it stays.
  }
}

/** Throws {@link BackupError} if there is none, or something else is in its place. */
export function requireFile(path: string): void {
  const stats = statSync(path, { throwIfNoEntry: false })
  if (stats === undefined) throw new BackupError('no-log', `there is no file ${path}`)
  if (stats.isDirectory())
    throw new BackupError('no-log', `${path} is a folder, not a backup; name the file inside it.`)
}

/** What becomes `file` when it is complete. */
export const partialOf = (file: string): string => `${file}.partial`

/** Takes away what a copy that was cut short has left. */
export function removePartial(file: string): void {
  for (const suffix of ['', '-wal', '-shm', '-journal']) rmSync(partialOf(file) + suffix, { force: true })
}

/** The log of a folder; throws {@link BackupError} if there is none. */
export function requireLog(directory: string): string {
  const log = join(directory, LOG_FILE)
  if (!existsSync(log))
    throw new BackupError('no-log', `there is no log in ${directory}; --data names the relay's folder.`)
  return log
}

/** Renames a log with everything that belongs to it, so that what its journal holds is not lost and not read into another. */
function setAside(log: string): string {
  try {
    const Driver = loadDriver()
    const db = new Driver(log)
    db.pragma('wal_checkpoint(TRUNCATE)')
    db.close()
  } catch {
    // Damaged, which may be why it is replaced: it goes as it is.
  }
  let aside = `${log}.before-restore`
  for (let n = 2; existsSync(aside); n += 1) aside = `${log}.before-restore-${n}`
  // The journal first: were this cut short, an old journal would meet a new log.
  for (const part of ['-wal', '-shm']) if (existsSync(log + part)) renameSync(log + part, aside + part)
  renameSync(log, aside)
  return aside
}

function syncFile(path: string): void {
  const descriptor = openSync(path, 'r')
  try {
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}
