import { request } from 'node:http'
import { connect as connectTcp } from 'node:net'
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { Client as FormerClient } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport as FormerTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import { expect, onTestFinished, test } from 'vitest'
import { type McpHttpOptions, serveMcpHttp } from '#dist/mcp/index.js'
import { startRelay } from '../helpers/start-relay.ts'
import { alice, bob, eventually, memoryAgent } from '../sdk/agents.ts'
import { answerOf, postOf } from './posts.ts'

async function served(relay: string, options: Partial<McpHttpOptions> = {}) {
  const agent = await memoryAgent(alice, relay)
  const server = await serveMcpHttp(postOf(agent), { host: '127.0.0.1', port: 0, ...options })
  onTestFinished(() => server.close())
  return { agent, url: new URL(server.url) }
}

/** Status of a bare request: `fetch` would not let a test lie about its Host. */
const ask = (url: URL, headers: Record<string, string>, method = 'POST') => askPath(url, url.pathname, headers, method)

const askPath = (url: URL, path: string, headers: Record<string, string>, method = 'POST'): Promise<number> =>
  new Promise((resolve, reject) => {
    const fields = { 'content-type': 'application/json', ...headers }
    const call = request(url, { path, method, headers: fields }, response => {
      response.resume()
      resolve(response.statusCode ?? 0)
    })
    call.on('error', reject)
    call.end('{"jsonrpc":"2.0","id":1,"method":"ping"}')
  })

const ACCEPT = { accept: 'application/json, text/event-stream' }

test('clients of both generations over streamable HTTP; the current one hears of changes', async () => {
  await using relay = await startRelay()
  const { agent, url } = await served(relay.url)
  const b = await memoryAgent(bob, relay.url)
  const current = new Client({ name: 'c', version: '1' }, { versionNegotiation: { mode: { pin: '2026-07-28' } } })
  await current.connect(new StreamableHTTPClientTransport(url))
  const former = new FormerClient({ name: 'f', version: '1' })
  await former.connect(new FormerTransport(url) as Transport)
  onTestFinished(async () => void (await Promise.all([current.close(), former.close()])))
  for (const client of [current, former])
    expect(answerOf(await client.callTool({ name: 'whoami', arguments: {} })).data).toMatchObject({ npub: agent.npub })

  const heard: unknown[] = []
  current.setNotificationHandler('notifications/resources/updated', ({ params }) => void heard.push(params.uri))
  const subscription = await current.listen({ resourceSubscriptions: ['posthorn://inbox'] })
  const id = await b.send('alice', 'hello')
  await eventually('told', () => heard.includes('posthorn://inbox'))
  await subscription.close()
  expect(
    answerOf(await former.callTool({ name: 'check_inbox', arguments: { wait_s: 10 } })).data.messages,
  ).toMatchObject([{ id }])
  // What could not be kept is not offered.
  expect(former.getServerCapabilities()?.resources?.subscribe).toBe(false)
})

test('pages of other sites, other names and callers without the token get nothing', async () => {
  await using relay = await startRelay()
  const { url } = await served(relay.url, { token: 'a-token-of-some-length', names: ['mail.example'] })
  const right = { ...ACCEPT, authorization: 'Bearer a-token-of-some-length' }
  expect(await ask(url, right)).toBe(200)
  expect(await ask(url, { ...right, host: 'mail.example' })).toBe(200)
  expect(await ask(url, { ...right, origin: 'http://localhost:3000' })).toBe(200)
  expect(await ask(url, { ...right, host: 'evil.example' })).toBe(403)
  expect(await ask(url, { ...right, origin: 'https://evil.example' })).toBe(403)
  expect(await ask(url, ACCEPT)).toBe(401)
  expect(await ask(url, { ...ACCEPT, authorization: 'Bearer a-token-of-some-lengtH' })).toBe(401)
  expect(await ask(url, { ...ACCEPT, authorization: 'Basic a-token-of-some-length' })).toBe(401)
  expect(await ask(new URL('/', url), right)).toBe(404)
  // An image of any page can ask for this, without an Origin; it is no URL, and must not end the server.
  expect(await askPath(url, '//', right)).toBe(404)
  expect(await ask(url, right)).toBe(200)
  expect(await ask(url, { ...right, 'content-length': '2000000' }, 'POST').catch(() => 413)).toBe(413)
})

test('a Host that is none is a 4xx; the Origin rule is about pages', async () => {
  await using relay = await startRelay()
  const { url } = await served(relay.url)
  expect(await ask(url, { ...ACCEPT, host: 'x@localhost' })).toBe(400)
  for (const host of ['localhost/x', 'localhost:port', '[::1', 'a b', 'evil.example#@localhost'])
    expect(await ask(url, { ...ACCEPT, host }), host).toBe(400)
  for (const host of ['evil.example', '127.0.0.1.evil.example']) expect(await ask(url, { ...ACCEPT, host })).toBe(403)
  for (const host of ['localhost', 'LOCALHOST:99', '[::1]:1']) expect(await ask(url, { ...ACCEPT, host })).toBe(200)
  for (const origin of ['null', 'file://', 'https://evil.example', 'chrome-extension://abc', 'http://x@localhost'])
    expect(await ask(url, { ...ACCEPT, origin }), origin).toBe(403)
  for (const origin of ['app://obsidian.md', 'http://localhost:1', 'https://127.0.0.1'])
    expect(await ask(url, { ...ACCEPT, origin }), origin).toBe(200)
})

test('half bodies are bounded: others are told, and served again once those have gone', async () => {
  await using relay = await startRelay()
  const { url } = await served(relay.url)
  const halves = Array.from({ length: 200 }, () => {
    const socket = connectTcp(Number(url.port), url.hostname)
    socket.on('error', () => {})
    onTestFinished(() => void socket.destroy())
    const head = `POST /mcp HTTP/1.1\r\nHost: ${url.host}\r\nContent-Type: application/json\r\nAccept: ${ACCEPT.accept}\r\n`
    socket.write(`${head}Content-Length: 1000000\r\n\r\n{"jsonrpc"`)
    let said = ''
    socket.on('data', data => {
      said += data
    })
    return { socket, status: () => said.slice(9, 12) }
  })
  const refused = () => halves.filter(({ status }) => status() === '503').length
  await eventually('refused', () => refused() === 200 - 32)
  expect(await ask(url, ACCEPT)).toBe(503)
  for (const { socket } of halves) socket.destroy()
  await expect.poll(() => ask(url, ACCEPT)).toBe(200)
})
