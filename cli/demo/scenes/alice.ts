import { type Agent, openAgent } from '../../../sdk/index.ts'

/**
 * Alice, in this process; `relays` instead of her profile's. Neither she nor bob publishes a relay list: both are where the other is,
 * and a list that was learned before they moved to a second relay would count for an hour.
 */
export const openAlice = (home: string, relays?: readonly string[]): Promise<Agent> =>
  openAgent({ home, create: false, announce: false, ...(relays === undefined ? {} : { relays }) })
