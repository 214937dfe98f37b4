import { AsyncLocalStorage } from 'node:async_hooks'
import type { Clock } from '#dist/platform/clock.js'
import type { Timers } from '#dist/platform/timers.js'

/** The machine's own clock, kept from before any test set another. */
const machineNow = Date.now.bind(Date)

/** What the machine's clock is off by, for what runs in here: histories run side by side. */
const offBy = new AsyncLocalStorage<() => number>()
Date.now = () => Math.floor(machineNow() + (offBy.getStore()?.() ?? 0))

/** Waits of the SDK pass so many times as fast: a back-off of 30 s in 1.5 s. Its monotonic clock agrees. */
export const SPEED = 20

/** What time it is in a history, and what each party takes it for. */
export interface WorldTime {
  now(): number
  /** Lets time pass for everybody at once, as a suspended machine sees it. */
  pass(ms: number): void
  /** A party's clock, `skewMs()` away from the right time. */
  clock(skewMs: () => number, speed?: number): Clock
  /** What runs meanwhile and asks the machine (a command in this process) gets the party's time. */
  during<T>(skewMs: number, run: () => Promise<T>): Promise<T>
}

export function createWorldTime(): WorldTime {
  let offset = 0
  const now = () => machineNow() + offset
  return {
    now,
    pass(ms) {
      offset += ms
    },
    clock: (skewMs, speed = 1) => ({
      now: () => now() + skewMs(),
      // What passed for everybody passed for this clock, too.
      monotonic: () => performance.now() * speed + offset,
    }),
    during: (skewMs, run) => offBy.run(() => offset + skewMs, run),
  }
}

/** Real timers, `SPEED` times as fast. */
export const fastTimers: Timers = {
  after(ms, run, options) {
    const timer = setTimeout(run, Math.min(ms / SPEED, 2 ** 31 - 1))
    if (options?.background) timer.unref()
    return () => clearTimeout(timer)
  },
}

export const pause = (ms: number): Promise<void> => new Promise(resolve => setTimeout(resolve, ms))

/** Asks until it is so, at most `ms`; the last answer. */
export async function until(ms: number, isSo: () => boolean | Promise<boolean>): Promise<boolean> {
  const end = performance.now() + ms
  for (let wait = 5; ; wait = Math.min(100, wait * 1.5)) {
    if (await isSo()) return true
    if (performance.now() > end) return false
    await pause(wait)
  }
}
