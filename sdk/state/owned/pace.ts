import type { Clock } from '../../../platform/clock.ts'
import type { Cancel, Timers } from '../../../platform/timers.ts'

/** Changes travel so long after the last one, */
const QUIET_MS = 250
/** but at the latest so long after the first, */
const LATEST_MS = 2_000
/** and no more often than this. */
const PER_MINUTE = 20

/** When what was changed is told: changes close to each other as one event. */
export interface Pace {
  /** Something changed. */
  poke(): void
  /** Looks again at a later time, ms of the monotonic clock. */
  at(ms: number): void
  /** An event went out. */
  spent(): void
  stop(): void
}

export function createPace({ clock, timers }: { clock: Clock; timers: Timers }, run: () => void): Pace {
  let first: number | undefined
  let tokens = PER_MINUTE
  let filledAt = clock.monotonic()
  let planned: { readonly at: number; readonly cancel: Cancel } | undefined
  let stopped = false

  function plan(at: number, anew: boolean): void {
    if (stopped || (planned && !anew && planned.at <= at)) return
    planned?.cancel()
    const cancel = timers.after(Math.max(0, at - clock.monotonic()), () => {
      planned = undefined
      first = undefined
      run()
    })
    planned = { at, cancel }
  }

  function refill(): number {
    const now = clock.monotonic()
    tokens = Math.min(PER_MINUTE, tokens + ((now - filledAt) * PER_MINUTE) / 60_000)
    filledAt = now
    return tokens >= 1 ? now : now + ((1 - tokens) * 60_000) / PER_MINUTE
  }

  return {
    poke() {
      const now = clock.monotonic()
      first ??= now
      plan(Math.max(refill(), Math.min(now + QUIET_MS, first + LATEST_MS)), true)
    },
    at: ms => plan(ms, false),
    spent() {
      refill()
      tokens -= 1
    },
    stop() {
      stopped = true
      planned?.cancel()
    },
  }
}
