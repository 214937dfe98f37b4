import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { type WebSocket, WebSocketServer } from 'ws'
import { dialNode } from '#dist/platform/dial-node.js'

let server: WebSocketServer
let url: string
beforeAll(async () => {
  server = new WebSocketServer({ port: 0, host: '127.0.0.1' })
  await once(server, 'listening')
  url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}`
})
afterAll(() => server.close())

/** Dials and writes down everything it is told. */
function dial(address: string) {
  const log: string[] = []
  const peer = once(server, 'connection').then(([socket]) => socket as WebSocket)
  const socket = dialNode(address, {
    onOpen: () => log.push('open'),
    onText: text => log.push(text),
    onClose: (code, reason) => log.push(`close ${code}${reason ? ` ${reason}` : ''}`),
  })
  const told = async (count: number) => {
    while (log.length < count) await wait(5)
    await wait(20)
    return log
  }
  return { socket, peer, told, log }
}

test('opens, carries text both ways, and ends with one close', async () => {
  const { socket, peer, told } = dial(url)
  const other = await peer
  const heard = once(other, 'message')
  await told(1)
  socket.send('up ☂')
  expect(String((await heard)[0])).toBe('up ☂')
  other.send('down ☂')
  await told(2)
  other.close(1001, 'restarting')
  expect(await told(3)).toEqual(['open', 'down ☂', 'close 1001 restarting'])
  socket.send('into the void')
  socket.close(1000, '')
  socket.terminate()
  expect(await told(3)).toHaveLength(3)
})

test.each(['', 'not an address', 'ftp://127.0.0.1/', 'ws://', 'ws://127.0.0.1:1/#fragment'])(
  '%j is no address: a close, not a throw, and not before the caller has its socket',
  async address => {
    const { socket, log, told } = dial(address)
    expect(log).toEqual([])
    socket.send('x')
    socket.terminate()
    const [only, ...more] = await told(1)
    expect(only).toMatch(/^close 1006 ./)
    expect(more).toEqual([])
  },
)

test('nobody listening is a close that says why', async () => {
  const gone = new WebSocketServer({ port: 0, host: '127.0.0.1' })
  await once(gone, 'listening')
  const { port } = gone.address() as AddressInfo
  gone.close()
  await once(gone, 'close')
  const { told } = dial(`ws://127.0.0.1:${port}`)
  expect(await told(1)).toEqual([expect.stringMatching(/^close 1006 .*ECONNREFUSED/)])
})

test('closing before it opened is one close', async () => {
  const { socket, told } = dial(url)
  socket.close(1000, 'changed my mind')
  expect(await told(1)).toEqual([expect.stringMatching(/^close 1006/)])
})

test('a binary frame is refused with 1003', async () => {
  const { peer, told } = dial(url)
  const other = await peer
  const closed = once(other, 'close')
  await told(1)
  other.send(Buffer.from([1, 2, 3]))
  expect((await closed)[0]).toBe(1003)
  expect((await told(2))[1]).toMatch(/^close 1003/)
})

/** A server whose handshakes are made by hand. `answer` gets the request's head and writes what it likes. */
async function byHand(answer: (head: string, socket: Socket) => void): Promise<{ url: string; heads: string[] }> {
  const heads: string[] = []
  const raw = createServer(socket => {
    let head = ''
    socket.on('error', () => {})
    socket.on('data', data => {
      if (head.includes('\r\n\r\n')) return
      head += data.toString('latin1')
      if (!head.includes('\r\n\r\n')) return
      heads.push(head)
      answer(head, socket)
    })
  }).listen(0, '127.0.0.1')
  await once(raw, 'listening')
  onTestFinished(() => void raw.close())
  return { url: `ws://127.0.0.1:${(raw.address() as AddressInfo).port}`, heads }
}

const accept = (head: string) => {
  const key = /sec-websocket-key: (\S+)/i.exec(head)?.[1]
  const digest = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
  return `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${digest}\r\n`
}
const offers = (head: string) => /^sec-websocket-protocol: nostr-seq\r$/im.test(head)

test('nostr-seq is offered; a server that selects none is as good', async () => {
  const { url: plain, heads } = await byHand((head, socket) => socket.write(`${accept(head)}\r\n`))
  const { told, socket } = dial(plain)
  expect(await told(1)).toEqual(['open'])
  expect(heads.map(offers)).toEqual([true])
  socket.terminate()
})

test.each([
  ['answers 400', (socket: Socket) => socket.end('HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n')],
  ['hangs up', (socket: Socket) => socket.destroy()],
])(
  'a server that %s where a subprotocol is offered is asked without it, and the next time at once',
  async (_, refuse) => {
    const { url: strict, heads } = await byHand((head, socket) => {
      if (offers(head)) refuse(socket)
      else socket.write(`${accept(head)}\r\n`)
    })
    for (const asked of [
      [true, false],
      [true, false, false],
    ]) {
      const { told, socket } = dial(strict)
      expect(await told(1)).toEqual(['open'])
      expect(heads.map(offers)).toEqual(asked)
      socket.terminate()
      expect((await told(2))[1]).toMatch(/^close/)
    }
  },
)

test('a server that refuses both ways is a close with its answer, after two attempts', async () => {
  const { url: closed, heads } = await byHand((_, socket) =>
    socket.end('HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n'),
  )
  const { told } = dial(closed)
  expect(await told(1)).toEqual([expect.stringMatching(/^close 1006 .*\(HTTP 400\)/)])
  expect(heads.map(offers)).toEqual([true, false])
})

test.each([401, 403, 404, 429, 503])('%i has nothing to do with the offer: one attempt', async status => {
  const { url: closed, heads } = await byHand((_, socket) =>
    socket.end(`HTTP/1.1 ${status} No\r\nContent-Length: 0\r\n\r\n`),
  )
  const { told } = dial(closed)
  expect(await told(1)).toEqual([expect.stringMatching(new RegExp(`^close 1006 .*\\(HTTP ${status}\\)`))])
  expect(heads).toHaveLength(1)
})

test('ended by its owner between the two attempts, it makes no second one', async () => {
  const { url: slow, heads } = await byHand((_, socket) => {
    dialled.socket.terminate()
    socket.destroy()
  })
  const dialled = dial(slow)
  expect(await dialled.told(1)).toEqual([expect.stringMatching(/^close 1006/)])
  expect(heads).toHaveLength(1)
})
