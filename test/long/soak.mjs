// Mixed load for ROUNDS seconds, and what the relay holds meanwhile: publishing, queries, subscriptions that come and go,
// reconnects, cut connections, readers that stop reading. Fails if memory grows, if an event is not stored, or if one is lost.
import { fork } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { appendFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { initNostrWasm } from 'nostr-wasm'
import { publicKeyOf } from 'posthorn/protocol'
import WebSocket from 'ws'

const SECONDS = Number(process.env.ROUNDS ?? 60)
const SEED = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31))
const EVENTS_PER_SECOND = Number(process.env.SOAK_RATE ?? 100)
const CLIENTS = 40
const SLOW_READERS = 6
/** Between the second quarter and the last one, of memory after a collection. */
const MAX_HEAP_GROWTH_MB = 8
/** The page caches of the log's writer and reader, which fill with the log and then stay. */
const MAX_RSS_GROWTH_MB = 64
/** Four times what the writer leaves in the journal between checkpoints: readers may hold one up for a while. */
const MAX_WAL_MB = 64
/** Beside one per connection: files, pipes and event queues of the process and its threads. */
const MAX_OTHER_DESCRIPTORS = 60
const MB = 2 ** 20
console.log(`soak: ${SECONDS} s, SEED=${SEED}`)

let state = SEED >>> 0
/** mulberry32 */
const random = () => {
  state = (state + 0x6d2b79f5) >>> 0
  let t = Math.imul(state ^ (state >>> 15), 1 | state)
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
}
const below = n => Math.floor(random() * n)
const pick = list => list[below(list.length)]

const curve = await initNostrWasm()
const authors = Array.from({ length: 20 }, (_, n) => {
  const secretKey = new Uint8Array(createHash('sha256').update(`posthorn soak ${n}`).digest())
  return { secretKey, pubkey: publicKeyOf(secretKey) }
})
const KINDS = [1, 1, 1, 4700, 4701, 30_078, 0, 20_001, 24_700]
let made = 0
function makeEvent() {
  made += 1
  const { secretKey, pubkey } = pick(authors)
  const tags = [
    ['p', pick(authors).pubkey],
    ['t', `topic${below(30)}`],
    ['d', `slot${below(50)}`],
  ]
  const content = `${made} ${'x'.repeat(below(10) === 0 ? below(8_000) : below(400))}`
  const event = { kind: pick(KINDS), created_at: Math.floor(Date.now() / 1000), tags, content, pubkey, id: '', sig: '' }
  curve.finalizeEvent(event, secretKey)
  return event
}
const FILTERS = [
  () => ({ kinds: [pick(KINDS)] }),
  () => ({ authors: [pick(authors).pubkey] }),
  () => ({ kinds: [4700], '#p': [pick(authors).pubkey] }),
  () => ({ '#t': [`topic${below(30)}`], limit: 20 }),
  () => ({ kinds: [30_078], authors: [pick(authors).pubkey] }),
]

const data = mkdtempSync(join(tmpdir(), 'posthorn-soak-'))
const relay = fork(fileURLToPath(new URL('./soak-relay.mjs', import.meta.url)), [data], { execArgv: ['--expose-gc'] })
const [{ url }] = await once(relay, 'message')
const told = { events: 0, oks: 0, refused: [], closed: {}, connections: 0 }

async function open() {
  const socket = new WebSocket(url, { perMessageDeflate: false })
  socket.on('error', () => {})
  socket.on('close', code => {
    told.closed[code] = (told.closed[code] ?? 0) + 1
  })
  await once(socket, 'open')
  told.connections += 1
  const client = { socket, subs: new Set(), last: 0, send: (...frame) => socket.send(JSON.stringify(frame)) }
  socket.on('message', bytes => {
    const text = bytes.toString()
    if (text.startsWith('["EVENT"')) told.events += 1
    else if (text.startsWith('["OK"')) {
      const [, , accepted, why] = JSON.parse(text)
      // Two versions of one address within a second: the higher id loses.
      if (accepted || why.startsWith('mute:') || why.startsWith('invalid: outdated')) told.oks += 1
      else told.refused.push(why)
    }
  })
  return client
}

let subs = 0
function stir(client) {
  const [oldest] = client.subs
  if (client.subs.size > 6) {
    client.subs.delete(oldest)
    client.send('CLOSE', oldest)
  }
  subs += 1
  const sub = `s${subs}`
  const filter = pick(FILTERS)()
  if (below(4) === 0) client.send('COUNT', sub, filter)
  else {
    client.subs.add(sub)
    client.send('REQ', sub, below(2) === 0 ? { limit: 50, ...filter } : { since_seq: 0, limit: 100, kinds: [4700] })
  }
}

async function measure() {
  relay.send('memory')
  const [held] = await once(relay, 'message')
  return held
}

