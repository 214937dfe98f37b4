import type { Statement } from '../../platform/sqlite.ts'
import { KEPT_SEEN, SEEN_SLACK } from '../mail/memory-seen.ts'
import type { MailStore, Seen } from '../mail/store.ts'

/** What came in and is not in the inbox, of a SQLite mail store. */
export function seenOn(
  sql: (text: string) => Statement,
): Pick<MailStore, 'seen'> & { see(events: readonly Seen[]): void } {
  const count = () => Number(sql('SELECT count(*) FROM seen').pluck().get())
  /** Counted once, then along. */
  let rows: number | undefined

  return {
    see(events) {
      if (events.length === 0) return
      rows ??= count()
      for (const { id, at } of events)
        rows += sql('INSERT INTO seen (id, at) VALUES (?, ?) ON CONFLICT (id) DO NOTHING').run(id, at).changes
      if (rows < KEPT_SEEN + SEEN_SLACK) return
      // The transaction around it may have failed since it was counted.
      rows = count()
      rows -= sql('DELETE FROM seen WHERE id IN (SELECT id FROM seen ORDER BY at LIMIT ?)').run(
        Math.max(0, rows - KEPT_SEEN),
      ).changes
    },
    seen() {
      const events = sql('SELECT id, at FROM seen ORDER BY at').all() as Seen[]
      return { events, since: events.length < KEPT_SEEN ? 0 : (events[0]?.at ?? 0) }
    },
  }
}
