import { RING_SLOTS } from '../../../protocol/state.ts'
import type { Table } from '../../tables.ts'
import { type Cover, type CoverEntry, entriesOf, type MutableCover, setEntry } from './cover.ts'
import type { Fork } from './types.ts'

/** Ids remembered of one session: what the ring holds, and as much again for what arrives out of order. */
const MAX_IDS = RING_SLOTS * 2
/** Sessions of one author that are told apart, the newest. What is below them is over: whoever still writes there has to open a new one. */
export const KEPT_SESSIONS = 8

/** What is known of one session of one author, as it is kept. */
export interface MarkRow {
  /** Everything up to here was taken, or is in a snapshot that was. */
  readonly n: number
  /** [n, id, previous] of single events, ids as 16 hex. */
  readonly ids: readonly (readonly [number, string, string?])[]
  /** Two events were seen at this n: nothing from here on counts. */
  readonly frozen?: number
}

export interface Numbered {
  readonly author: string
  readonly session: string
  readonly n: number
  /** 16 hex. */
  readonly id: string
  readonly previous?: string
}

export type Verdict = 'new' | 'known' | 'frozen' | Fork['reason']

/** Which events of which sessions were taken. Decides what is new, and finds forks (docs/protocol.md, "State"). */
export interface Marks {
  /** Without changing anything. */
  judge(event: Numbered): Verdict
  take(event: Numbered): void
  /** From there on nothing of that session counts. */
  freeze(event: Pick<Numbered, 'author' | 'session' | 'n'>): void
  /** A believed snapshot has all this. Returns the entries that contradict what is known. */
  cover(cover: Cover): readonly { readonly author: string; readonly session: string; readonly n: number }[]
  read(): MutableCover
  /** Sessions seen of an author. */
  sessions(author: string): readonly string[]
  /** The first missing places, at most `limit`. */
  gaps(limit: number): { author: string; session: string; n: number }[]
}

const EMPTY: MarkRow = Object.freeze({ n: 0, ids: [] })

export function createMarks(table: Table<MarkRow>): Marks {
  const key = (author: string, session: string) => `${author}/${session}`
  const row = (author: string, session: string): MarkRow => table.get(key(author, session)) ?? EMPTY

  const sessionsOf = (author: string) =>
    [...table.keys()]
      .filter(name => name.startsWith(author))
      .map(name => name.slice(author.length + 1))
      .sort()

  function isOver(author: string, session: string): boolean {
    if (table.has(key(author, session))) return false
    const kept = sessionsOf(author)
    return kept.length >= KEPT_SESSIONS && session < (kept[0] ?? '')
  }

  function put(author: string, session: string, ids: MarkRow['ids'], from: number, frozen: number | undefined): void {
    if (isOver(author, session)) return
    const known = new Set(ids.map(([n]) => n))
    let n = from
    while (known.has(n + 1) && n + 1 !== frozen) n += 1
    const kept = [...ids].sort(([a], [b]) => a - b).slice(-MAX_IDS)
    table.set(key(author, session), { n, ids: kept, ...(frozen === undefined ? {} : { frozen }) })
    for (const over of sessionsOf(author).slice(0, -KEPT_SESSIONS)) table.delete(key(author, over))
  }

  function judge({ author, session, n, id, previous }: Numbered): Verdict {
    const mark = row(author, session)
    if (mark.frozen !== undefined && n >= mark.frozen) return 'frozen'
    if (isOver(author, session)) return 'known'
    const idOf = (at: number) => mark.ids.find(([each]) => each === at)
    const known = idOf(n)
    if (known) return known[1] === id ? 'known' : 'two-events'
    const before = idOf(n - 1)
    if (before && previous !== undefined && before[1] !== previous) return 'chain'
    const after = idOf(n + 1)
    if (after?.[2] !== undefined && after[2] !== id) return 'chain'
    return n <= mark.n ? 'known' : 'new'
  }

  return {
    judge,
    take({ author, session, n, id, previous }) {
      const mark = row(author, session)
      const ids = [...mark.ids.filter(([each]) => each !== n), [n, id, ...(previous ? [previous] : [])] as const]
      put(author, session, ids as MarkRow['ids'], mark.n, mark.frozen)
    },
    freeze({ author, session, n }) {
      const mark = row(author, session)
      const frozen = Math.min(n, mark.frozen ?? n)
      const ids = mark.ids.filter(([each]) => each < frozen)
      put(author, session, ids, Math.min(mark.n, frozen - 1), frozen)
    },
    cover(cover) {
      const contradicted: { author: string; session: string; n: number }[] = []
      for (const { author, session, n, id } of entriesOf(cover)) {
        const mark = row(author, session)
        if (mark.frozen !== undefined && n >= mark.frozen) continue
        const known = mark.ids.find(([each]) => each === n)
        if (known && id !== undefined && known[1] !== id) contradicted.push({ author, session, n })
        else if (n > mark.n) {
          const ids = known || id === undefined ? mark.ids : [...mark.ids, [n, id] as const]
          put(author, session, ids, n, mark.frozen)
        }
      }
      return contradicted
    },
    read() {
      const cover: MutableCover = new Map()
      for (const [name, { n, ids }] of table) {
        const [author = '', session = ''] = name.split('/')
        const id = ids.find(([each]) => each === n)?.[1]
        const entry: CoverEntry = id === undefined ? { n } : { n, id }
        if (n > 0) setEntry(cover, author, session, entry)
      }
      return cover
    },
    sessions: sessionsOf,
    gaps(limit) {
      const gaps: { author: string; session: string; n: number }[] = []
      for (const [name, { n, ids }] of table) {
        const [author = '', session = ''] = name.split('/')
        const above = ids.map(([each]) => each).filter(each => each > n)
        const known = new Set(above)
        for (let missing = n + 1; missing < Math.max(0, ...above) && gaps.length < limit; missing += 1)
          if (!known.has(missing)) gaps.push({ author, session, n: missing })
      }
      return gaps
    },
  }
}
