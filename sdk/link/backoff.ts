import { type Random, randomFloat } from '../../platform/random.ts'

const FIRST_MS = 1_000
export const LONGEST_BACKOFF_MS = 30_000

/** Wait before attempt `failures + 1`: 1 s · 2ⁿ, at most 30 s, of which the upper half is random so that clients spread. */
export function backoffMs(failures: number, random: Random): number {
  const full = Math.min(LONGEST_BACKOFF_MS, FIRST_MS * 2 ** Math.min(Math.max(failures - 1, 0), 10))
  return Math.round(full / 2 + (full / 2) * randomFloat(random))
}
