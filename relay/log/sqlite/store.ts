import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { systemClock } from '../../../platform/clock.ts'
import { acquireLock } from '../../../platform/lock.ts'
import { makeFolder } from '../../../platform/make-folder.ts'
import { encodeEvent } from '../../../protocol/event.ts'
import type { Filter } from '../../../protocol/filter.ts'
import { joinHll } from '../../../protocol/hll.ts'
import type { Asker } from '../asker.ts'
import type { EpochStart } from '../epochs.ts'
import { unpackBatch, unpackPage } from '../packed-page.ts'
import type { PrunePage } from '../retention.ts'
import type { Commit, LogBatch, QueryPage, ReaderTurns, Setting, Store, StoredWill, StubPage } from '../store.ts'
import type { CountFrom } from './count-span.ts'
import { FairTurns, type Turn } from './fair-turns.ts'
import { type PackedCommit, unpackCommit } from './packed.ts'
import type { CountPart, HllPart } from './reader.ts'
import { Thread } from './rpc.ts'
import { findInTurns } from './search-in-turns.ts'
import { createSearchPace, type SearchPace } from './search-pace.ts'
import type { SearchPart } from './search-turn.ts'
import type { SweptTo } from './writer.ts'

/** The log's file inside a data folder. */
export const LOG_FILE = 'log.db'

/** The relay's own key beside it. */
export const RELAY_KEY_FILE = 'relay.key'

