import type { Clock } from '../platform/clock.ts'
import type { Timers } from '../platform/timers.ts'
import { nextTurn } from '../platform/turn.ts'

interface Alarm {
  readonly at: number
  readonly order: number
  readonly run: () => void
}

/** Clock and timers that move only when told to. */
export interface VirtualTime {
  readonly clock: Clock
  readonly timers: Timers
  /** Lets everything that is due within `ms` happen, in order, each followed by all that it causes. */
  advance(ms: number): Promise<void>
  /** Lets everything happen that needs no time. */
  settle(): Promise<void>
  /** Moves the wall clock against the monotonic one, as an operator or a suspended machine does. */
  setWallClock(ms: number): void
  /** Timers that were set and are not due yet. */
  readonly pending: number
}

/** Rounds of the host's event loop that one step may need to run out: promises chained over promises, nothing that waits. */
const SETTLE_ROUNDS = 3

export function createVirtualTime(startMs: number): VirtualTime {
  let elapsed = 0
  let wallOffset = startMs
  let order = 0
  const alarms = new Set<Alarm>()

  const settle = async (): Promise<void> => {
    for (let round = 0; round < SETTLE_ROUNDS; round++) await nextTurn()
  }
  const nextUntil = (limit: number): Alarm | undefined => {
    let next: Alarm | undefined
    for (const alarm of alarms)
      if (
        alarm.at <= limit &&
        (next === undefined || alarm.at < next.at || (alarm.at === next.at && alarm.order < next.order))
      )
        next = alarm
    return next
  }

  return {
    clock: { now: () => wallOffset + elapsed, monotonic: () => elapsed },
    timers: {
      after(ms, run) {
        order += 1
        const alarm = { at: elapsed + Math.max(0, ms), order, run }
        alarms.add(alarm)
        return () => alarms.delete(alarm)
      },
    },
    settle,
    get pending() {
      return alarms.size
    },
    async advance(ms) {
      const target = elapsed + ms
      await settle()
      for (let alarm = nextUntil(target); alarm !== undefined; alarm = nextUntil(target)) {
        alarms.delete(alarm)
        elapsed = Math.max(elapsed, alarm.at)
        alarm.run()
        await settle()
      }
      elapsed = target
      await settle()
    },
    setWallClock(ms) {
      wallOffset = ms - elapsed
    },
  }
}
