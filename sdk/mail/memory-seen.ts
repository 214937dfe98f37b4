import type { OpenTable } from '../tables.ts'
import type { MailStore, Seen } from './store.ts'

/** Events remembered that left no message under their id. */
export const KEPT_SEEN = 20_000
/** Above it so many may gather before the oldest go. */
export const SEEN_SLACK = 1_000

/** What came in and is not in the inbox, of a store in tables. */
export function createMemorySeen(
  openTable: OpenTable,
): Pick<MailStore, 'seen'> & { see(events: readonly Seen[]): void } {
  const rows = openTable<Seen>('seen')

  return {
    see(events) {
      for (const { id, at } of events) if (!rows.has(id)) rows.set(id, Object.freeze({ id, at }))
      if (rows.size < KEPT_SEEN + SEEN_SLACK) return
      const oldest = [...rows.values()].sort((a, b) => a.at - b.at).slice(0, rows.size - KEPT_SEEN)
      for (const { id } of oldest) rows.delete(id)
    },
    seen() {
      const events = [...rows.values()]
      return { events, since: events.length < KEPT_SEEN ? 0 : Math.min(...events.map(({ at }) => at)) }
    },
  }
}