export interface SqliteStoreOptions {
  /** The log's file never grows beyond this; publishing is then answered with `error: storage full`. Default: the disk. */
  readonly maxBytes?: number
  /** False: words are not indexed, and nothing can be searched. Turned on again, the index catches up. Default: true. */
  readonly search?: boolean
  /** Called if the disk is so full at the start that only deletions are stored. */
  readonly onFull?: (error: DiskFullError) => void
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

/** The disk is full. The relay runs on: it reads, deletes and prunes. */
export class DiskFullError extends Error {
  override readonly name = 'DiskFullError'
  readonly code = 'disk-full'
  constructor() {
    super(
      'the disk of the data folder is full: reading, deleting and pruning go on, everything else is refused until there is room (4 MiB, on a small disk a sixteenth of it). Make room, or set --keep.',
    )
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
  const readers: Thread[] = []
  const openReader = (cache: { readonly cacheKib?: number }) => {
    const reader = new Thread(new URL('./reader-thread.js', import.meta.url), { path, ...cache })
    readers.push(reader)
    return reader
  }
  try {
    const opened = await writer.call<Opened>('open')
    if (opened.full) options.onFull?.(new DiskFullError())
    // Readers open after the writer has created and migrated the file.
    const reader = openReader({})
    const finder = openReader({ cacheKib: FINDER_CACHE_KIB })
    await Promise.all([reader.call('open'), finder.call('open')])
    return createStore(writer, createReads(reader, finder, options), opened, options.search !== false, unlock)
  } catch (error) {
    await Promise.allSettled([writer.close(), ...readers.map(reader => reader.close())])
    unlock()
    throw error
  }
}

interface Opened {
  readonly last: number
  readonly epochs: readonly EpochStart[]
  readonly searchable: number
  /** The disk is so full that only what makes room is stored. */
  readonly full: boolean
}

/** The readers of a store. */
interface Reads {
  /** One turn of a question, in its asker's line. */
  ask<T>(asker: Asker | undefined, method: string, ...args: readonly unknown[]): Promise<T>
  /** What publishing needs to know: a thread of its own, so that it never waits behind a question. */
  find<T>(method: string, ...args: readonly unknown[]): Promise<T>
  readonly turns: ReaderTurns
  close(): Promise<void>
}

/** Seqs remembered so that one damaged row, met by every query, is told once. */
const REMEMBERED = 10_000
/** KiB of the file that looking up ids keeps in memory: the upper pages of one index. */
const FINDER_CACHE_KIB = 4_096

interface Told<T> extends Turn<T> {
  readonly damaged: readonly number[]
}

/** The reader threads; after each answer they are asked what they had to leave out. */
function createReads(reader: Thread, finder: Thread, { onDamage }: SqliteStoreOptions): Reads {
  const told = new Set<number>()
  const turns = new FairTurns(systemClock)
  const tell = (seqs: readonly number[]) => {
    const news = seqs.filter(seq => !told.has(seq))
    for (const seq of news) if (told.size < REMEMBERED) told.add(seq)
    if (news.length > 0) onDamage?.(new DamagedLogError([...new Set(news)]))
  }
  const call = async <T>(thread: Thread, method: string, args: readonly unknown[]): Promise<Turn<T>> => {
    const { damaged, ...turn } = await thread.call<Told<T>>(method, ...args)
    if (damaged.length > 0) tell(damaged)
    return turn
  }
  return {
    ask: (asker, method, ...args) => turns.take(asker, () => call(reader, method, args)),
    async find<T>(method: string, ...args: readonly unknown[]) {
      const { value } = await call<T>(finder, method, args)
      return value
    },
    turns,
    close: async () => {
      await turns.idle()
      await Promise.allSettled([reader.close(), finder.close()])
    },
  }
}

/** A request as it crosses threads: who asks stays here. */
const sent = <R extends { readonly asker?: Asker | undefined }>({ asker: _, ...request }: R): Omit<R, 'asker'> =>
  request

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
    seqsOf: ids => reader.find<(number | undefined)[]>('seqsOf', ids),
    readLog: async request => unpackBatch(await reader.ask<LogBatch>(request.asker, 'readLog', sent(request))),
    query: async request => unpackPage(await reader.ask<QueryPage>(request.asker, 'query', sent(request))),
    async count(filters, who) {
      await searchable(filters)
      let count = 0
      let from: CountFrom | undefined
      do {
        const part: CountPart = await reader.ask(who.asker, 'count', filters, sent(who), from)
        count += part.count
        from = part.next
      } while (from !== undefined)
      return count
    },
    async clearVanishing(author, upTo) {
      while (await writer.call<boolean>('clearVanishing', author, upTo));
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
      return reader.ask<StubPage>(request.asker, 'stubs', sent(request))
    },
    async hll(filter, offset, who) {
      let registers: string | undefined
      let from: CountFrom | undefined
      do {
        const part: HllPart = await reader.ask(who.asker, 'hll', filter, offset, sent(who), from)
        registers = registers === undefined ? part.registers : joinHll(registers, part.registers)
        from = part.next
      } while (from !== undefined)
      return registers
    },
    async search({ filters, ...who }) {
      await searchable(filters.map(({ filter }) => filter))
      return findInTurns(filters, turn => reader.ask<SearchPart>(who.asker, 'search', { ...turn, ...sent(who) }), last)
    },
    texts: (seqs, asker) => reader.ask<{ events: string[]; taken: number }>(asker, 'texts', seqs),
    wills: () => writer.call<StoredWill[]>('wills'),
    putWill: will => writer.call<void>('putWill', will),
    dropWill: id => writer.call<void>('dropWill', id),
    async sweepExpired(now) {
      let swept = 0
      for (let after: SweptTo | 0 | undefined = 0; after !== undefined; ) {
        const batch: { swept: number; next: SweptTo | undefined } = await writer.call('sweepExpired', now, after)
        swept += batch.swept
        after = batch.next
      }
      return swept
    },
    prunable: request => reader.ask<PrunePage>(undefined, 'prunable', request),
    prune: order => writer.call<number>('prune', order),
    readerTurns: reader.turns,
    async close() {
      await pace?.stop()
      // In this order: whoever closes last folds the WAL into the file, and the reader's connection may not write.
      await Promise.allSettled([reader.close()])
      await Promise.allSettled([writer.close()])
      unlock()
    },
  }
}
