import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { type WebSocket, WebSocketServer } from 'ws'
import { benchModule } from './modules.ts'

const { encodeFrame, openSocket } = await benchModule('load/websocket.mjs')
const { openClient, toFrame } = await benchModule('load/client.mjs')
const { createSamples } = await benchModule('load/samples.mjs')
const { publishPaced } = await benchModule('load/publish.mjs')

/** A server of the library that relays use, and what its one connection brings. */
async function serve(onConnection: (socket: WebSocket) => void): Promise<string> {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 })
  server.on('connection', onConnection)
  await once(server, 'listening')
  onTestFinished(() => {
    for (const socket of server.clients) socket.terminate()
    server.close()
  })
  return `ws://127.0.0.1:${(server.address() as AddressInfo).port}`
}

test('frames of every length arrive as they were sent, both ways, whole, fragmented or in one read', async () => {
  const texts = [0, 1, 125, 126, 65_535, 65_536, 200_000].map(
    length => 'é'.repeat(length >> 1) + 'x'.repeat(length & 1),
  )
  const received: string[] = []
  const url = await serve(socket => {
    socket.on('message', data => {
      const text = data.toString()
      socket.send(text)
      socket.ping('still there')
      socket.send(text.slice(0, 10), { fin: false })
      socket.send(text.slice(10), { fin: true })
    })
    socket.on('pong', data => socket.send(`pong ${data}`))
  })
  await new Promise<void>(resolve => {
    openSocket(url, {
      onText(buffer: Buffer, start: number, end: number) {
        received.push(buffer.toString('utf8', start, end))
        if (received.length === texts.length * 3) resolve()
      },
    }).then((socket: { send(frame: Buffer): void }) => {
      for (const text of texts) socket.send(encodeFrame(text))
    })
  })
  const pongs = received.filter(text => text === 'pong still there')
  expect(pongs).toHaveLength(texts.length)
  expect(received.filter(text => text !== 'pong still there').sort()).toEqual([...texts, ...texts].sort())
})

test('answers are told apart, and a lost connection is told', async () => {
  const id = 'ab'.repeat(32)
  const url = await serve(socket =>
    socket.on('message', () => {
      for (const message of [
        ['OK', id, true, ''],
        ['OK', id, false, 'blocked: no'],
        ['EVENT', 'sub', { id }],
        ['EOSE', 'sub', ['finish']],
        ['CLOSED', 'sub', 'error: x'],
        ['NOTICE', 'y'],
      ])
        socket.send(JSON.stringify(message))
      socket.close(1013, 'too slow')
    }),
  )
  const told: unknown[] = []
  const client = await openClient(url)
  await new Promise<void>(resolve => {
    client.on = {
      ok: (known: string, accepted: boolean, text: () => string) =>
        told.push([known === id, accepted, text().length > 0]),
      event: (buffer: Buffer, start: number, end: number) =>
        told.push(JSON.parse(buffer.toString('utf8', start, end))[2]),
      eose: (text: string) => told.push(JSON.parse(text)[2]),
      refused: (text: string) => told.push(JSON.parse(text).at(-1)),
      lost: (reason: string) => {
        told.push(reason)
        resolve()
      },
    }
    client.send(toFrame(['REQ', 'sub', {}]))
  })
  expect(told).toEqual([
    [true, true, true],
    [true, false, true],
    { id },
    ['finish'],
    'error: x',
    'y',
    'closed 1013 too slow',
  ])
})

test('percentiles are exact', () => {
  const samples = createSamples()
  for (let n = 2_000; n >= 1; n--) samples.add(n)
  expect(samples.summary()).toEqual({ p50: 1_000, p90: 1_800, p99: 1_980, max: 2_000 })
  expect(createSamples().summary()).toBeUndefined()
})

test('a relay that stalls is charged for all it kept waiting, not for one event', async () => {
  const entries = Array.from({ length: 20 }, (_, n) => ({ id: String(n), frame: Buffer.alloc(0) }))
  const sent: number[] = []
  const answerAll = () => {
    for (const { id } of entries) client.on.ok?.(id, true)
  }
  const client = {
    on: {} as { ok?: (id: string, accepted: boolean) => void },
    // Says nothing until the last event is there, then answers all at once.
    send() {
      if (sent.push(1) === entries.length) queueMicrotask(answerAll)
    },
  }
  const { latency, accepted, missing } = await publishPaced([client], entries, 100)
  expect({ accepted, missing }).toEqual({ accepted: 20, missing: 0 })
  // The first was due 190 ms before the last, the middle one 100 ms: whatever this machine does, no less than that.
  expect(latency.summary().max).toBeGreaterThanOrEqual(190)
  expect(latency.summary().p50).toBeGreaterThanOrEqual(90)
})
