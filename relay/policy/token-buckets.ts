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

  /**
   * Takes so many tokens (default 1) and returns 0, or takes none and returns the seconds until there are enough (whole, at least 1).
   * More than a full bucket holds are given for a full bucket.
   */
  take(name: string, amount = 1): number {
    const { burst, perMinute, clock, keep = KEEP } = this.#options
    const at = clock.monotonic()
    const bucket = this.#buckets.get(name) ?? { tokens: burst, at }
    const perMs = perMinute / 60_000
    const tokens = Math.min(burst, bucket.tokens + (at - bucket.at) * perMs)
    const needed = Math.min(amount, burst)
    const wait = tokens >= needed ? 0 : Math.max(1, Math.ceil((needed - tokens) / perMs / 1000))
    this.#keep(name, { tokens: wait === 0 ? tokens - needed : tokens, at }, keep)
    return wait
  }

  /** Takes what has been used already, at worst one full bucket on credit. Returns the milliseconds until the debt is paid, or 0. */
  spend(name: string, amount: number): number {
    const { burst, perMinute, clock, keep = KEEP } = this.#options
    const at = clock.monotonic()
    const bucket = this.#buckets.get(name) ?? { tokens: burst, at }
    const perMs = perMinute / 60_000
    const tokens = Math.max(-burst, Math.min(burst, bucket.tokens + (at - bucket.at) * perMs) - amount)
    this.#keep(name, { tokens, at }, keep)
    return tokens >= 0 ? 0 : -tokens / perMs
  }

  #keep(name: string, bucket: Bucket, keep: number): void {
    this.#buckets.delete(name)
    this.#buckets.set(name, bucket)
    if (this.#buckets.size > keep) {
      const [oldest] = this.#buckets.keys()
      if (oldest !== undefined) this.#buckets.delete(oldest)
    }
  }
}
