/** Ids remembered. The oldest are forgotten first. */
const REMEMBERED = 4_096

/** Counts a verified event. True: it came more often than tolerated. */
export type Repeats = (id: string) => boolean

/**
 * Finds events that a relay sends again and again. `tolerated` copies pass beside the first: a relay without a log may send an event
 * once for each filter, and where stored and live meet.
 */
export function createRepeats(tolerated: number): Repeats {
  const counts = new Map<string, number>()
  return id => {
    const count = counts.get(id) ?? 0
    counts.set(id, count + 1)
    if (counts.size > REMEMBERED) counts.delete(counts.keys().next().value ?? '')
    return count > tolerated
  }
}
