import { closeSync, fdatasync, openSync } from 'node:fs'
import { promisify } from 'node:util'
import type { Database } from './sqlite.ts'

const sync = promisify(fdatasync)
/** 16 MB: each time the journal is moved into the file the thread that writes does wait for the disk. */
const JOURNAL_PAGES = 4_000

/** Commits whose flush to the disk is waited for by whoever needs it, not by the thread that writes. */
export interface SyncLater {
  /** `write` on the disk when it returns. Any other commit outlives the process at once, the machine once `durable` has resolved or a synced one has followed. */
  synced<A extends unknown[], R>(write: (...args: A) => R): (...args: A) => R
  /** Resolves when everything committed so far is on the disk. One flush serves all that was written while the one before was under way. */
  durable(): Promise<void>
  close(): void
}

/**
 * For a database in WAL mode. A commit is frames at the end of the journal, whole by their checksums, so that flushing the journal makes
 * all commits durable, in order; a checkpoint flushes it by itself before it moves anything.
 */
export function createSyncLater(db: Database, path: string, readonly = false): SyncLater {
  const done = Promise.resolve()
  const changes = db.prepare('SELECT total_changes()').pluck()
  let journal: number | undefined
  /** How many rows had been changed when what is on the disk was written. */
  let flushed = changes.get()
  let running: Promise<void> | undefined
  let next: Promise<void> | undefined
  if (!readonly) {
    db.pragma('synchronous = NORMAL')
    db.pragma(`wal_autocheckpoint = ${JOURNAL_PAGES}`)
  }

  async function flush(before: Promise<void> | undefined): Promise<void> {
    // How the one before ended is its callers' matter.
    await before?.catch(() => {})
    next = undefined
    const written = changes.get()
    if (written === flushed) return
    journal ??= openSync(`${path}-wal`, 'r+')
    running = sync(journal).finally(() => {
      running = undefined
    })
    await running
    flushed = written
  }

  return {
    synced:
      write =>
      (...args) => {
        if (db.inTransaction) return write(...args)
        db.pragma('synchronous = FULL')
        try {
          return write(...args)
        } finally {
          db.pragma('synchronous = NORMAL')
        }
      },
    durable() {
      if (next === undefined && changes.get() === flushed) return done
      next ??= flush(running)
      return next
    },
    close() {
      const open = journal
      journal = undefined
      if (open === undefined) return
      // Not under a flush that still has it: its number may soon be another file's.
      if (running) void running.catch(() => {}).then(() => closeSync(open))
      else closeSync(open)
    },
  }
}
