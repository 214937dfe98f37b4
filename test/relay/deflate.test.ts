import { once } from 'node:events'
import { connect as openTcp, type Socket as TcpSocket } from 'node:net'
import { defaultLimits } from 'posthorn/protocol'
import { createMemoryStore, createRelay, type RelayOptions } from 'posthorn/relay'
import { expect, onTestFinished, test } from 'vitest'
import { WebSocket } from 'ws'
import { person } from '../helpers/events.ts'
import { sharedVerifier } from '../helpers/shared-verifier.ts'

const alice = person('alice')

async function start(options: RelayOptions = {}) {
  const relay = await createRelay({ store: createMemoryStore(), verifier: await sharedVerifier(), ...options })
  onTestFinished(() => relay.close())
  return { relay, url: await relay.listen({ port: 0 }) }
}

/** A client that says whether it wants compression; what it was sent, and how many bytes of the network that was. */
async function client(url: string, deflate: boolean) {
  const frames: unknown[][] = []
  const socket = new WebSocket(url, { perMessageDeflate: deflate ? { threshold: 0 } : false })
  let tcp: TcpSocket | undefined
  socket.on('upgrade', response => {
    tcp = response.socket as TcpSocket
  })
  const waiting = new Set<() => void>()
  socket.on('message', data => {
    frames.push(JSON.parse(data.toString()))
    for (const look of [...waiting]) look()
  })
  const closed = once(socket, 'close').then(([code, reason]) => `${code} ${reason}`)
  await once(socket, 'open')
  onTestFinished(() => socket.terminate())
  return {
    socket,
    frames,
    closed,
    get bytes() {
      return tcp?.bytesRead ?? 0
    },
    send: (frame: unknown) => socket.send(JSON.stringify(frame)),
    sendText: (text: string) => socket.send(text),
    /** Until so many frames of a type are here. */
    async until(type: string, count: number) {
      const of = () => frames.filter(([first]) => first === type)
      while (of().length < count)
        await new Promise<void>(resolve => {
          const look = () => {
            waiting.delete(look)
            resolve()
          }
          waiting.add(look)
        })
      return of()
    },
  }
}

const note = (n: number) => alice.sign({ kind: 1, created_at: 1_767_225_600 + n, tags: [], content: `note ${n} ✓` })

test('whoever asks for compression gets it, beside others who do not, all of it in order', async () => {
  const { url } = await start({ deflate: true })
  const [squeezed, plain] = [await client(url, true), await client(url, false)]
  expect(squeezed.socket.extensions).toBe('permessage-deflate')
  expect(plain.socket.extensions).toBe('')
  const stored = Array.from({ length: 30 }, (_, n) => note(n))
  for (const event of stored.slice(0, 20)) squeezed.send(['EVENT', event])
  await squeezed.until('OK', 20)
  for (const each of [squeezed, plain]) each.send(['REQ', 's', { kinds: [1], since_seq: 0, limit: 50 }])
  for (const each of [squeezed, plain]) await each.until('EOSE', 1)
  for (const event of stored.slice(20)) plain.send(['EVENT', event])
  const told = await Promise.all([squeezed, plain].map(each => each.until('EVENT', 30)))
  for (const events of told) expect(events.map(([, , event]) => event)).toEqual(stored)
  expect(told[0]).toEqual(told[1])
  expect(squeezed.bytes).toBeLessThan(0.65 * plain.bytes)
  squeezed.socket.close(1000)
  expect(await squeezed.closed).toMatch(/^1000/)
})

test('nobody gets it from a relay that was not told to', async () => {
  const asking = await client((await start()).url, true)
  expect(asking.socket.extensions).toBe('')
  asking.send(['REQ', 's', { limit: 1 }])
  await asking.until('EOSE', 1)
})

test('what is compressed is as large as what it becomes: a frame of the limit passes, one byte more does not, nor a bomb', async () => {
  const { url } = await start({ deflate: true })
  const most = defaultLimits.frameBytes
  const padded = (bytes: number) => `["REQ","s",{"limit":0}]${' '.repeat(bytes - 23)}`
  const polite = await client(url, true)
  polite.sendText(padded(most))
  await polite.until('EOSE', 1)
  for (const bytes of [most + 1, 16 * 1024 * 1024]) {
    const greedy = await client(url, true)
    greedy.sendText(padded(bytes))
    // Without words: it was never inflated whole.
    expect(await greedy.closed).toBe('1009 ')
  }
  polite.sendText('["REQ","t",{"limit":0}]')
  await polite.until('EOSE', 2)
})

test('a compressed frame that is none ends its connection alone', async () => {
  const { url } = await start({ deflate: true })
  const other = await client(url, true)
  const { port } = new URL(url)
  const raw = openTcp(Number(port), '127.0.0.1')
  onTestFinished(() => void raw.destroy())
  raw.write(
    `GET / HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n` +
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n',
  )
  await once(raw, 'data')
  // Final, compressed text; masked with zeros: ten bytes that no inflater takes.
  raw.write(Buffer.from([0xc1, 0x80 | 10, 0, 0, 0, 0, ...Array.from({ length: 10 }, () => 0xff)]))
  await once(raw, 'close')
  other.send(['REQ', 's', { limit: 0 }])
  await other.until('EOSE', 1)
})

test('a slow reader whose frames are compressed is not held in memory without end', async () => {
  const { relay, url } = await start({
    deflate: true,
    limits: { outboundHighBytes: 64_000, outboundHardBytes: 256_000, stalledMs: 300 },
  })
  const writer = await client(url, false)
  // Noise, which compression makes no smaller.
  const noise = () =>
    Array.from({ length: 40_000 }, () => String.fromCharCode(33 + Math.floor(Math.random() * 90))).join('')
  const events = Array.from({ length: 60 }, (_, n) =>
    alice.sign({ kind: 1, created_at: 1_767_225_600 + n, tags: [], content: noise() }),
  )
  const reader = await client(url, true)
  reader.send(['REQ', 's', { kinds: [1], limit: 0 }])
  await reader.until('EOSE', 1)
  reader.socket.pause()
  for (const event of events) writer.send(['EVENT', event])
  await writer.until('OK', events.length)
  await expect.poll(() => relay.load.connections, { timeout: 10_000 }).toBe(1)
  reader.socket.resume()
  expect(await reader.closed).toMatch(/^1013/)
})
