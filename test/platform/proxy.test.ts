import { createServer } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { dialNode } from '#dist/platform/dial-node.js'
import { PROXY_LOOPBACK, proxyFor } from '#dist/platform/proxy.js'
import { getNode } from '#dist/platform/web-get-node.js'
import { inProcess, json } from '../cli/posthorn.ts'
import { startRelay } from '../helpers/start-relay.ts'
import { tempDir } from '../helpers/temp-dir.ts'
import { alice, bob, contactsOf, eventually, memoryAgent } from '../sdk/agents.ts'

const NAMES = [
  'HTTP_PROXY',
  'HTTPS_PROXY',
  'ALL_PROXY',
  'NO_PROXY',
  'http_proxy',
  'https_proxy',
  'all_proxy',
  'no_proxy',
]
const PASSWORD = 'pa55-w0rd'

/** What the environment says of proxies, for one test. */
function setProxies(values: Record<string, string>): void {
  for (const [name, value] of Object.entries(values)) process.env[name] = value
}
beforeEach(() => {
  const before = [...NAMES, PROXY_LOOPBACK].map(name => [name, process.env[name]] as const)
  for (const [name] of before) delete process.env[name]
  return () => {
    for (const [name, value] of before)
      if (value === undefined) delete process.env[name]
      else process.env[name] = value
  }
})

