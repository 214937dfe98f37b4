import { once } from 'node:events'
import { connect as connectTcp } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { defaultLimits } from 'posthorn/protocol'
import { describe, expect, test } from 'vitest'
import WebSocket from 'ws'
import { notes, person } from '../helpers/events.ts'
import { startRelay } from './relay-on-test.ts'
import { connect } from './wire.ts'

const NOSTR = { accept: 'application/nostr+json' }
const http = (url: string) => url.replace(/^ws/, 'http')

/** The status of a refused upgrade. */
async function refusal(url: string, options: WebSocket.ClientOptions = {}): Promise<number> {
  const socket = new WebSocket(url, options)
  socket.on('error', () => {})
  const [, response] = await once(socket, 'unexpected-response')
  socket.terminate()
  return response.statusCode
}

test('NIP-11: the document tells what is enforced, and the log’s position', async () => {
  const { url, relay, connect } = await startRelay({
    identity: { name: 'n', contact: 'mailto:a@b' },
    limits: { page: 77 },
  })
  const wire = await connect()
  for (const event of notes(person('alice'), 2)) await wire.publish(event)
  const response = await fetch(http(url), { headers: NOSTR })
  expect(response.headers.get('content-type')).toBe('application/nostr+json')
  expect(response.headers.get('access-control-allow-origin')).toBe('*')
  expect(await response.json()).toMatchObject({
    name: 'n',
    contact: 'mailto:a@b',
    supported_nips: expect.arrayContaining([1, 9, 11, 40, 45, 59, 62, 65]),
    limitation: {
      max_message_length: defaultLimits.frameBytes,
      max_subscriptions: defaultLimits.subscriptions,
      max_limit: 77,
      max_subid_length: 64,
      auth_required: false,
      payment_required: false,
    },
    seq: { version: 1, epoch: relay.head.epoch, last: 2 },
  })
})

test('CORS preflight, HEAD, other methods, other paths, plain browsers', async () => {
  const { url } = await startRelay()
  const preflight = await fetch(http(url), { method: 'OPTIONS' })
  expect(preflight.status).toBe(204)
  expect(preflight.headers.get('access-control-allow-headers')).toContain('accept')
  expect(preflight.headers.get('access-control-allow-methods')).toContain('GET')
  expect((await fetch(http(url), { method: 'HEAD', headers: NOSTR })).status).toBe(200)
  expect((await fetch(http(url), { method: 'PUT', body: 'x' })).status).toBe(405)
  expect((await fetch(`${http(url)}/elsewhere`, { headers: NOSTR })).status).toBe(404)
  expect(await (await fetch(http(url))).text()).toContain('posthorn relay')
})

test('the WebSocket is at one path only', async () => {
  const { url } = await startRelay()
  expect(await refusal(`${url}/elsewhere`)).toBe(404)
  await (await connect(`${url}/?x=1`)).close()
})

describe('Origin, while bound to loopback', () => {
  test.each([
    'https://evil.example',
    'null',
    'http://127.0.0.1.evil.example',
    'http://localhost.evil.example',
    'file://',
  ])('%s is refused', async origin => {
    const { url } = await startRelay()
    expect(await refusal(url, { origin })).toBe(403)
  })

  test.each(['http://localhost:3000', 'http://127.0.0.1', 'http://[::1]:80', 'https://app.example'])(
    '%s may connect',
    async origin => {
      const { url } = await startRelay({ allowOrigins: ['https://app.example'] })
      expect((await connect(url, { origin })).socket.readyState).toBe(WebSocket.OPEN)
    },
  )
})

test('clients that hang up in the middle of anything leave the relay standing', async () => {
  const { url, relay } = await startRelay()
  const { port } = new URL(url)
  const upgrade = (path: string, origin: string) =>
    `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n${origin}Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`
  const openings = [
    upgrade('/', ''),
    upgrade('/x', ''),
    upgrade('/', 'Origin: https://evil.example\r\n'),
    'GET / HTTP/1.1\r\n',
    '\x16\x03\x01',
    upgrade('/', '').replace('13', '99'),
  ]
  for (const opening of openings)
    for (const wait of [0, 0, 1, 5, 20]) {
      const socket = connectTcp(Number(port), '127.0.0.1')
      socket.on('error', () => {})
      await once(socket, 'connect')
      socket.write(opening)
      // After the answer: bytes that meet a closed stream come back as a reset.
      if (wait > 0) await delay(wait)
      socket.write('x'.repeat(10_000))
      if (wait !== 5) socket.resetAndDestroy()
      else socket.end()
    }
  await delay(100)
  await expect.poll(() => relay.load.connections).toBe(0)
  expect((await (await connect(url)).request('s', {})).at(-1)?.[0]).toBe('EOSE')
})
