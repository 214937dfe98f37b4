import type { Clock } from '../../platform/clock.ts'

export interface BucketOptions {
  /** Tokens that a full bucket holds: what may come at once. */
  readonly burst: number
  /** Tokens that come back, per minute. */
  readonly perMinute: number
  readonly clock: Clock
  /** Buckets kept at the most; the one unused for longest goes first. */
  readonly keep?: number
}

interface Bucket {
  tokens: number
  /** Monotonic ms. */
  at: number
}

/** Enough that an attacker needs as many addresses or keys to wash out one bucket. */
const KEEP = 20_000

/** Token buckets by name, in bounded memory. */
export class TokenBuckets {
  readonly #options: BucketOptions
  /** In order of use. */
  readonly #buckets = new Map<string, Bucket>()

  constructor(options: BucketOptions) {
    this.#options = options
  }

  get size(): number {
    return this.#buckets.size
  }

  /** Takes one token and returns 0, or takes none and returns the seconds until there is one (whole, at least 1). */
  take(name: string): number {
    const { burst, perMinute, clock, keep = KEEP } = this.#options
    const at = clock.monotonic()
    const bucket = this.#buckets.get(name) ?? { tokens: burst, at }
    const perMs = perMinute / 60_000
    const tokens = Math.min(burst, bucket.tokens + (at - bucket.at) * perMs)
    const wait = tokens >= 1 ? 0 : Math.max(1, Math.ceil((1 - tokens) / perMs / 1000))
    this.#buckets.delete(name)
    this.#buckets.set(name, { tokens: wait === 0 ? tokens - 1 : tokens, at })
    if (this.#buckets.size > keep) {
      const [oldest] = this.#buckets.keys()
      if (oldest !== undefined) this.#buckets.delete(oldest)
    }
    return wait
  }
}
