import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
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
