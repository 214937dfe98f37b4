import type { Clock } from '../../../platform/clock.ts'
import type { Cancel, Timers } from '../../../platform/timers.ts'

/** Relays are asked for what is missing at most so often. */
const REPAIR_MS = 60_000
/** What is missing may be in the next frame. */
const PATIENCE_MS = 1_000

/** When relays are asked again for what is missing. */
export interface Repairs {
  /** Something is missing. */
  plan(): void
  now(): void
  stop(): void
}

/** `ask` returns false if nothing was to be asked for. */
export function createRepairs({ clock, timers }: { clock: Clock; timers: Timers }, ask: () => boolean): Repairs {
  let repairedAt = Number.NEGATIVE_INFINITY
  let cancel: Cancel | undefined
  let stopped = false

  function now(): void {
    if (ask()) repairedAt = clock.monotonic()
  }

  return {
    plan() {
      if (cancel || stopped) return
      const wait = Math.max(PATIENCE_MS, repairedAt + REPAIR_MS - clock.monotonic())
      const run = () => {
        cancel = undefined
        now()
      }
      cancel = timers.after(wait, run, { background: true })
    },
    now,
    stop() {
      stopped = true
      cancel?.()
    },
  }
}
