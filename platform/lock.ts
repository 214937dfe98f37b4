import { chmodSync, closeSync, openSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseError, fileFault, isDamage } from './sqlite.ts'
import { type Database, loadDriver } from './sqlite-driver.ts'

/** Another process holds the folder. `pid` is the one that said so last, if it still runs; for the message only. */
export class LockedError extends Error {
  override readonly name = 'LockedError'
  readonly code = 'locked'
  readonly pid: number | undefined
  constructor(directory: string, pid: number | undefined) {
    super(
      pid === undefined
        ? `${directory} is in use by a process that is not ours: it has ${join(directory, 'lock.db')} open; find it (fuser, lsof) and stop it, or choose another folder.`
        : `${directory} is in use by process ${pid}; stop it or choose another folder.`,
    )
    this.pid = pid
  }
}

/** Held locks stay reachable: a connection that is garbage-collected is closed, and its lock dropped, behind our back. */
const held = new Set<Database>()

/**
 * One owner per folder. The lock is SQLite's own file lock on `lock.db`, so the system drops it with the process,
 * SIGKILL included: there is no stale state to guess about. Returns the release. Throws {@link LockedError}.
 */
export function acquireLock(directory: string): () => void {
  const Driver = loadDriver()
  const pidFile = join(directory, 'lock.pid')
  const path = join(directory, 'lock.db')
  let db: Database
  try {
    keepPrivate(path)
    db = new Driver(path, { timeout: 0 })
  } catch (error) {
    throw lockFault(path, error)
  }
  try {
    // Of processes that begin at the same moment exactly one gets SQLite's RESERVED lock. EXCLUSIVE takes further steps, in which two can refuse
    // each other; and a mere reader keeps it away.
    db.exec('BEGIN IMMEDIATE')
  } catch (error) {
    db.close()
    if (isBusy(error)) throw new LockedError(directory, runningPid(pidFile))
    throw lockFault(path, error)
  }
  writeFileSync(pidFile, String(process.pid), { mode: 0o600 })
  held.add(db)
  return () => {
    if (!held.delete(db)) return
    // The next holder is named, or none: not this process.
    rmSync(pidFile, { force: true })
    db.exec('ROLLBACK')
    db.close()
  }
}

const isBusy = (error: unknown): boolean => (error as { code?: string }).code?.startsWith('SQLITE_BUSY') === true

/** Nothing is kept in it: a damaged one may go. */
const lockFault = (path: string, error: unknown): unknown =>
  isDamage(error)
    ? new DatabaseError('damaged-file', `${path} is damaged. It holds nothing but the lock: remove it.`, {
        cause: error,
      })
    : fileFault(path, error)

/**
 * Another user who can open the file can hold a lock on it, and so keep us out of our own folder. An existing file is changed by its
 * name alone: closing a descriptor of it would drop the locks that this process holds on it (fcntl(2)).
 */
function keepPrivate(lockFile: string): void {
  const mode = statSync(lockFile, { throwIfNoEntry: false })?.mode
  if (mode === undefined) closeSync(openSync(lockFile, 'a', 0o600))
  else if ((mode & 0o077) !== 0 && process.platform !== 'win32') chmodSync(lockFile, 0o600)
}

/** The process that took the lock last, if it still runs. */
function runningPid(file: string): number | undefined {
  try {
    const pid = Number(readFileSync(file, 'utf8'))
    if (!Number.isSafeInteger(pid) || pid <= 0) return undefined
    process.kill(pid, 0)
    return pid
  } catch (error) {
    // It runs, and belongs to another user.
    if ((error as { code?: string }).code === 'EPERM') return Number(readFileSync(file, 'utf8'))
    return undefined
  }
}
