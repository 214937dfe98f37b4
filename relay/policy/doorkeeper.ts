import type { Clock } from '../../platform/clock.ts'
import type { Limits } from '../../protocol/limits.ts'
import { reason } from '../../protocol/reasons.ts'
import { addressKey, isLoopbackAddress } from '../address.ts'
import type { Peer } from './policy.ts'
import { TokenBuckets } from './token-buckets.ts'

/** Penalties remembered at the most; the oldest goes first. */
const KEEP_PENALTIES = 10_000

/** Counts open connections, in all and per address, and keeps out for a while who sent forgeries. */
export class Doorkeeper {
  readonly #limits: Limits
  readonly #clock: Clock
  readonly #open = new Map<string, number>()
  readonly #arrivals: TokenBuckets
  /** Address → monotonic ms until which it is kept out, in order of their beginning. */
  readonly #penalties = new Map<string, number>()
  #total = 0

  constructor(limits: Limits, clock: Clock) {
    this.#limits = limits
    this.#clock = clock
    this.#arrivals = new TokenBuckets({
      burst: limits.connectBurst,
      perMinute: limits.connectsPerMinute,
      clock,
    })
  }

  /** The reason of a refusal, or undefined. Counts as an arrival. */
  refuse(peer: Peer): string | undefined {
    if (this.#total >= this.#limits.connections) return reason('rate-limited', 'this relay is full; try again later')
    const name = chargeable(peer)
    if (name === undefined) return undefined
    const until = this.#penalties.get(name)
    if (until !== undefined) {
      const left = until - this.#clock.monotonic()
      if (left > 0)
        return reason('rate-limited', `too many invalid signatures; try again in ${Math.ceil(left / 1000)} s`)
      this.#penalties.delete(name)
    }
    if ((this.#open.get(name) ?? 0) >= this.#limits.connectionsPerAddress)
      return reason('rate-limited', `${this.#limits.connectionsPerAddress} connections are open from this address`)
    const wait = peer.unthrottled ? 0 : this.#arrivals.take(name)
    return wait === 0 ? undefined : reason('rate-limited', `too many new connections; try again in ${wait} s`)
  }

  /** Counts a connection as open, until it {@link leave}s. */
  enter(peer: Peer): void {
    const name = chargeable(peer)
    this.#total += 1
    if (name !== undefined) this.#open.set(name, (this.#open.get(name) ?? 0) + 1)
  }

  leave(peer: Peer): void {
    const name = chargeable(peer)
    this.#total -= 1
    if (name === undefined) return
    const left = (this.#open.get(name) ?? 1) - 1
    if (left === 0) this.#open.delete(name)
    else this.#open.set(name, left)
  }

  penalize(peer: Peer): void {
    const name = chargeable(peer)
    if (name === undefined) return
    this.#penalties.delete(name)
    this.#penalties.set(name, this.#clock.monotonic() + this.#limits.penaltyMs)
    if (this.#penalties.size > KEEP_PENALTIES) {
      const [oldest] = this.#penalties.keys()
      if (oldest !== undefined) this.#penalties.delete(oldest)
    }
  }
}

/** Loopback is exempt: behind it is this machine's user, or a proxy that speaks for everybody. */
const chargeable = ({ address }: Peer): string | undefined =>
  address === undefined || isLoopbackAddress(address) ? undefined : addressKey(address)