/** A real CONNECT proxy on loopback. `answer`: what it says instead of connecting. */
async function startProxy(answer?: string) {
  const asked: { target: string; authorization: string | undefined }[] = []
  const open = new Set<Socket>()
  const server = createServer((_request, response) => response.writeHead(405).end())
  server.on('connect', (request, client: Socket, head) => {
    const { url = '', headers } = request
    asked.push({ target: url, authorization: headers['proxy-authorization'] })
    open.add(client)
    client.on('error', () => {})
    if (answer !== undefined) return void client.end(`HTTP/1.1 ${answer}\r\ncontent-length: 0\r\n\r\n`)
    const [host = '', port] = url.split(':')
    const there = connect(Number(port), host, () => {
      client.write('HTTP/1.1 200 Connection established\r\n\r\n')
      there.write(head)
      there.pipe(client).pipe(there)
    })
    there.on('error', () => client.end('HTTP/1.1 502 Bad Gateway\r\n\r\n'))
    open.add(there)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(async () => {
    for (const socket of open) socket.destroy()
    await new Promise(resolve => server.close(resolve))
  })
  return { asked, host: `127.0.0.1:${(server.address() as AddressInfo).port}` }
}

/** How a connection ended, or that it was opened. */
const dialled = (url: string, publicOnly = false): Promise<string> =>
  new Promise(resolve => {
    const socket = dialNode(
      url,
      {
        onOpen() {
          socket.terminate()
          resolve('open')
        },
        onText() {},
        onClose: (_code, reason) => resolve(reason),
      },
      { publicOnly },
    )
  })

describe('which proxy', () => {
  const P = 'http://proxy.example:3128'
  test.each([
    ['wss by HTTPS_PROXY', 'wss://relay.example', { HTTPS_PROXY: P }, P],
    ['ws by HTTP_PROXY', 'ws://relay.example', { HTTP_PROXY: P }, P],
    ['https by https_proxy', 'https://relay.example', { https_proxy: P }, P],
    ['not wss by HTTP_PROXY', 'wss://relay.example', { HTTP_PROXY: P }, undefined],
    ['any by ALL_PROXY', 'wss://relay.example', { ALL_PROXY: P }, P],
    ['small letters first', 'wss://relay.example', { https_proxy: P, HTTPS_PROXY: 'http://other.example:1' }, P],
    [
      'not where NO_PROXY names the host',
      'wss://relay.example',
      { HTTPS_PROXY: P, NO_PROXY: 'relay.example' },
      undefined,
    ],
    ['not below a domain of no_proxy', 'wss://a.example', { HTTPS_PROXY: P, no_proxy: 'x, .example' }, undefined],
    ['another port of it', 'wss://relay.example:7000', { HTTPS_PROXY: P, NO_PROXY: 'relay.example:443' }, P],
    ['none for NO_PROXY=*', 'wss://relay.example', { HTTPS_PROXY: P, NO_PROXY: '*' }, undefined],
    ['not this machine', 'ws://localhost:7678', { HTTP_PROXY: P }, undefined],
    ['not this machine by address', 'ws://127.1.2.3:1', { ALL_PROXY: P }, undefined],
    ['not this machine by IPv6', 'ws://[::1]:1', { ALL_PROXY: P }, undefined],
    ['this machine if asked for', 'ws://localhost:7678', { HTTP_PROXY: P, [PROXY_LOOPBACK]: '1' }, P],
    [
      'named without its password',
      'wss://relay.example',
      { HTTPS_PROXY: `http://me:${PASSWORD}@proxy.example:3128` },
      P,
    ],
    ['nothing set', 'wss://relay.example', {}, undefined],
  ])('%s', (_, address, environment, name) => {
    setProxies(environment as unknown as Record<string, string>)
    expect(proxyFor(address)?.name).toBe(name)
  })

  test.each([
    ['SOCKS', `socks5://me:${PASSWORD}@proxy.example:1080`, /is no HTTP proxy/],
    ['no URL', `http://me:${PASSWORD}@:x`, /is no URL/],
  ])('%s is named as what cannot be used, without a password', async (_, proxy, why) => {
    setProxies({ ALL_PROXY: proxy })
    expect(() => proxyFor('wss://relay.example')).toThrow(why)
    const said = await dialled('wss://relay.example')
    expect(said).toMatch(why)
    expect(said).not.toContain(PASSWORD)
  })
})

test('mail goes through the proxy, with the name and password of its URL', async () => {
  const relay = await startRelay()
  onTestFinished(() => relay[Symbol.asyncDispose]())
  const proxy = await startProxy()
  setProxies({ HTTP_PROXY: `http://me:${PASSWORD}@${proxy.host}`, [PROXY_LOOPBACK]: '1' })
  const known = { contacts: contactsOf(alice, bob) }
  const sender = await memoryAgent(alice, relay.url, known)
  const reader = await memoryAgent(bob, relay.url, known)
  await sender.stored(await sender.send('bob', 'through'))
  await eventually('it came', () => reader.inbox().length === 1)
  const target = new URL(relay.httpUrl).host
  expect(proxy.asked.length).toBeGreaterThanOrEqual(2)
  for (const asked of proxy.asked)
    expect(asked).toEqual({ target, authorization: `Basic ${Buffer.from(`me:${PASSWORD}`).toString('base64')}` })
  const before = proxy.asked.length
  const answer = await getNode(relay.httpUrl, { publicOnly: false, maxBytes: 100_000, timeoutMs: 10_000 })
  expect(answer.status).toBe(200)
  expect(proxy.asked).toHaveLength(before + 1)
  // Without being asked to, this machine is reached directly.
  delete process.env[PROXY_LOOPBACK]
  expect(await dialled(relay.url)).toBe('open')
  expect(proxy.asked).toHaveLength(before + 1)
})

test.each([
  ['407 Proxy Authentication Required', /wants a name and a password.*HTTP 407/],
  ['403 Forbidden', /does not allow this address \(HTTP 403\)/],
  ['502 Bad Gateway', /made no connection \(HTTP 502\)/],
])('a proxy that says %s is told from the relay', async (answer, why) => {
  const proxy = await startProxy(answer)
  setProxies({ HTTPS_PROXY: `http://me:${PASSWORD}@${proxy.host}` })
  const agent = await memoryAgent(alice, 'wss://relay.example')
  await eventually('it failed', () => agent.status().relays[0]?.error !== undefined)
  const said = agent.status().relays[0]?.error
  expect(said).toMatch(why)
  expect(said).toContain(`http://${proxy.host}`)
  expect(said).not.toContain(PASSWORD)
  await expect(
    getNode('https://relay.example', { publicOnly: false, maxBytes: 1_000, timeoutMs: 10_000 }),
  ).rejects.toThrow(why)
})

test('a proxy that is not there is told from the relay', async () => {
  setProxies({ ALL_PROXY: `http://me:${PASSWORD}@127.0.0.1:9` })
  const said = await dialled('wss://relay.example')
  expect(said).toMatch(/the proxy http:\/\/127\.0\.0\.1:9 cannot be reached \(ECONNREFUSED\)/)
  expect(said).not.toContain(PASSWORD)
})

test('addresses that strangers gave stay public, also through a proxy', async () => {
  const proxy = await startProxy('502 Bad Gateway')
  setProxies({ ALL_PROXY: `http://${proxy.host}`, [PROXY_LOOPBACK]: '1' })
  for (const url of [
    'ws://127.0.0.1:7678',
    'ws://10.1.2.3',
    'ws://[fd00::1]',
    'wss://localhost',
    'wss://printer.local',
  ])
    expect(await dialled(url, true)).toContain('not on the public internet')
  await expect(
    getNode('http://169.254.169.254/', { publicOnly: true, maxBytes: 1_000, timeoutMs: 10_000 }),
  ).rejects.toThrow('not on the public internet')
  expect(proxy.asked).toEqual([])
  // A name that this machine cannot look up is the proxy's to judge.
  expect(await dialled('wss://relay.invalid', true)).toContain('made no connection')
  expect(proxy.asked.map(({ target }) => target)).toEqual(['relay.invalid:443'])
})

test('doctor names the proxy of each relay, and not its password', async () => {
  const relay = await startRelay()
  onTestFinished(() => relay[Symbol.asyncDispose]())
  const proxy = await startProxy()
  setProxies({ HTTP_PROXY: `http://me:${PASSWORD}@${proxy.host}`, [PROXY_LOOPBACK]: '1' })
  const env = { XDG_DATA_HOME: tempDir() }
  await inProcess(['init', '--relay', relay.url], { env })
  const told = await inProcess(['doctor', '--json'], { env })
  expect(told.stdout + told.stderr).not.toContain(PASSWORD)
  expect(json(told)['findings']).toContainEqual(
    expect.objectContaining({
      check: 'proxy',
      level: 'ok',
      about: relay.url,
      what: expect.stringContaining(proxy.host),
    }),
  )
  expect(proxy.asked.length).toBeGreaterThan(0)
  delete process.env['HTTP_PROXY']
  expect((await inProcess(['doctor'], { env })).stdout).not.toContain('proxy')
})
