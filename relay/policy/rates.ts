import { reason } from '../../protocol/reasons.ts'
import { addressKey } from '../address.ts'
import type { Policy, PolicyContext, Sender } from './policy.ts'
import { TokenBuckets } from './token-buckets.ts'

/** Keys cost nothing, so one address may spend only so many times one key's rate, whatever it authenticates as. */
const KEYS_PER_ADDRESS = 16

/** Whoever has proved a key is charged under the first one; others under their address, and the rest together. */
export const chargedAs = ({ keys, address }: Sender): string => keys[0] ?? originOf(address)

export const originOf = (address: string | undefined): string =>
  address === undefined ? 'unknown' : addressKey(address)

/** Rates of `limits`: events written, and requests (REQ, COUNT, negentropy, HTTP) read. */
export function rates({ clock, limits }: PolicyContext): Required<Pick<Policy, 'write' | 'read'>> {
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
  const write = limit('events', limits.eventBurst, limits.eventsPerMinute)
  const read = limit('requests', limits.requestBurst, limits.requestsPerMinute)
  return { write: (_event, sender) => write(sender), read: (_filters, sender) => read(sender) }
}
