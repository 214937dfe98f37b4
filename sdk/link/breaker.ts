import type { Clock } from '../../platform/clock.ts'

const FAILURES = 5
const WINDOW_MS = 10_000
export const COOLDOWN_MS = 60_000

/**
 * Counts the misdeeds of one relay over all connections. Five within ten seconds open it: the relay is left alone for a minute.
 * The next connection is a probe, whose first misdeed opens it again; one that proves itself closes it. Being away, or asleep, is
 * no misdeed.
 */
export interface Breaker {
  /** A forgery, or a broken promise. True: it is open now. */
  failure(): boolean
  /** Opens it, whatever was counted. */
  trip(): void
  /** The relay kept its promises: it had everything asked for, and all of it verified. */
  success(): void
  /** ms until it may be tried again; 0 while closed. */
  readonly waitMs: number
}

export function createBreaker(clock: Clock): Breaker {
  let failures: number[] = []
  let openUntil = 0
  let probing = false

  function trip(): void {
    failures = []
    probing = true
    openUntil = clock.monotonic() + COOLDOWN_MS
  }

  return {
    failure() {
      const now = clock.monotonic()
      failures = [...failures.filter(at => now - at < WINDOW_MS), now]
      if (!probing && failures.length < FAILURES) return false
      trip()
      return true
    },
    trip,
    success() {
      // What was counted stays: a relay that behaves and lies by turns is still lying.
      probing = false
    },
    get waitMs() {
      return Math.max(0, openUntil - clock.monotonic())
    },
  }
}
