import type { Cancel } from '../../../platform/timers.ts'
import { StateError } from '../../errors.ts'
import type { Fork, LogHost } from '../log/types.ts'
import { openOwn } from '../owned/own.ts'
import { DOT, type Json, type Version, withinNumbers } from '../owned/record.ts'
import { counterValue, entriesOf } from '../owned/typed.ts'
import type { StateStatus, Unsent } from '../owned/types.ts'

export interface BoardOptions {
  /** Whose sections count, besides the own one: 64 hex each. All members have to be told the same. */
  readonly members: readonly string[]
}

/** What an agent had read when it decided to write: hand it to the write that follows from it. */
export interface ReadCover {
  /** author/session → n. */
  readonly seen: Readonly<Record<string, number>>
}

export interface Post {
  readonly id: string
  /** 64 hex. */
  readonly author: string
  readonly value: Json
}

export interface Slot {
  readonly value: Json
  /** 64 hex: who wrote it last. */
  readonly author: string
  /** Everybody whose write it was made over; more than one head means that several wrote at once. */
  readonly heads: number
}

export interface Claim {
  /** 64 hex. */
  readonly by: string
  readonly value: Json
}

export interface WriteResult {
  /** It was decided on an older board than the one it was written to: look again. It was written all the same. */
  readonly stale: boolean
}

/** A board of several agents: each writes its own section, and everybody reads their union. */
export interface Board {
  readonly id: string
  /** 64 hex, sorted. */
  readonly members: readonly string[]
  /** Posts under a topic, by author and order of writing. */
  posts(topic: string): readonly Post[]
  /** Who holds a task: of all who claimed it, one, the same for everybody who has read the same. */
  claim(task: string): Claim | undefined
  value(key: string): Slot | undefined
  keys(): readonly string[]
  /** Sum over all members. */
  counter(name: string): number
  /** Where reading stands now. */
  read(): ReadCover
  append(topic: string, value: Json, options?: { readonly read?: ReadCover }): Promise<WriteResult>
  /** Asks for a task; look at `claim` once the board was synced. Resolves to false if it is somebody else's already. */
  take(task: string, value?: Json): Promise<boolean>
  release(task: string): Promise<void>
  /** Writes if the value is still what was read; rejects with StateError `state-stale` if not. */
  setIf(key: string, value: Json, read: ReadCover): Promise<WriteResult>
  set(key: string, value: Json, options?: { readonly read?: ReadCover }): Promise<WriteResult>
  count(name: string, by?: number): Promise<void>
  subscribe(listener: (change: { readonly author: string; readonly name: string }) => void): Cancel
  onFork(listener: (fork: Fork) => void): Cancel
  flush(ms?: number): Promise<boolean>
  ready(ms?: number): Promise<boolean>
  readonly status: StateStatus
  /** Tells whenever the status has become another. Returns the function that ends it. */
  on(event: 'status', listener: (status: StateStatus) => void): Cancel
  close(options?: { readonly timeoutMs?: number }): Promise<Unsent>
}

/** A written value knows what it was written over: a number above all it had seen. */
interface Written {
  readonly v: Json
  /** Lamport clock: above that of everything read. */
  readonly l: number
}

const POST = 'post'
const CLAIM = 'claim.'
const VALUE = 'value.'

const lamportOf = (value: Json | undefined): Written | undefined => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
  const { v, l } = value as { readonly v?: Json; readonly l?: Json }
  return v === undefined || typeof l !== 'number' || !Number.isSafeInteger(l) || l < 0 ? undefined : { v, l }
}

