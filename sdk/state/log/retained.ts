import { byteLength, type NostrEvent, parseEventText } from '../../../protocol/event.ts'
import { ringSlot, SNAPSHOT_SLOTS, type SnapshotSlot } from '../../../protocol/state.ts'
import type { Table } from '../../tables.ts'
import { type Cover, coverJson, covers, parseCover } from './cover.ts'

/** An event that no acknowledged snapshot covers: kept as proof against forks, own ones also to be offered to relays that lack them. */
export interface TailRow {
  readonly author: string
  readonly session: string
  readonly n: number
  readonly id: string
  /** The signed event as JSON, re-sent unchanged. */
  readonly event: string
  /** Relays that have it. */
  readonly acks: readonly string[]
}

/** Own snapshot in one of its two addresses. */
export interface SnapshotRow {
  readonly id: string
  readonly createdAt: number
  /** Signed events as JSON: pieces, then the snapshot itself. */
  readonly events: readonly string[]
  readonly acks: readonly string[]
  readonly cover: ReturnType<typeof coverJson>
}

/** Text held of strangers' tails; beyond it only ids are remembered, and a fork is told with half its proof. */
const MAX_FOREIGN_BYTES = 4 * 1024 * 1024

/** What this log still has to see to: own events until an acknowledged snapshot covers them, and own snapshots. */
export interface Retained {
  addTail(event: NostrEvent, text: string, place: { session: string; n: number }, relay?: string): void
  find(author: string, session: string, n: number): TailRow | undefined
  own(): TailRow[]
  ownCount(): number
  ownBytes(): number
  count(): number
  /** The ring slot of number n holds an event that is not covered for good. */
  occupied(n: number): boolean
  /** Another own event than this one, not covered for good, has its ring slot. */
  clashes(place: Pick<TailRow, 'session' | 'n'>): boolean
  /** Where the next snapshot goes: not where the newest is. */
  nextSlot(): SnapshotSlot
  putSnapshot(slot: SnapshotSlot, row: Omit<SnapshotRow, 'cover'> & { readonly cover: Cover }): void
  newest(): (Omit<SnapshotRow, 'cover'> & { readonly slot: SnapshotSlot; readonly cover: Cover }) | undefined
  /** A relay has it. */
  ackTail(row: Pick<TailRow, 'author' | 'session' | 'n'>, relay: string): void
  ackSnapshot(id: string, relay: string): void
  /** A relay has lost what it had. */
  forget(relay: string): void
  /** Own events are dated above `horizon`, and no own snapshot dated below it has them. */
  isMisdated(horizon: number): boolean
  /** Covered by a snapshot that enough relays have: let go. */
  prune(cover: Cover): void
}

export function createRetained(self: string, tail: Table<TailRow>, snapshots: Table<SnapshotRow>): Retained {
  const key = (row: Pick<TailRow, 'author' | 'session' | 'n'>) => `${row.author}/${row.session}/${row.n}`
  const slots = new Map<number, number>()
  let foreignBytes = 0
  let ownRows = 0
  let ownBytes = 0

  const count = (row: TailRow, by: 1 | -1) => {
    if (row.author !== self) {
      foreignBytes += by * row.event.length
      return
    }
    ownRows += by
    ownBytes += by * row.event.length
    const slot = ringSlot(row.n)
    slots.set(slot, (slots.get(slot) ?? 0) + by)
  }
  for (const row of tail.values()) count(row, 1)

  const own = () =>
    [...tail.values()]
      .filter(row => row.author === self)
      .sort((a, b) => (a.session < b.session ? -1 : a.session > b.session ? 1 : a.n - b.n))

  /** Parsed once. */
  const dates = new WeakMap<TailRow, number | undefined>()
  function datedAt(row: TailRow): number | undefined {
    if (!dates.has(row)) dates.set(row, eventOf(row.event)?.created_at)
    return dates.get(row)
  }

  function newest() {
    const [slot] = SNAPSHOT_SLOTS.filter(each => snapshots.has(each)).sort(
      (a, b) => (snapshots.get(b)?.createdAt ?? 0) - (snapshots.get(a)?.createdAt ?? 0),
    )
    const row = slot && snapshots.get(slot)
    const cover = row && parseCover(row.cover, self)
    return row && cover?.ok ? { ...row, slot, cover: cover.value } : undefined
  }

  return {
    addTail(event, text, { session, n }, relay) {
      const row = { author: event.pubkey, session, n, id: event.id, event: text, acks: relay ? [relay] : [] }
      if (tail.has(key(row)) || (row.author !== self && foreignBytes + text.length > MAX_FOREIGN_BYTES)) return
      tail.set(key(row), row)
      count(row, 1)
    },
    find: (author, session, n) => tail.get(key({ author, session, n })),
    own,
    ownCount: () => ownRows,
    ownBytes: () => ownBytes,
    count: () => tail.size,
    occupied: n => (slots.get(ringSlot(n)) ?? 0) > 0,
    clashes: ({ session, n }) =>
      (slots.get(ringSlot(n)) ?? 0) > 0 &&
      own().some(row => ringSlot(row.n) === ringSlot(n) && (row.session !== session || row.n !== n)),
    nextSlot: () => (newest()?.slot === 'A' ? 'B' : 'A'),
    putSnapshot(slot, { cover, ...row }) {
      snapshots.set(slot, { ...row, cover: coverJson(cover, self) })
      // One dated later was made by a clock that was ahead: it is the older one all the same.
      for (const other of SNAPSHOT_SLOTS)
        if ((snapshots.get(other)?.createdAt ?? 0) > row.createdAt) snapshots.delete(other)
    },
    isMisdated(horizon) {
      const last = newest()
      if (last && last.createdAt > horizon) return true
      return own().some(row => !(last && covers(last.cover, row)) && (datedAt(row) ?? 0) > horizon)
    },
    newest,
    ackTail(place, relay) {
      const row = tail.get(key(place))
      if (row && !row.acks.includes(relay)) tail.set(key(place), { ...row, acks: [...row.acks, relay] })
    },
    ackSnapshot(id, relay) {
      for (const slot of SNAPSHOT_SLOTS) {
        const row = snapshots.get(slot)
        if (row?.id === id && !row.acks.includes(relay)) snapshots.set(slot, { ...row, acks: [...row.acks, relay] })
      }
    },
    forget(relay) {
      const without = (acks: readonly string[]) => acks.filter(each => each !== relay)
      for (const [name, row] of [...tail])
        if (row.acks.includes(relay)) tail.set(name, { ...row, acks: without(row.acks) })
      for (const [name, row] of [...snapshots])
        if (row.acks.includes(relay)) snapshots.set(name, { ...row, acks: without(row.acks) })
    },
    prune(cover) {
      for (const [name, row] of [...tail]) {
        if (!covers(cover, row)) continue
        tail.delete(name)
        count(row, -1)
      }
    },
  }
}

/** A kept event; undefined if the file was damaged. */
export function eventOf(text: string): NostrEvent | undefined {
  const event = parseEventText(text)
  return event.ok ? event.value : undefined
}

export const sizeOf = (texts: readonly string[]): number => texts.reduce((sum, text) => sum + byteLength(text), 0)
