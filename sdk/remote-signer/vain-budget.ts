import type { Clock } from '../../platform/clock.ts'

const BURST = 256 * 1024
const PER_MS = 64
/** Finding the key shared with a new author costs as much as opening so much text. */
const EACH = 4_096

/** What may be opened in vain. Only the sealed text of an event tells whether it answers anything, and opening it blocks the thread. */
export interface VainBudget {
  mayOpen(): boolean
  /** A text of so many characters was opened, and was nothing. */
  spend(chars: number): void
}

export function createVainBudget(clock: Clock): VainBudget {
  let left = BURST
  let at = clock.monotonic()
  return {
    mayOpen() {
      const now = clock.monotonic()
      left = Math.min(BURST, left + (now - at) * PER_MS)
      at = now
      return left > 0
    },
    spend(chars) {
      left -= EACH + chars
    },
  }
}
