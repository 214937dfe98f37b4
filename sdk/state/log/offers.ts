import { covers } from './cover.ts'
import type { Offer } from './relay-side.ts'
import { eventOf, type Retained } from './retained.ts'

/** What each relay lacks of the own events. */
export interface Offers {
  /** The newest snapshot, then the deltas it does not cover there: in this order a reader is never without. */
  to(url: string, refused: ReadonlySet<string>): Offer[]
  /** That relay has lost what it had. */
  forget(url: string): void
}

/** `acknowledge` keeps, in one transaction, what a relay has taken. */
export function createOffers(retained: Retained, acknowledge: (keep: () => void) => void): Offers {
  /** Pieces that a relay has of a snapshot that is on its way there. */
  const taken = new Map<string, Set<string>>()

  function snapshotTo(url: string): Offer[] {
    const newest = retained.newest()
    if (!newest) return []
    const events = newest.events.flatMap(text => eventOf(text) ?? [])
    const done = taken.get(url) ?? new Set<string>()
    taken.set(url, done)
    const pieces = events.slice(0, -1).filter(({ id }) => !done.has(id))
    return (pieces.length > 0 ? pieces : events.slice(-1)).map(event => ({
      event,
      done(accepted, keep) {
        if (!accepted) return
        done.add(event.id)
        if (event.id !== newest.id) return
        for (const { id } of events) done.delete(id)
        acknowledge(() => {
          keep?.()
          retained.ackSnapshot(newest.id, url)
        })
      },
    }))
  }

  return {
    forget: url => void taken.delete(url),
    to(url, refused) {
      const newest = retained.newest()
      const hasNewest = newest?.acks.includes(url) === true
      const offers = newest && !hasNewest && !refused.has(newest.id) ? snapshotTo(url) : []
      for (const row of retained.own()) {
        if (row.acks.includes(url) || (hasNewest && covers(newest.cover, row))) continue
        const event = eventOf(row.event)
        if (!event) continue
        offers.push({
          event,
          done(accepted, keep) {
            if (!accepted) return
            acknowledge(() => {
              keep?.()
              retained.ackTail(row, url)
            })
          },
        })
      }
      return offers.filter(({ event }) => !refused.has(event.id))
    },
  }
}
