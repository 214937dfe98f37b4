import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { acquireLock } from '../../../platform/lock.ts'
import { makeFolder } from '../../../platform/make-folder.ts'
import { encodeEvent } from '../../../protocol/event.ts'
import type { Filter } from '../../../protocol/filter.ts'
import type { EpochStart } from '../epochs.ts'
import { unpackBatch, unpackPage } from '../packed-page.ts'
import type { PrunePage } from '../retention.ts'
import type { Commit, LogBatch, QueryPage, SearchResult, Setting, Store, StoredWill, StubPage } from '../store.ts'
import type { CountFrom } from './count-span.ts'
import { type PackedCommit, unpackCommit } from './packed.ts'
import type { CountPart } from './reader.ts'
import { Thread } from './rpc.ts'
import { createSearchPace, type SearchPace } from './search-pace.ts'

/** The log's file inside a data folder. */
export const LOG_FILE = 'log.db'

/** The relay's own key beside it. */
export const RELAY_KEY_FILE = 'relay.key'

export interface SqliteStoreOptions {
  /** The log's file never grows beyond this; publishing is then answered with `error: storage full`. Default: the disk. */
  readonly maxBytes?: number
  /** False: words are not indexed, and nothing can be searched. Turned on again, the index catches up. Default: true. */
  readonly search?: boolean
  /** Rows that are not what was stored were met and left out; each seq is told once. */
  readonly onDamage?: (error: DamagedLogError) => void
}

/** Rows of the log no longer hash to their ids, or cannot be read. They are never served. */
export class DamagedLogError extends Error {
  override readonly name = 'DamagedLogError'
  readonly code = 'damaged-log'
  readonly seqs: readonly number[]
  constructor(seqs: readonly number[]) {
    super(`the log is damaged at seq ${seqs.join(', ')}; these rows are not served. See: posthorn relay check`)
    this.seqs = seqs
  }
}

/**
 * The log on SQLite: one writer thread, one reader thread, the folder locked for this process.
 * Rejects with LockedError if another relay has the folder, with a `DatabaseError` name and code if the file cannot be used.
 */
export async function openSqliteStore(directory: string, options: SqliteStoreOptions = {}): Promise<Store> {
  makeFolder(directory, 0o700)
  const unlock = acquireLock(directory)
  const path = join(directory, LOG_FILE)
  const writer = new Thread(new URL('./writer-thread.js', import.meta.url), {
    path,
    // Made at the end of the first start.
    wasComplete: existsSync(join(directory, RELAY_KEY_FILE)),
    ...(options.maxBytes === undefined ? {} : { maxBytes: options.maxBytes }),
  })
  let reader: Thread | undefined
  try {
    const opened = await writer.call<Opened>('open')
    // The reader opens after the writer has created and migrated the file.
    reader = new Thread(new URL('./reader-thread.js', import.meta.url), path)
    await reader.call('open')
    return createStore(writer, createReads(reader, options.onDamage), opened, options.search !== false, unlock)
  } catch (error) {
    await Promise.allSettled([writer.close(), reader?.close()])
    unlock()
    throw error
  }
}

interface Opened {
  readonly last: number
  readonly epochs: readonly EpochStart[]
  readonly searchable: number
}

type Reads = Pick<Thread, 'call' | 'close'>

/** Seqs remembered so that one damaged row, met by every query, is told once. */
const REMEMBERED = 10_000

/** The reader thread; after each answer it is asked what it had to leave out. */
function createReads(reader: Thread, onDamage: SqliteStoreOptions['onDamage']): Reads {
  const told = new Set<number>()
  const tell = (seqs: readonly number[]) => {
    const news = seqs.filter(seq => !told.has(seq))
    for (const seq of news) if (told.size < REMEMBERED) told.add(seq)
    if (news.length > 0) onDamage?.(new DamagedLogError([...new Set(news)]))
  }
  return {
    async call<T>(method: string, ...args: readonly unknown[]) {
      const { value, damaged } = await reader.call<{ value: T; damaged: readonly number[] }>(method, ...args)
      if (damaged.length > 0) tell(damaged)
      return value
    },
    close: () => reader.close(),
  }
}

function createStore(writer: Thread, reader: Reads, opened: Opened, searching: boolean, unlock: () => void): Store {
  let { last, epochs } = opened
  let appending = 0
  const pace: SearchPace | undefined = searching
    ? createSearchPace({
        searchable: opened.searchable,
        last: () => last,
        advance: rows => writer.call<number>('indexSearch', rows),
        busy: () => appending > 0,
      })
    : undefined
  pace?.wake()
  const searchable = async (filters: readonly Filter[]): Promise<void> => {
    if (filters.some(filter => filter.search !== undefined)) await pace?.upToDate()
  }
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
      appending += 1
      try {
        const packed = await writer.call<PackedCommit>('append', events.map(encodeEvent), nowMs)
        last = packed.last
        return unpackCommit(packed, events)
      } finally {
        appending -= 1
        pace?.wake()
      }
    },
    seqsOf: ids => reader.call<(number | undefined)[]>('seqsOf', ids),
    readLog: async request => unpackBatch(await reader.call<LogBatch>('readLog', request)),
    query: async request => unpackPage(await reader.call<QueryPage>('query', request)),
    async count(filters, who) {
      await searchable(filters)
      let count = 0
      let from: CountFrom | undefined
      do {
        const part: CountPart = await reader.call('count', filters, who, from)
        count += part.count
        from = part.next
      } while (from !== undefined)
      return count
    },
    async remove(ids, nowMs) {
      const commit = await writer.call<Commit>('remove', ids, nowMs)
      last = commit.last
      return commit
    },
    readSettings: () => writer.call<Setting[]>('readSettings'),
    writeSetting: setting => writer.call<void>('writeSetting', setting),
    async stubs(request) {
      await searchable([request.filter])
      return reader.call<StubPage>('stubs', request)
    },
    hll: (filter, offset, who) => reader.call<string>('hll', filter, offset, who),
    async search(request) {
      await searchable(request.filters.map(({ filter }) => filter))
      return reader.call<SearchResult>('search', request)
    },
    texts: seqs => reader.call<{ events: string[]; taken: number }>('texts', seqs),
    wills: () => writer.call<StoredWill[]>('wills'),
    putWill: will => writer.call<void>('putWill', will),
    dropWill: id => writer.call<void>('dropWill', id),
    async sweepExpired(now) {
      let swept = 0
      for (let after: number | undefined = 0; after !== undefined; ) {
        const batch: { swept: number; next: number | undefined } = await writer.call('sweepExpired', now, after)
        swept += batch.swept
        after = batch.next
      }
      return swept
    },
    prunable: request => reader.call<PrunePage>('prunable', request),
    prune: order => writer.call<number>('prune', order),
    async close() {
      await pace?.stop()
      // In this order: whoever closes last folds the WAL into the file, and the reader's connection may not write.
      await Promise.allSettled([reader.close()])
      await Promise.allSettled([writer.close()])
      unlock()
    },
  }
}
