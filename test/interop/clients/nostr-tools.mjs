import { SimplePool } from 'nostr-tools/pool'
import { filter, onEose, onEvent, queried, url } from './harness.mjs'

const pool = new SimplePool()
queried(await pool.querySync([url], filter))
const sub = pool.subscribe([url], filter, {
  onevent: event =>
    onEvent(event, () => {
      sub.close()
      pool.close([url])
    }),
  oneose: onEose,
})
