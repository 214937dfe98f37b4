import type { NostrEvent } from '../../protocol/event.ts'
import type { Matchable } from '../../protocol/filter.ts'
import type { LogEntry } from './store.ts'

/** What a removal remembers of an event: all that filters and access look at, none of the content. */
export const toHeader = ({ id, pubkey, created_at, kind, tags }: NostrEvent): Matchable => ({
  id,
  pubkey,
  created_at,
  kind,
  tags,
})

/** Entries of one transaction without events that the same transaction removed again: nobody may be sent those. */
export function keepSurvivors(entries: readonly LogEntry[]): LogEntry[] {
  const gone = new Set(entries.flatMap(entry => (entry.op === 'stored' ? [] : [entry.target.id])))
  return gone.size === 0 ? [...entries] : entries.filter(entry => entry.op !== 'stored' || !gone.has(entry.event.id))
}
