import type { Clock } from '../platform/clock.ts'

/** Messages that handlers start for one sender. What is above waits. */
export interface Rate {
  readonly perMinute: number
  /** Default: `perMinute`. */
  readonly burst?: number
}

/** For senders that are nobody's contact, where `accept: 'anyone'` lets handlers run for them. */
export const STRANGER_RATE: Rate = { perMinute: 60, burst: 20 }
/** Ephemeral messages of one contact. */
export const EPHEMERAL_RATE: Rate = { perMinute: 3_000, burst: 300 }
const MAX_SENDERS = 10_000

/** A token bucket per sender. */
export interface Rates {
  /** Takes a token. */
  charge(from: string): void
  /** Takes a token if there is one. */
  take(from: string): boolean
  /** Senders without a token now, and when (ms from now) the first of them has one. */
  spent(): { readonly senders: readonly string[]; readonly waitMs: number }
}

export function createRates(clock: Clock, rateOf: (from: string) => Rate | undefined): Rates {
  const buckets = new Map<string, { tokens: number; at: number; readonly rate: Rate }>()

  function refill(from: string): { tokens: number; readonly rate: Rate } | undefined {
    const rate = rateOf(from)
    if (!rate) return void buckets.delete(from)
    const full = rate.burst ?? rate.perMinute
    const now = clock.monotonic()
    const bucket = buckets.get(from) ?? { tokens: full, at: now, rate }
    bucket.tokens = Math.min(full, bucket.tokens + ((now - bucket.at) * rate.perMinute) / 60_000)
    bucket.at = now
    if (bucket.tokens >= full) buckets.delete(from)
    else buckets.set(from, bucket)
    return bucket
  }

  function charge(from: string): void {
    const bucket = refill(from)
    if (!bucket) return
    bucket.tokens -= 1
    buckets.set(from, { ...bucket, at: clock.monotonic() })
    const [oldest] = buckets.keys()
    if (buckets.size > MAX_SENDERS && oldest !== undefined) buckets.delete(oldest)
  }

  return {
    charge,
    take(from) {
      const bucket = refill(from)
      if (bucket && bucket.tokens < 1) return false
      charge(from)
      return true
    },
    spent() {
      const senders: string[] = []
      let waitMs = Number.POSITIVE_INFINITY
      for (const from of [...buckets.keys()]) {
        const bucket = refill(from)
        if (!bucket || bucket.tokens >= 1) continue
        senders.push(from)
        waitMs = Math.min(waitMs, ((1 - bucket.tokens) * 60_000) / bucket.rate.perMinute)
      }
      return { senders, waitMs }
    },
  }
}
