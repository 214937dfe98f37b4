import { RelayPool } from 'nostr-relaypool'
import { filter, onEose, onEvent, queried, url } from './harness.mjs'

const pool = new RelayPool([url], { autoReconnect: false })
await new Promise(resolve => {
  const events = []
  const unsubscribe = pool.subscribe(
    [filter],
    [url],
    event => events.push(event),
    undefined,
    () => {
      unsubscribe()
      queried(events)
      resolve()
    },
    { unsubscribeOnEose: true },
  )
})
const unsubscribe = pool.subscribe(
  [filter],
  [url],
  event =>
    onEvent(event, () => {
      unsubscribe()
      pool.close()
    }),
  undefined,
  onEose,
)
