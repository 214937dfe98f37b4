import type { Cancel } from '../../platform/timers.ts'
import type { Line } from './line.ts'

/** The lines of one agent: relays that are added while it runs join. */
export interface Lines {
  readonly all: readonly Line[]
  /** Begins something on each line there is, and on each that joins, until it is cancelled: then what was begun is, too. */
  each(begin: (line: Line) => Cancel): Cancel
}

export interface GrowingLines extends Lines {
  join(line: Line): void
}

export function createLines(first: readonly Line[]): GrowingLines {
  const all = [...first]
  const beginners = new Set<(line: Line) => void>()

  return {
    all,
    each(begin) {
      const ends: Cancel[] = all.map(begin)
      const beginner = (line: Line) => void ends.push(begin(line))
      beginners.add(beginner)
      return () => {
        beginners.delete(beginner)
        for (const end of ends.splice(0)) end()
      }
    },
    join(line) {
      all.push(line)
      for (const begin of [...beginners]) begin(line)
    },
  }
}
