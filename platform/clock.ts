/** Wall and monotonic time, injected everywhere so that core and SDK can run under a virtual clock. */
export interface Clock {
  /** Milliseconds since 1970; may jump. */
  now(): number
  /** Milliseconds since some start; never goes back. */
  monotonic(): number
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
}

/** NIP-01 time: whole seconds. */
export const seconds = (clock: Clock): number => Math.floor(clock.now() / 1000)
