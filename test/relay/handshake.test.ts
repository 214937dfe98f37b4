import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { request } from 'node:http'
import { connect as openTcp } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { startRelay } from './relay-on-test.ts'
import { connect } from './wire.ts'

type Headers = Readonly<Record<string, string | undefined>>

interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

const KEY = randomBytes(16).toString('base64')
const HANDSHAKE: Headers = {
  Connection: 'Upgrade',
  Upgrade: 'websocket',
  'Sec-WebSocket-Version': '13',
  'Sec-WebSocket-Key': KEY,
}

/** Sends one request by hand and reads the answer: the whole of it, or the head of a 101. */
async function send(url: string, headers: Headers, line = 'GET / HTTP/1.1'): Promise<Answer> {
  const { host, hostname, port } = new URL(url)
  const socket = openTcp(Number(port), hostname)
  onTestFinished(() => void socket.destroy())
  const lines = Object.entries({ Host: host, ...headers }).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}: ${value}`],
  )
  socket.write(`${line}\r\n${lines.join('\r\n')}\r\n\r\n`)
  let text = ''
  socket.on('data', data => {
    text += data.toString()
    if (text.startsWith('HTTP/1.1 101') && text.includes('\r\n\r\n')) socket.destroy()
  })
  await once(socket, 'close')
  const [head = '', ...body] = text.split('\r\n\r\n')
  const [status = '', ...fields] = head.split('\r\n')
  return {
    status: Number(/^HTTP\/1\.1 (\d{3}) \S/.exec(status)?.[1]),
    headers: Object.fromEntries(
      fields.map(field => field.split(/: */, 2)).map(([n = '', v = '']) => [n.toLowerCase(), v]),
    ),
    body: body.join('\r\n\r\n'),
  }
}

const handshake = (url: string, change: Headers = {}, line?: string) => send(url, { ...HANDSHAKE, ...change }, line)

test.each<[string, number, Headers, string?]>([
  ['version 12', 426, { 'Sec-WebSocket-Version': '12' }],
  ['version 8, whose Origin is elsewhere', 426, { 'Sec-WebSocket-Version': '8' }],
  ['two versions', 426, { 'Sec-WebSocket-Version': '13, 8' }],
  ['no version', 426, { 'Sec-WebSocket-Version': undefined }],
  ['no key', 400, { 'Sec-WebSocket-Key': undefined }],
  ['a short key', 400, { 'Sec-WebSocket-Key': 'c2hvcnQ=' }],
  ['a key that is no base64', 400, { 'Sec-WebSocket-Key': '!'.repeat(24) }],
  ['a POST', 405, {}, 'POST / HTTP/1.1'],
  ['a HEAD', 405, {}, 'HEAD / HTTP/1.1'],
  ['HTTP/1.0', 400, {}, 'GET / HTTP/1.0'],
  ['an empty list of subprotocols', 400, { 'Sec-WebSocket-Protocol': '' }],
  ['a subprotocol that is no token', 400, { 'Sec-WebSocket-Protocol': 'a b' }],
  ['a comma too many', 400, { 'Sec-WebSocket-Protocol': 'a,,b' }],
  ['one subprotocol twice', 400, { 'Sec-WebSocket-Protocol': 'a, a' }],
  ['Upgrade: h2c', 426, { Upgrade: 'h2c' }],
  ['no Upgrade', 426, { Upgrade: undefined }],
  ['no Connection', 426, { Connection: undefined }],
  ['Connection: close', 426, { Connection: 'close' }],
  ['another path', 404, {}, 'GET /elsewhere HTTP/1.1'],
  ['a target in the absolute form of another path', 404, {}, 'GET http://x/elsewhere HTTP/1.1'],
  ['a foreign page', 403, { Origin: 'https://evil.example' }],
  ['a foreign Host', 403, { Host: 'evil.example' }],
  ['a Host with a user name', 403, { Host: 'x@localhost' }],
  ['no Host', 400, { Host: undefined }],
  ['two Hosts', 400, { host: 'localhost' }],
  ['two Origins', 400, { Origin: 'https://evil.example', origin: 'http://localhost' }],
  ['two keys', 400, { 'sec-websocket-key': KEY }],
  ['two Hosts in a request that is no handshake', 400, { host: 'localhost' }, 'GET /healthz HTTP/1.1'],
  ['headers beyond what is read', 431, { 'X-Long': 'x'.repeat(100_000) }],
])('%s is answered by %i and a word about it', async (_, status, change, line) => {
  const { url } = await startRelay()
  const answer = await handshake(url, change, line)
  expect(answer).toMatchObject({ status })
  if (status === 426)
    expect(answer.headers).toMatchObject({
      'sec-websocket-version': '13',
      upgrade: 'websocket',
      connection: expect.stringMatching(/^upgrade/i),
    })
  if (status === 405) expect(answer.headers).toMatchObject({ allow: 'GET' })
  // 431 is Node's own.
  if (status !== 431) expect(answer.body).toMatch(/\w+ \w+/)
  await (await connect(url)).close()
})

test.each<[string, Headers]>([
  ['as browsers write it', { Connection: 'keep-alive, Upgrade' }],
  ['in other cases', { Upgrade: 'WebSocket', Connection: 'upgrade' }],
  ['with another protocol beside it', { Upgrade: 'h2c, websocket' }],
  ['with subprotocols that are not known', { 'Sec-WebSocket-Protocol': 'nostr, v1.chat' }],
  ['with spaces', { 'Sec-WebSocket-Protocol': ' nostr ,\tnostr-seq ' }],
  ['with extensions, though none is spoken here', { 'Sec-WebSocket-Extensions': 'permessage-deflate; nonsense' }],
])('a handshake %s is accepted', async (_, change) => {
  const { url } = await startRelay()
  const { status, headers } = await handshake(url, change)
  expect(status).toBe(101)
  expect(headers['sec-websocket-protocol']).toBe(
    change['Sec-WebSocket-Protocol']?.includes('seq') ? 'nostr-seq' : undefined,
  )
  expect(headers).not.toHaveProperty('sec-websocket-extensions')
})

test('an Upgrade to something else is passed over, as servers may: the request is answered', async () => {
  const { url } = await startRelay()
  const asking = request(`${url.replace(/^ws/, 'http')}/healthz`, {
    headers: { connection: 'Upgrade, HTTP2-Settings', upgrade: 'h2c', 'http2-settings': 'AAMAAABkAAQAAP__' },
  })
  asking.end()
  const [response] = await once(asking, 'response')
  expect(response.statusCode).toBe(200)
  expect(await response.setEncoding('utf8').toArray()).toEqual(['ok\n'])
})

const ECHO: Record<string, string | true> = { client_no_context_takeover: true, server_max_window_bits: '11' }

/** Parameters of the extension that was agreed on; undefined without one. */
function agreed(header: string | undefined): Record<string, string | true> | undefined {
  if (header === undefined) return undefined
  const [name, ...parameters] = header.split(/; */)
  expect(name).toBe('permessage-deflate')
  return Object.fromEntries(parameters.map(each => each.split('=')).map(([key = '', value]) => [key, value ?? true]))
}

test.each<[string, Record<string, string | true> | undefined]>([
  ['permessage-deflate', ECHO],
  ['permessage-deflate; client_max_window_bits', ECHO],
  [
    'permessage-deflate; server_max_window_bits=12; client_max_window_bits=12',
    { ...ECHO, client_max_window_bits: '12' },
  ],
  ['permessage-deflate; server_max_window_bits="15"', ECHO],
  ['permessage-deflate; server_no_context_takeover', { ...ECHO, server_no_context_takeover: true }],
  // Windows smaller than ours: declined.
  ['permessage-deflate; server_max_window_bits=8', undefined],
  ['permessage-deflate; server_max_window_bits=9', undefined],
  ['permessage-deflate; server_max_window_bits=10', undefined],
  ['permessage-deflate; server_max_window_bits=10, permessage-deflate', ECHO],
  // What no server can agree to (RFC 7692 §7.1): declined.
  ['permessage-deflate; mystery', undefined],
  ['permessage-deflate; mystery=1, permessage-deflate; server_max_window_bits=11', ECHO],
  ['permessage-deflate; server_max_window_bits', undefined],
  ['permessage-deflate; server_max_window_bits=16', undefined],
  ['permessage-deflate; server_max_window_bits=012', undefined],
  ['permessage-deflate; client_max_window_bits=7', undefined],
  ['permessage-deflate; server_no_context_takeover=1', undefined],
  ['permessage-deflate; client_max_window_bits; client_max_window_bits=10', undefined],
  // Other extensions.
  ['x-webkit-deflate-frame', undefined],
  ['x-webkit-deflate-frame; no_context_takeover, permessage-deflate', ECHO],
  ['permessage-bzip2; level="9, very", permessage-deflate', undefined],
  ['foo;bar="b\\az" , permessage-deflate ', ECHO],
  ['__proto__; constructor=1, permessage-deflate', ECHO],
])('with --deflate, `%s` connects', async (offers, parameters) => {
  const { url } = await startRelay({ deflate: true })
  const { status, headers } = await handshake(url, { 'Sec-WebSocket-Extensions': offers })
  // A quoted value that is no token is malformed.
  if (offers.includes('"9, very"')) return expect(status).toBe(400)
  expect(status).toBe(101)
  expect(agreed(headers['sec-websocket-extensions'])).toEqual(parameters)
})

test.each([
  '',
  ',',
  'permessage-deflate;',
  'permessage-deflate; =1',
  'permessage-deflate,',
  'a b',
  'permessage-deflate; x="',
  ';x',
])('with --deflate, the malformed header `%s` is answered by 400 (RFC 6455 §9.1)', async offers => {
  const { url } = await startRelay({ deflate: true })
  expect(await handshake(url, { 'Sec-WebSocket-Extensions': offers })).toMatchObject({
    status: 400,
    body: 'Sec-WebSocket-Extensions is malformed',
  })
})
