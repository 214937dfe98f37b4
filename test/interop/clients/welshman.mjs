import { defaultSocketPolicies, load, makeSocketPolicyAuth, Pool, request } from '@welshman/net'
import { finalizeEvent, generateSecretKey } from 'nostr-tools/pure'
import { filter, onEose, onEvent, queried, url } from './harness.mjs'

// Without a signer its default policies hold frames back once a relay has sent an AUTH challenge.
const key = generateSecretKey()
defaultSocketPolicies.push(makeSocketPolicyAuth({ sign: event => finalizeEvent(event, key), shouldAuth: () => true }))

queried(await load({ relays: [url], filters: [filter] }))
const controller = new AbortController()
await request({
  relays: [url],
  filters: [filter],
  signal: controller.signal,
  onEvent: event =>
    onEvent(event, () => {
      controller.abort()
      Pool.get().clear()
    }),
  onEose,
})
