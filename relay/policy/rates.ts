import type { NostrEvent } from '../../protocol/event.ts'
import { reason } from '../../protocol/reasons.ts'
import { addressKey } from '../address.ts'
import type { Policy, PolicyContext, Sender } from './policy.ts'
import { TokenBuckets } from './token-buckets.ts'

/** Keys cost nothing, so one address may spend only so many times one key's rate, whatever it authenticates as. */
const KEYS_PER_ADDRESS = 16

/** Bytes of an event without its id, key and signature, told without writing it out: charging costs less than refusing. */
export function weightOf({ content, tags }: Pick<NostrEvent, 'content' | 'tags'>): number {
  let chars = content.length
  for (const tag of tags) for (const value of tag) chars += value.length + 3
  return chars + ENVELOPE
}
/** What every event carries besides. */
const ENVELOPE = 330

/** Whoever has proved a key is charged under the first one; others under their address, and the rest together. */
export const chargedAs = ({ keys, address }: Sender): string => keys[0] ?? originOf(address)

export const originOf = (address: string | undefined): string =>
  address === undefined ? 'unknown' : addressKey(address)

/** As {@link KEYS_PER_ADDRESS}, of bytes: what is stored stays. */
const KEYS_PER_ADDRESS_BYTES = 4

/**
 * Rates of `limits`: events written and bytes of them, and requests (REQ, COUNT, negentropy, HTTP) read. Use `charge`, which also charges what
 * is refused afterwards, or `write`, not both.
 */
export function rates({ clock, limits }: PolicyContext): Required<Pick<Policy, 'charge' | 'write' | 'read'>> {
  const limit = (what: string, burst: number, perMinute: number) => {
    const own = new TokenBuckets({ burst, perMinute, clock })
    const shared = new TokenBuckets({
      burst: burst * KEYS_PER_ADDRESS,
      perMinute: perMinute * KEYS_PER_ADDRESS,
      clock,
    })
    return (sender: Sender): string | undefined => {
      if (sender.unthrottled === true) return undefined
      const wait = own.take(chargedAs(sender)) || shared.take(originOf(sender.address))
      return wait === 0 ? undefined : reason('rate-limited', `too many ${what}; try again in ${wait} s`)
    }
  }
  const events = limit('events', limits.eventBurst, limits.eventsPerMinute)
  const bytesOf = (times: number) =>
    new TokenBuckets({ burst: limits.eventBytesBurst * times, perMinute: limits.eventBytesPerMinute * times, clock })
  const [ownBytes, sharedBytes] = [bytesOf(1), bytesOf(KEYS_PER_ADDRESS_BYTES)]
  const charge = (sender: Sender, bytes: number): string | undefined => {
    const refusal = events(sender)
    if (refusal !== undefined || sender.unthrottled === true) return refusal
    const wait = ownBytes.take(chargedAs(sender), bytes) || sharedBytes.take(originOf(sender.address), bytes)
    return wait === 0 ? undefined : reason('rate-limited', `too many bytes of events; try again in ${wait} s`)
  }
  const read = limit('requests', limits.requestBurst, limits.requestsPerMinute)
  return {
    charge,
    write: (event, sender) => charge(sender, weightOf(event)),
    read: (_filters, sender) => read(sender),
  }
}
