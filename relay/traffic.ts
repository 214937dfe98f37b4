import type { Clock } from '../platform/clock.ts'
import { type Cancel, every, type Timers } from '../platform/timers.ts'

/** How fast the log has grown of late: one sample every {@link EVERY_S}, for the last ten minutes. */
export interface Traffic {
  /** Entries in each sample, oldest first. */
  readonly samples: readonly number[]
  readonly everyS: number
  readonly uptimeS: number
  stop: Cancel
}

const EVERY_S = 10
const SAMPLES = 60

/** `last` is the log's position as it moves. */
export function watchTraffic(clock: Clock, timers: Timers, last: () => number): Traffic {
  const start = clock.monotonic()
  const samples: number[] = []
  let position = last()
  const stop = every(timers, EVERY_S * 1_000, () => {
    const now = last()
    samples.push(now - position)
    position = now
    if (samples.length > SAMPLES) samples.shift()
  })
  return {
    everyS: EVERY_S,
    get samples() {
      return samples
    },
    get uptimeS() {
      return Math.floor((clock.monotonic() - start) / 1_000)
    },
    stop,
  }
}
