import type { Clock } from '../platform/clock.ts'
import type { Random } from '../platform/random.ts'
import type { Store } from './log/store.ts'

/** Wall and monotonic clock may part by this much between two looks before it counts as a jump. */
const JUMP_MS = 5_000

/**
 * Begins a new epoch at start, and again when the wall clock jumps against the monotonic one: a machine that was
 * suspended or put back to a snapshot may have told positions that its log no longer has.
 */
export class EpochKeeper {
  readonly #store: Store
  readonly #clock: Clock
  readonly #random: Random
  #offset: number

  constructor(store: Store, clock: Clock, random: Random) {
    this.#store = store
    this.#clock = clock
    this.#random = random
    this.#offset = this.#drift()
  }

  async begin(): Promise<void> {
    const [high = 0, low = 0] = this.#random.bytes(2)
    await this.#store.startEpoch(this.#clock.now(), high * 256 + low)
  }

  /** True if a new epoch had to be begun. */
  async check(): Promise<boolean> {
    const drift = this.#drift()
    const jumped = Math.abs(drift - this.#offset) > JUMP_MS
    this.#offset = drift
    if (jumped) await this.begin()
    return jumped
  }

  #drift(): number {
    return this.#clock.now() - this.#clock.monotonic()
  }
}