export function openBoard(host: LogHost, id: string, options: BoardOptions): Board {
  const self = host.signer.pubkey
  const members = [...new Set([self, ...options.members])].sort()
  const all = new Set(members)
  const own = openOwn(host, { o: id, authors: () => all })
  const { sections } = own
  const live = (author: string) => (author === self ? own.entries : entriesOf(sections.section(author).record.entries))

  /** All members' values of one key, the winner first: who had seen most, then the lower key. */
  function written(key: string): (Written & { readonly author: string })[] {
    return members
      .flatMap(author => {
        const found = lamportOf(live(author).get(key))
        return found ? [{ ...found, author }] : []
      })
      .sort((a, b) => b.l - a.l || (a.author < b.author ? -1 : 1))
  }

  // Where somebody has used up all numbers, equal ones are told apart by author.
  const nextLamport = (key: string) => Math.min((written(key)[0]?.l ?? 0) + 1, Number.MAX_SAFE_INTEGER)

  function read(): ReadCover {
    const seen: Record<string, number> = {}
    for (const author of members)
      for (const { session, n } of sections.section(author).record.entries.values()) {
        const place = `${author}/${session}`
        seen[place] = Math.max(seen[place] ?? 0, n)
      }
    return Object.freeze({ seen: Object.freeze(seen) })
  }

  const hasSeen = (cover: ReadCover, author: string, at: Version) =>
    (cover.seen[`${author}/${at.session}`] ?? 0) >= at.n

  /** Something by somebody else has come since, under this key or anywhere. */
  function isStale(cover: ReadCover | undefined, key?: string): boolean {
    if (!cover) return false
    return members.some(author => {
      if (author === self) return false
      for (const [name, entry] of sections.section(author).record.entries)
        if ((key === undefined || name === key) && !hasSeen(cover, author, entry)) return true
      return false
    })
  }

  async function write(key: string, value: Json, cover: ReadCover | undefined, whole?: boolean): Promise<WriteResult> {
    const stale = isStale(cover, whole ? undefined : key)
    await own.set(key, { v: value, l: nextLamport(key) })
    return Object.freeze({ stale })
  }

  return {
    id,
    members,
    posts(topic) {
      const prefix = `${DOT}${POST}.${topic}/`
      return members.flatMap(author =>
        [...live(author).under(prefix)]
          .sort(([a], [b]) => (a < b ? -1 : 1))
          .map(([key, value]) =>
            Object.freeze({ id: `${author.slice(0, 8)}.${key.slice(prefix.length)}`, author, value }),
          ),
      )
    },
    claim(task) {
      // The first claim stands: whoever came later had seen it, or has to give way.
      const claims = written(CLAIM + task).sort((a, b) => a.l - b.l || (a.author < b.author ? -1 : 1))
      const [first] = claims
      return first && Object.freeze({ by: first.author, value: first.v })
    },
    value(key) {
      const heads = written(VALUE + key)
      const [first] = heads
      if (!first) return undefined
      return Object.freeze({
        value: first.v,
        author: first.author,
        heads: heads.filter(({ l }) => l === first.l).length,
      })
    },
    keys() {
      const keys = members.flatMap(author => [...live(author).under(VALUE)].map(([key]) => key.slice(VALUE.length)))
      return [...new Set(keys)].sort()
    },
    counter: name => withinNumbers(members.reduce((sum, author) => sum + counterValue(live(author), name), 0)),
    read,
    async append(topic, value, how = {}) {
      const stale = isStale(how.read)
      await own.add(`${POST}.${topic}`, value)
      return Object.freeze({ stale })
    },
    async take(task, value = true) {
      const [first] = written(CLAIM + task)
      if (first && first.author !== self) return false
      if (!first) await own.set(CLAIM + task, { v: value, l: nextLamport(CLAIM + task) })
      return true
    },
    release: task => own.delete(CLAIM + task),
    async setIf(key, value, cover) {
      if (isStale(cover, VALUE + key))
        throw new StateError('state-stale', `${key} has changed since it was read; read it again and decide anew.`)
      return write(VALUE + key, value, cover)
    },
    set: (key, value, how = {}) => write(VALUE + key, value, how.read),
    count: own.count,
    subscribe(listener) {
      const stops = members.map(author => sections.section(author).subscribe(undefined, listener))
      return () => {
        for (const stop of stops) stop()
      }
    },
    onFork: sections.onFork,
    flush: own.flush,
    ready: ms => own.view.ready(ms),
    get status() {
      return sections.status()
    },
    on: (_event, listener) => sections.onStatus(listener),
    close: own.close,
  }
}
