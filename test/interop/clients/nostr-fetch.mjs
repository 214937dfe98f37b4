import { NostrFetcher } from 'nostr-fetch'
import WebSocket from 'ws'
import { author, queried, say, url } from './harness.mjs'

// It fetches and does not subscribe.
const fetcher = NostrFetcher.init({ webSocketConstructor: WebSocket })
queried(await fetcher.fetchAllEvents([url], { kinds: [1], authors: [author] }, {}))
say('stored', (await fetcher.fetchLatestEvents([url], { kinds: [1], authors: [author] }, 2)).length + 1)
fetcher.shutdown()
say('closed')
