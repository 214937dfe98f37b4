// The state scenario's writes on a Y.Map over y-websocket: a writer, a reader, and clients that come late. One JSON object on stdout.
import { WebSocket } from 'ws'
import { WebsocketProvider } from 'y-websocket'
import * as Y from 'yjs'
import { deflated, framed, mean } from '../../load/deflated.mjs'
import { first, hotWrite, jsonBytes, longWrite, smallChange } from '../../load/state-load.mjs'

const { url, hot, changes, writes, times } = JSON.parse(process.argv[2])
/** First byte of a message that carries the document; others are awareness. */
const SYNC = 0
const TOGETHER = 100
const round = ms => Math.round(ms * 10) / 10

/** A client of its own; resolves once it has the document. `messages` is what came. */
async function join(room) {
  const messages = []
  class Counted extends WebSocket {
    constructor(...given) {
      super(...given)
      this.on('message', data => messages.push(Buffer.from(data)))
    }
  }
  const doc = new Y.Doc()
  const provider = new WebsocketProvider(url, room, doc, { WebSocketPolyfill: Counted, disableBc: true })
  await new Promise(resolve => provider.on('status', ({ status }) => status === 'connected' && resolve()))
  const connected = performance.now()
  if (!provider.synced) await new Promise(resolve => provider.once('sync', resolve))
  return {
    ms: round(performance.now() - connected),
    doc,
    map: doc.getMap('state'),
    messages,
    close() {
      provider.destroy()
      doc.destroy()
    },
  }
}

const [writer, reader] = [await join('room'), await join('room')]
/** The reader has what was written last. */
async function heardAll() {
  const marker = Math.random()
  const heard = new Promise(resolve => {
    const look = () => {
      if (reader.map.get('marker') !== marker) return
      reader.map.unobserve(look)
      resolve()
    }
    reader.map.observe(look)
  })
  writer.map.set('marker', marker)
  await heard
}
const updates = () => reader.messages.filter(([type]) => type === SYNC)

for (const [name, value] of Object.entries(first())) writer.map.set(name, value)
await heardAll()
reader.messages.length = 0
for (let n = 0; n < hot; n += 1) writer.map.set(...hotWrite(n))
await heardAll()
const hotEvents = updates().length - 1

reader.messages.length = 0
const began = performance.now()
for (let n = 1; n <= changes; n += 1) {
  const [name, value] = smallChange(n)
  const heard = new Promise(resolve => reader.doc.once('update', resolve))
  writer.map.set(name, value)
  await heard
}
const seconds = (performance.now() - began) / 1000
const told = updates()
const small = await deflated(told)

const wakes = []
for (let n = 0; n < times; n += 1) {
  const started = performance.now()
  const late = await join('room')
  const wholeMs = round(performance.now() - started)
  if (late.map.get(smallChange(changes)[0]) !== changes) throw new Error('the document that came is another')
  wakes.push({ ms: late.ms, wholeMs, bytes: late.messages.reduce((sum, message) => sum + framed(message.length), 0) })
  late.close()
}

for (let n = 1; n <= writes; n += TOGETHER) {
  for (let m = n; m < n + TOGETHER && m <= writes; m += 1) writer.map.set(...longWrite(m))
  await heardAll()
}
writer.map.delete('marker')
console.log(
  JSON.stringify({
    hotEvents,
    seconds,
    bytesPerChange: mean(told.map(({ length }) => framed(length))),
    deflatedPerChange: mean(small.map(framed)),
    wakes,
    recordBytes: Y.encodeStateAsUpdate(writer.doc).length,
    jsonBytes: jsonBytes(writer.map.toJSON()),
  }),
)
process.exit()