const started = Date.now()
const elapsed = () => (Date.now() - started) / 1000
const writer = await open()
const clients = await Promise.all(Array.from({ length: CLIENTS }, open))
const slow = []
const samples = []
// What each of them has open from the start is no growth.
for (const client of clients) for (let n = 0; n < 7; n += 1) stir(client)
const sampling = setInterval(
  async () => {
    const { rss, malloc, anonymous, heapUsed, external, descriptors, wal, file, cpuMs, load, last } = await measure()
    const mb = bytes => Math.round((bytes / MB) * 10) / 10
    samples.push({
      second: Math.round(elapsed()),
      rssMb: mb(rss),
      mallocMb: mb(malloc),
      anonymousMb: mb(anonymous),
      heapMb: mb(heapUsed + external),
      descriptors,
      walMb: mb(wal),
      fileMb: mb(file),
      cpuMs,
      ...load,
      last,
    })
    if (samples.length % 8 === 1) console.log(JSON.stringify(samples.at(-1)))
  },
  Math.max(1_000, (SECONDS * 1_000) / 64),
)
let sent = 0
for (let second = 0; elapsed() < SECONDS; second += 1) {
  for (let slice = 0; slice < 10; slice += 1) {
    while (sent < elapsed() * EVENTS_PER_SECOND && sent - told.oks - told.refused.length < 600) {
      writer.send('EVENT', makeEvent())
      sent += 1
    }
    for (let n = 0; n < 3; n += 1) stir(pick(clients))
    await delay(100)
  }
  // Some leave, politely or not, and others come.
  for (let n = 0; n < 3; n += 1) {
    const index = below(clients.length)
    const [gone] = clients.splice(index, 1, await open())
    if (below(2) === 0) gone.socket.terminate()
    else gone.socket.close(1000)
  }
  while (slow.length < SLOW_READERS) {
    const client = await open()
    client.send('REQ', 'slow', { since_seq: 0, limit: 500 })
    client.send('REQ', 'live', {})
    client.socket.pause()
    slow.push({ client, until: second + 3 + below(40) })
  }
  for (const reader of [...slow])
    if (second >= reader.until) {
      slow.splice(slow.indexOf(reader), 1)
      reader.client.socket.resume()
      setTimeout(() => reader.client.socket.terminate(), 2_000)
    }
}
clearInterval(sampling)
const patience = Date.now() + 20_000
while (told.oks + told.refused.length < sent && Date.now() < patience) await delay(50)

/** Everything that the log says it holds can be read back in order. */
async function readBack() {
  const client = await open()
  let since = 0
  let count = 0
  for (let page = 0; ; page += 1) {
    const told = await new Promise(resolve => {
      client.socket.on('message', function onMessage(bytes) {
        const frame = JSON.parse(bytes.toString())
        if (frame[1] !== `back${page}`) return
        if (frame[0] === 'SEQ' && since === 0) client.epoch = frame[3]
        if (frame[0] === 'EVENT') {
          if (!(frame[3] > since)) throw new Error(`seq ${frame[3]} after ${since}`)
          since = frame[3]
          count += 1
        }
        if (frame[0] === 'EOSE' || frame[0] === 'CLOSED') {
          client.socket.off('message', onMessage)
          resolve(frame)
        }
      })
      client.send('REQ', `back${page}`, { since_seq: since, limit: 500, ...(since > 0 ? { epoch: client.epoch } : {}) })
    })
    if (told[0] === 'CLOSED') throw new Error(`not read back: ${told[2]}`)
    since = Number(told[2].find(hint => hint.startsWith('seq:')).slice(4))
    if (told[2].includes('finish')) return count
  }
}
const stored = await readBack()
const median = values => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0
const quarter = Math.floor(samples.length / 4)
const growth = name =>
  Math.round(
    (median(samples.slice(-quarter).map(s => s[name])) -
      median(samples.slice(quarter, 2 * quarter).map(s => s[name]))) *
      10,
  ) / 10
const figures = {
  test: 'soak',
  seconds: SECONDS,
  sent,
  answered: told.oks + told.refused.length,
  refused: told.refused.length,
  delivered: told.events,
  connections: told.connections,
  subscriptions: subs,
  readBack: stored,
  closed: told.closed,
  heapGrowthMb: growth('heapMb'),
  rssGrowthMb: growth('rssMb'),
  mallocGrowthMb: growth('mallocMb'),
  walMaxMb: Math.max(...samples.map(s => s.walMb)),
  descriptorsMax: Math.max(...samples.map(s => s.descriptors)),
  samples,
}
if (process.env.FIGURES) appendFileSync(process.env.FIGURES, `${JSON.stringify(figures)}\n`)
const { samples: _, ...summary } = figures
console.log(JSON.stringify(summary))
relay.send('stop')
await once(relay, 'exit')
rmSync(data, { recursive: true, force: true })
const failures = [
  figures.answered < sent && `${sent - figures.answered} events were not answered`,
  told.refused.length > 0 && `refused: ${[...new Set(told.refused)].slice(0, 3).join(' | ')}`,
  quarter > 1 && figures.heapGrowthMb > MAX_HEAP_GROWTH_MB && `the heap grew by ${figures.heapGrowthMb} MB`,
  quarter > 1 && figures.rssGrowthMb > MAX_RSS_GROWTH_MB && `the process grew by ${figures.rssGrowthMb} MB`,
  samples.some(s => s.walMb > MAX_WAL_MB) && 'the journal grew beyond its bound',
  samples.some(s => s.descriptors > s.connections + MAX_OTHER_DESCRIPTORS) && 'descriptors are left open',
  (samples.at(-1)?.connections ?? 0) > CLIENTS + SLOW_READERS * 3 + 10 && 'connections that left are still counted',
].filter(Boolean)
for (const failure of failures) console.error(`soak: ${failure}`)
process.exit(failures.length === 0 ? 0 : 1)
