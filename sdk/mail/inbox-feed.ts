import type { FilterJson } from '../../protocol/filter.ts'
import { GIFT_WRAP, MESSAGE, RECEIPT } from '../../protocol/kinds.ts'
import type { Dialect } from '../link/feed.ts'
import type { FeedKey } from './store.ts'

/** What an inbox asks each relay for. */
export const inboxFilter = (pubkey: string): FilterJson => ({ kinds: [MESSAGE, RECEIPT, GIFT_WRAP], '#p': [pubkey] })

/** Under which name a position of a feed is kept. */
export const feedKey = (relay: string, wanted: FilterJson, dialect: Dialect): FeedKey => ({
  relay,
  filter: `${dialect} ${JSON.stringify(wanted)}`,
})

/** Under which name an inbox's position in a relay's log is kept. */
export const inboxFeed = (relay: string, pubkey: string): FeedKey => feedKey(relay, inboxFilter(pubkey), 'log')
