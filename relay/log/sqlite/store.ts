import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { acquireLock } from '../../../platform/lock.ts'
import type { EpochStart } from '../epochs.ts'
import type { Commit, LogBatch, QueryPage, Store } from '../store.ts'
import { Thread } from './rpc.ts'
import { SWEEP_BATCH } from './writer.ts'

/** The log's file inside a data folder. */
export const LOG_FILE = 'log.db'

/**
 * The log on SQLite: one writer thread, one reader thread, the folder locked for this process.
 * Rejects with LockedError if another relay has the folder, with a `DatabaseError` name and code if the file cannot be used.
 */
export async function openSqliteStore(directory: string): Promise<Store> {
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  const unlock = acquireLock(directory)
  const path = join(directory, LOG_FILE)
  const writer = new Thread(new URL('./writer-thread.js', import.meta.url), path)
  let reader: Thread | undefined
  try {
    const opened = await writer.call<{ last: number; epochs: EpochStart[] }>('open')
    // The reader opens after the writer has created and migrated the file.
    reader = new Thread(new URL('./reader-thread.js', import.meta.url), path)
    await reader.call('open')
    return createStore(writer, reader, opened, unlock)
  } catch (error) {
    await Promise.allSettled([writer.close(), reader?.close()])
    unlock()
    throw error
  }
}

function createStore(
  writer: Thread,
  reader: Thread,
  opened: { readonly last: number; readonly epochs: readonly EpochStart[] },
  unlock: () => void,
): Store {
  let { last, epochs } = opened
  return {
    get head() {
      return { epoch: epochs.at(-1)?.epoch ?? '', last }
    },
    get epochs() {
      return epochs
    },
    async startEpoch(nowMs, random16) {
      epochs = await writer.call<EpochStart[]>('startEpoch', nowMs, random16)
    },
    async append(events, nowMs) {
      const commit = await writer.call<Commit>('append', events, nowMs)
      last = commit.last
      return commit
    },
    seqsOf: ids => reader.call<(number | undefined)[]>('seqsOf', ids),
    readLog: request => reader.call<LogBatch>('readLog', request),
    query: request => reader.call<QueryPage>('query', request),
    count: (filters, who) => reader.call<number>('count', filters, who),
    async sweepExpired(now) {
      for (let swept = 0; ; ) {
        const batch = await writer.call<number>('sweepExpired', now)
        swept += batch
        if (batch < SWEEP_BATCH) return swept
      }
    },
    async close() {
      await Promise.allSettled([reader.close(), writer.close()])
      unlock()
    },
  }
}
