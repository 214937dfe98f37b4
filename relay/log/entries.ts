import type { NostrEvent } from '../../protocol/event.ts'
import type { Filter, Matchable } from '../../protocol/filter.ts'
import { vanishes } from './apply.ts'
import type { LogEntry } from './store.ts'

/** What a removal remembers of an event: all that filters and access look at, none of the content. */
export const toHeader = ({ id, pubkey, created_at, kind, tags }: NostrEvent): Matchable => ({
  id,
  pubkey,
  created_at,
  kind,
  tags,
})

/** Concerns a vanished key: its own events, and mail that names it. A filter that could find either is told. */
export const concernsVanished = (filters: readonly Filter[], pubkey: string): boolean =>
  filters.some(({ authors, ids }) => ids === undefined && (authors === undefined || authors.has(pubkey)))

/** Entries of one transaction without events that the same transaction removed again: nobody may be sent those. */
export function keepSurvivors(entries: readonly LogEntry[]): LogEntry[] {
  const gone = new Set(entries.flatMap(entry => ('target' in entry ? [entry.target.id] : [])))
  const vanished = entries.filter(entry => entry.op === 'vanished')
  return entries.filter(
    entry =>
      entry.op !== 'stored' ||
      !(
        gone.has(entry.event.id) ||
        vanished.some(({ pubkey, upTo, seq }) => entry.seq < seq && vanishes(entry.event, pubkey, upTo))
      ),
  )
}

/** What of an event's tags can be asked for (NIP-01): single letters, first value only. */
export function indexedTags(event: NostrEvent): [name: string, value: string][] {
  return event.tags.flatMap(([name, value]): [string, string][] =>
    name !== undefined && value !== undefined && /^[a-zA-Z]$/.test(name) ? [[name, value]] : [],
  )
}
