import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseError, fileFault, isDamage } from './sqlite.ts'
import { type Database, loadDriver } from './sqlite-driver.ts'

/** Somebody else holds the folder. `pid` is who said so last, for the message only. */
export class LockedError extends Error {
  override readonly name = 'LockedError'
  readonly code = 'locked'
  readonly pid: number | undefined
  constructor(directory: string, pid: number | undefined) {
    super(`${directory} is in use${pid === undefined ? '' : ` by process ${pid}`}; stop it or choose another folder.`)
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
    db = new Driver(path, { timeout: 0 })
  } catch (error) {
    throw lockFault(path, error)
  }
  try {
    db.pragma('locking_mode = EXCLUSIVE')
    db.exec('BEGIN EXCLUSIVE')
  } catch (error) {
    db.close()
    if ((error as { code?: string }).code?.startsWith('SQLITE_BUSY')) throw new LockedError(directory, readPid(pidFile))
    throw lockFault(path, error)
  }
  writeFileSync(pidFile, String(process.pid), { mode: 0o600 })
  held.add(db)
  return () => {
    if (!held.delete(db)) return
    db.exec('ROLLBACK')
    db.close()
  }
}

/** Nothing is kept in it: a damaged one may go. */
const lockFault = (path: string, error: unknown): unknown =>
  isDamage(error)
    ? new DatabaseError('damaged-file', `${path} is damaged. It holds nothing but the lock: remove it.`, {
        cause: error,
      })
    : fileFault(path, error)

function readPid(file: string): number | undefined {
  try {
    const pid = Number(readFileSync(file, 'utf8'))
    return Number.isSafeInteger(pid) && pid > 0 ? pid : undefined
  } catch {
    return undefined
  }
}
