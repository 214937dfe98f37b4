// The agent whose state is written, and an SDK reader's view of it as a raw connection sees it. One JSON object on stdout.
import { createMemoryMailStore, openAgent } from 'posthorn'
import { openClient, toFrame } from '../load/client.mjs'
import { deflated, framed, mean } from '../load/deflated.mjs'
import { keyOf } from '../load/sign.mjs'
import { first, hotWrite, jsonBytes, longWrite, smallChange } from '../load/state-load.mjs'

/** Writes of which the agent waits for the relay's word once. */
const TOGETHER = 100
const PATIENCE_MS = 30_000
const KINDS = [34_701, 34_702]

const { url, key, hot, changes, writes } = JSON.parse(process.argv[2])
const { secretKey, pubkey } = keyOf(key)
const heard = []
const client = await openClient(url, {
  event: (buffer, start, end) => heard.push(buffer.toString('utf8', start, end)),
})
await new Promise(resolve => {
  client.on.eose = resolve
  client.send(toFrame(['REQ', 's1', { kinds: KINDS, authors: [pubkey], since_seq: 0, limit: 500 }]))
})

const agent = await openAgent({
  relays: [url],
  announce: false,
  presence: false,
  host: { secretKey, store: createMemoryMailStore(), contacts: () => [] },
})
const own = await agent.state.open()
const { view } = own
const flush = async () => {
  if (!(await own.flush(PATIENCE_MS))) throw new Error('the relay does not take the state')
}
const eventOf = text => JSON.parse(text)[2]
const isDelta = text => eventOf(text).kind === KINDS[0]
/** Everything published has come back to the reader. */
async function heardAll() {
  for (let before = -1; before !== heard.length; ) {
    before = heard.length
    await new Promise(resolve => setTimeout(resolve, 300))
  }
}

await own.update(first())
await flush()
await heardAll()

const beforeHot = heard.length
for (let n = 0; n < hot; n += 1) void own.set(...hotWrite(n))
for (let waited = 0; heard.length === beforeHot && waited < PATIENCE_MS; waited += 50)
  await new Promise(resolve => setTimeout(resolve, 50))
await heardAll()
const hotEvents = heard.length - beforeHot

const beforeChanges = heard.length
let mostTail = 0
const began = performance.now()
for (let n = 1; n <= changes; n += 1) {
  await own.set(...smallChange(n))
  await flush()
  mostTail = Math.max(mostTail, view.status.tail)
}
const seconds = (performance.now() - began) / 1000
await heardAll()
const told = heard.slice(beforeChanges)
const small = await deflated(told)
const changeBytes = told.map(text => framed(Buffer.byteLength(text)))
const deltas = told.flatMap((text, n) => (isDelta(text) ? [n] : []))
const result = {
  hotEvents,
  seconds,
  // The replay that a reader without snapshots would have.
  bytesPerChange: mean(deltas.map(n => changeBytes[n])),
  deflatedPerChange: mean(deltas.map(n => framed(small[n]))),
  allBytesPerChange: Math.round(changeBytes.reduce((sum, bytes) => sum + bytes, 0) / changes),
  snapshots: told.length - deltas.length,
  deltas: deltas.length,
  mostTail,
  tail: view.status.tail,
  digest: view.digest,
}
console.log(JSON.stringify(result))
// The waking ones look now, at what 2,000 changes have left.
await new Promise(resolve => process.stdin.once('data', resolve))

for (let n = 1; n <= writes; n += TOGETHER) {
  for (let m = n; m < n + TOGETHER && m <= writes; m += 1) void own.set(...longWrite(m))
  await flush()
}
await agent.close({ timeoutMs: PATIENCE_MS })
await heardAll()
const snapshots = heard.map(eventOf).filter(({ kind }) => kind === KINDS[1])
const last = snapshots.at(-1)
const values = Object.fromEntries(view.keys().map(name => [name, view.get(name)]))
console.log(
  JSON.stringify({
    recordBytes: Buffer.byteLength(JSON.stringify(last)),
    jsonBytes: jsonBytes(values),
  }),
)
process.exit()
