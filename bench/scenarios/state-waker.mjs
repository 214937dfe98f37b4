// Agents that were never there before open another's state: bytes and time until all of it is there. One JSON object on stdout.
import { createMemoryMailStore, openAgent } from 'posthorn'
import { nodeHost } from '#dist/sdk/node-host.js'
import { framed } from '../load/deflated.mjs'
import { keyOf } from '../load/sign.mjs'

const { url, key, digest, times } = JSON.parse(process.argv[2])
const { pubkey } = keyOf(key)
const round = ms => Math.round(ms * 10) / 10
const wakes = []
for (let n = 0; n < times; n += 1) {
  let received = 0
  const dial = (to, events, options) => {
    return nodeHost.dial(
      to,
      {
        ...events,
        onText(text) {
          received += framed(Buffer.byteLength(text))
          events.onText(text)
        },
      },
      options,
    )
  }
  const started = performance.now()
  const agent = await openAgent({
    relays: [url],
    announce: false,
    presence: false,
    host: { secretKey: keyOf(`${key} waker ${n}`).secretKey, store: createMemoryMailStore(), contacts: () => [], dial },
  })
  await agent.sync({ maxMs: 10_000 })
  const connected = performance.now()
  const before = received
  const view = await agent.openState(pubkey)
  if (!(await view.ready(10_000))) throw new Error('the state did not come')
  const ended = performance.now()
  if (view.digest !== digest) throw new Error('the state that came is another')
  wakes.push({ ms: round(ended - connected), wholeMs: round(ended - started), bytes: received - before })
  await agent.close({ timeoutMs: 1_000 })
}
console.log(JSON.stringify({ wakes, tier: nodeHost.verifier.tier }))
process.exit()
