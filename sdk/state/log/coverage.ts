import type { Cursor } from '../../../protocol/cursor.ts'
import type { NostrEvent } from '../../../protocol/event.ts'
import type { Table } from '../../tables.ts'
import { type Cover, covers, includes, joinCovers, type MutableCover } from './cover.ts'
import type { Retained, TailRow } from './retained.ts'
import type { SnapshotHeader } from './snapshot-text.ts'

/** Snapshots by others, or by earlier lives, whose cover counts as acknowledged where they were seen. */
const MAX_FOUND = 16

export interface CoverageOptions {
  /** 64 hex. */
  readonly self: string
  readonly retained: Retained
  readonly lows: Table<Cursor>
  /** At how many relays something is safe. */
  wanted(): number
  authors(): ReadonlySet<string>
  /** The own key has published a snapshot elsewhere that does not contain what ours does. */
  onSuperseded(): void
}

/** What snapshots say is covered, at which relays, and what may therefore be let go. */
export interface Coverage {
  /** A snapshot was believed. */
  believe(event: NostrEvent, header: SnapshotHeader, url: string): void
  /** One that was believed before, or written here, is at this relay too. */
  seen(event: NostrEvent, url: string): void
  /** That relay has lost what it had. */
  forget(url: string): void
  /** Lets go of whatever enough relays have in a snapshot. */
  prune(): void
  /** Own events, and own snapshots, that fewer relays than wanted have. */
  pending(): number
  /** Every own event is at a relay at least: what a snapshot covers has to be out. */
  isPublished(): boolean
  /** A snapshot is on its way that covers all there is: it goes once that has arrived. */
  isUnderWay(): boolean
}

export function createCoverage({ self, retained, lows, wanted, authors, onSuperseded }: CoverageOptions): Coverage {
  const found = new Map<string, { readonly cover: Cover; readonly relays: Set<string> }>()

  /** What enough relays have in a snapshot. */
  function acknowledged(): MutableCover {
    const newest = retained.newest()
    let cover: MutableCover = new Map()
    if (newest && newest.acks.length >= wanted()) cover = joinCovers(cover, newest.cover)
    for (const each of found.values()) if (each.relays.size >= wanted()) cover = joinCovers(cover, each.cover)
    return cover
  }

  const prune = () => retained.prune(acknowledged())

  function remember(id: string, cover: Cover, url: string): void {
    const known = found.get(id) ?? { cover, relays: new Set<string>() }
    known.relays.add(url)
    found.set(id, known)
    const [oldest] = found.keys()
    if (found.size > MAX_FOUND && oldest !== undefined) found.delete(oldest)
  }

  function raise(low: ReadonlyMap<string, Cursor>): void {
    for (const [url, at] of low) {
      const before = lows.get(url)
      if (!before || at.epoch > before.epoch || (at.epoch === before.epoch && at.seq > before.seq)) lows.set(url, at)
    }
  }

  const acksOf = (row: TailRow): number => {
    const newest = retained.newest()
    const bySnapshot = newest && covers(newest.cover, row) ? newest.acks : []
    return new Set([...row.acks, ...bySnapshot]).size
  }

  return {
    believe(event, { cover, low }, url) {
      remember(event.id, cover, url)
      if (event.pubkey === self) {
        retained.ackSnapshot(event.id, url)
        const mine = retained.newest()
        if (mine && mine.id !== event.id && mine.createdAt <= event.created_at && !includes(cover, mine.cover))
          onSuperseded()
      }
      // Who is not named there may have written below it.
      if ([...authors()].every(author => cover.has(author))) raise(low)
      prune()
    },
    seen({ id, pubkey }, url) {
      found.get(id)?.relays.add(url)
      if (pubkey === self) retained.ackSnapshot(id, url)
      prune()
    },
    forget(url) {
      for (const { relays } of found.values()) relays.delete(url)
    },
    prune,
    pending() {
      const newest = retained.newest()
      const snapshot = newest && newest.acks.length < wanted() ? 1 : 0
      return retained.own().filter(row => acksOf(row) < wanted()).length + snapshot
    },
    isPublished: () => retained.own().every(row => acksOf(row) > 0),
    isUnderWay() {
      const newest = retained.newest()
      return (
        newest !== undefined && newest.acks.length < wanted() && retained.own().every(row => covers(newest.cover, row))
      )
    },
  }
}
