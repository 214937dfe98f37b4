import { connect as connectTcp } from 'node:net'
import type { RelayOptions } from 'posthorn/relay'
import { saneDefaults } from 'posthorn/relay'
import { expect } from 'vitest'
import { startRelay } from '../helpers/start-relay.ts'
import { nip, openClient } from './rules.ts'

const { rule } = nip('11')

const accept = { accept: 'application/nostr+json' }
const aboutOf = async (httpUrl: string) => (await fetch(httpUrl, { headers: accept })).json()
/** A relay of its own for a rule about how it is run. */
const withRelay = async (
  options: RelayOptions,
  show: (of: Awaited<ReturnType<typeof startRelay>>) => Promise<void>,
) => {
  const running = await startRelay(options)
  try {
    await show(running)
  } finally {
    await running[Symbol.asyncDispose]()
  }
}

rule('the document is served on the relay’s own URL to who accepts application/nostr+json', async ({ httpUrl }) => {
  const response = await fetch(httpUrl, { headers: accept })
  expect(response.status).toBe(200)
  expect(response.headers.get('content-type')).toMatch(/^application\/nostr\+json/)
  const about = await response.json()
  for (const field of ['name', 'description', 'version']) expect(about[field]).toEqual(expect.any(String))
  const listed = await fetch(httpUrl, { headers: { accept: 'text/html, application/nostr+json;q=0.9' } })
  expect(await listed.json()).toMatchObject({ name: about.name })
  expect((await fetch(httpUrl, { headers: { accept: 'text/html' } })).headers.get('content-type')).toMatch(/^text\//)
})

rule('it carries the three CORS headers, for pages of any origin', async ({ httpUrl }) => {
  const { headers } = await fetch(httpUrl, { headers: { ...accept, origin: 'https://example.com' } })
  expect(headers.get('access-control-allow-origin')).toBe('*')
  expect(headers.get('access-control-allow-headers')).toBeTruthy()
  expect(headers.get('access-control-allow-methods')).toContain('GET')
})

rule('supported_nips are numbers, ascending, and none that was folded into another', async ({ httpUrl }) => {
  const { supported_nips: nips } = await aboutOf(httpUrl)
  expect(nips).toEqual([...new Set<number>(nips)].sort((a, b) => a - b))
  for (const folded of [12, 15, 16, 20, 26, 33]) expect(nips).not.toContain(folded)
})

rule('self is the key that the relay signs with', async ({ httpUrl }) => {
  expect((await aboutOf(httpUrl)).self).toMatch(/^[0-9a-f]{64}$/)
  await withRelay({ policy: saneDefaults({ members: true }), owners: ['ab'.repeat(32)] }, async ({ url, httpUrl }) => {
    const client = await openClient(url)
    const { self } = await aboutOf(httpUrl)
    // The list of members is the relay's own event; strangers may not read here, so it is asked for by its author.
    expect(await client.closedFor({ authors: [self] })).toMatch(/^auth-required: /)
  })
})

rule('limitation.max_message_length: a frame of that size is read, a longer one ends the connection', async scene => {
  const { open, httpUrl, url } = scene
  const { max_message_length: max } = (await aboutOf(httpUrl)).limitation
  const client = await open()
  const frame = (size: number) => `["CLOSE","x"]${' '.repeat(size - 13)}`
  client.sendText(frame(max))
  expect((await client.request('s', { limit: 0 })).at(-1)?.[0]).toBe('EOSE')
  const other = await openClient(url)
  other.sendText(frame(max + 1))
  expect((await other.closed).code).toBe(1009)
})

rule('limitation.max_subscriptions: so many are open, the next is CLOSED', async ({ open, httpUrl }) => {
  const { max_subscriptions: max } = (await aboutOf(httpUrl)).limitation
  const client = await open()
  for (let n = 0; n < max; n += 1) expect((await client.request(`s${n}`, { limit: 0 })).at(-1)?.[0]).toBe('EOSE')
  expect(await client.closedFor({ limit: 0 })).toMatch(/^rate-limited: /)
  client.send('CLOSE', 's0')
  expect(await client.ids({ limit: 0 })).toEqual([])
})

rule('limitation.max_filters: so many are read, one more is CLOSED', async ({ open, httpUrl }) => {
  const { max_filters: max } = (await aboutOf(httpUrl)).limitation
  const client = await open()
  expect(await client.ids(...Array(max).fill({ limit: 0 }))).toEqual([])
  expect(await client.closedFor(...Array(max + 1).fill({ limit: 0 }))).toMatch(/^invalid: /)
})

rule('limitation.max_limit and default_limit: no more events come, whatever is asked for', async ({ alice, now }) => {
  await withRelay({ limits: { page: 5 } }, async ({ url, httpUrl }) => {
    const { max_limit, default_limit } = (await aboutOf(httpUrl)).limitation
    expect([max_limit, default_limit]).toEqual([5, 5])
    const client = await openClient(url)
    await client.store(...Array.from({ length: 7 }, (_, n) => alice.sign({ created_at: now - n })))
    for (const filter of [{ limit: 6 }, { limit: 500 }, {}]) expect(await client.ids(filter)).toHaveLength(5)
    expect(await client.ids({ limit: 4 })).toHaveLength(4)
  })
})

rule('limitation.max_subid_length is the length that is accepted', async ({ open, httpUrl }) => {
  const { max_subid_length: max } = (await aboutOf(httpUrl)).limitation
  const client = await open()
  expect((await client.request('x'.repeat(max), { limit: 0 })).at(-1)?.[0]).toBe('EOSE')
  expect((await client.request('x'.repeat(max + 1), { limit: 0 })).at(-1)?.[0]).toBe('CLOSED')
})

rule('limitation.max_event_tags and max_content_length are what is accepted', async ({ open, httpUrl, alice, now }) => {
  const { max_event_tags, max_content_length } = (await aboutOf(httpUrl)).limitation
  const client = await open()
  const tags = (count: number) => alice.sign({ created_at: now, tags: Array.from({ length: count }, () => ['x']) })
  const content = (size: number) => alice.sign({ created_at: now, content: 'x'.repeat(size) })
  await client.store(tags(max_event_tags), content(max_content_length))
  expect(await client.refused(tags(max_event_tags + 1))).toMatch(/^invalid: /)
  expect(await client.refused(content(max_content_length + 1))).toMatch(/^invalid: /)
})

rule('limitation.created_at_lower_limit and created_at_upper_limit are what is accepted', async scene => {
  const { open, httpUrl, alice, now } = scene
  const { created_at_lower_limit: past, created_at_upper_limit: future } = (await aboutOf(httpUrl)).limitation
  const client = await open()
  // Ten seconds either way: the test's clock goes on.
  await client.store(alice.sign({ created_at: now - past + 10 }), alice.sign({ created_at: now + future - 10 }))
  expect(await client.refused(alice.sign({ created_at: now - past - 10 }))).toMatch(/^invalid: /)
  expect(await client.refused(alice.sign({ created_at: now + future + 10 }))).toMatch(/^invalid: /)
})

rule('limitation.auth_required is true only where nothing is possible before AUTH', async ({ httpUrl, alice, now }) => {
  expect((await aboutOf(httpUrl)).limitation.auth_required).toBe(false)
  await withRelay({ policy: saneDefaults({ requireAuth: 'all' }) }, async running => {
    expect((await aboutOf(running.httpUrl)).limitation.auth_required).toBe(true)
    const client = await openClient(running.url)
    expect(await client.closedFor({ kinds: [1] })).toMatch(/^auth-required: /)
    expect(await client.refused(alice.sign({ created_at: now }))).toMatch(/^auth-required: /)
    expect((await client.login(alice))[2]).toBe(true)
    expect(await client.ids({ kinds: [1] })).toEqual([])
  })
  await withRelay({ policy: saneDefaults({ requireAuth: 'write' }) }, async running =>
    expect((await aboutOf(running.httpUrl)).limitation.auth_required).toBe(false),
  )
})

rule(
  'limitation.restricted_writes is true only where a valid event may be refused',
  async ({ httpUrl, alice, now }) => {
    expect((await aboutOf(httpUrl)).limitation.restricted_writes).toBe(false)
    await withRelay({ policy: saneDefaults({ allowKinds: [1] }) }, async running => {
      expect((await aboutOf(running.httpUrl)).limitation.restricted_writes).toBe(true)
      const client = await openClient(running.url)
      await client.store(alice.sign({ created_at: now }))
      expect(await client.refused(alice.sign({ kind: 7, created_at: now }))).toMatch(/^blocked: /)
    })
  },
)

rule('the document is there for who speaks plain HTTP/1.1 and nothing else', async ({ httpUrl }) => {
  const { hostname, port } = new URL(httpUrl)
  const socket = connectTcp(Number(port), hostname)
  socket.write('GET / HTTP/1.1\r\nHost: localhost\r\nAccept: application/nostr+json\r\nConnection: close\r\n\r\n')
  let text = ''
  for await (const part of socket) text += part
  expect(text).toMatch(/^HTTP\/1\.1 200 /)
  expect(text).toContain('"supported_nips"')
})
