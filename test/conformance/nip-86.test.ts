import { expect } from 'vitest'
import { type Person, person } from '../helpers/events.ts'
import { type Answer, ask, authorize, header, token } from '../relay/http-client.ts'
import { connect } from '../relay/wire.ts'
import { nip, type Scene } from './rules.ts'

const owner = person('owner of a managed relay')
const { rule, leftOut } = nip('86', { owners: [owner.pubkey], trustedProxies: ['loopback'] })

const TYPE = 'application/nostr+json+rpc'
const post = (httpUrl: string, body: string, headers: Record<string, string>): Promise<Answer> =>
  ask(httpUrl, { method: 'POST', body, headers: { 'content-type': TYPE, ...headers } })
const call = (httpUrl: string, who: Person, method: string, ...params: unknown[]): Promise<Answer> => {
  const body = JSON.stringify({ method, params })
  return post(httpUrl, body, authorize(who, httpUrl, { method: 'POST', body }))
}
/** A call that has to work. */
const done = async ({ httpUrl }: Scene, method: string, ...params: unknown[]) => {
  const { status, body } = await call(httpUrl, owner, method, ...params)
  expect({ status, error: body.error }).toEqual({ status: 200, error: undefined })
  return body.result
}

rule(
  'calls are POSTed to the relay’s URL as application/nostr+json+rpc and answered by result or error',
  async scene => {
    const { httpUrl } = scene
    const good = await call(httpUrl, owner, 'supportedmethods')
    expect(good).toMatchObject({ status: 200, body: { result: expect.any(Array) } })
    expect(good.headers.get('content-type')).toMatch(/^application\/(nostr\+json\+rpc|json)/)
    expect((await call(httpUrl, owner, 'nosuchmethod')).body).toEqual({ error: expect.any(String) })
    const body = JSON.stringify({ method: 'supportedmethods', params: [] })
    const headers = authorize(owner, httpUrl, { method: 'POST', body })
    expect((await post(httpUrl, body, { ...headers, 'content-type': 'application/json' })).status).toBe(415)
  },
)

rule('401 without authorization or with one that does not hold', async ({ httpUrl }) => {
  const body = JSON.stringify({ method: 'supportedmethods', params: [] })
  expect((await post(httpUrl, body, {})).status).toBe(401)
  for (const authorization of ['Nostr', 'Nostr e30=', 'Bearer x', 'Nostr !!!'])
    expect((await post(httpUrl, body, { authorization })).status).toBe(401)
})

rule('the authorization must carry the hash of the call as `payload`', async ({ httpUrl }) => {
  const body = JSON.stringify({ method: 'supportedmethods', params: [] })
  const without = token(owner, httpUrl, { method: 'POST' })
  expect((await post(httpUrl, body, { authorization: header(without) })).status).toBe(401)
  const other = authorize(owner, httpUrl, { method: 'POST', body: body.replace('[]', '[1]') })
  expect((await post(httpUrl, body, other)).status).toBe(401)
})

rule('its `u` is the relay’s URL', async ({ httpUrl, url }) => {
  const body = JSON.stringify({ method: 'supportedmethods', params: [] })
  for (const u of [httpUrl, `${httpUrl}/`, url, `${url}/`])
    expect((await post(httpUrl, body, authorize(owner, u, { method: 'POST', body }))).status, u).toBe(200)
  for (const u of [`${httpUrl}/event`, 'https://relay.example.com', `${httpUrl}/?x`])
    expect((await post(httpUrl, body, authorize(owner, u, { method: 'POST', body }))).status, u).toBe(401)
})

rule('who does not own the relay is refused', async ({ httpUrl, alice }) => {
  expect((await call(httpUrl, alice, 'supportedmethods')).status).toBe(403)
})

rule('supportedmethods lists every method that the NIP names, but for those left out', async scene => {
  const methods = await done(scene, 'supportedmethods')
  for (const method of [
    ...['banpubkey', 'unbanpubkey', 'listbannedpubkeys', 'allowpubkey', 'unallowpubkey', 'listallowedpubkeys'],
    ...['banevent', 'allowevent', 'listbannedevents', 'listeventsneedingmoderation'],
    ...['changerelayname', 'changerelaydescription', 'changerelayicon'],
    ...['allowkind', 'disallowkind', 'listallowedkinds', 'blockip', 'unblockip', 'listblockedips'],
  ])
    expect(methods).toContain(method)
})

rule('banpubkey, unbanpubkey, listbannedpubkeys: a banned key neither writes nor reads', async scene => {
  const { open, alice, now } = scene
  const client = await open()
  await done(scene, 'banpubkey', alice.pubkey, 'spam')
  expect(await done(scene, 'listbannedpubkeys')).toContainEqual({ pubkey: alice.pubkey, reason: 'spam' })
  expect(await client.refused(alice.sign({ created_at: now }))).toMatch(/^blocked: /)
  await done(scene, 'unbanpubkey', alice.pubkey)
  expect(await done(scene, 'listbannedpubkeys')).toEqual([])
  await client.store(alice.sign({ created_at: now }))
})

rule('allowpubkey, unallowpubkey, listallowedpubkeys', async scene => {
  const { alice } = scene
  await done(scene, 'allowpubkey', alice.pubkey, 'friend')
  expect(await done(scene, 'listallowedpubkeys')).toEqual([{ pubkey: alice.pubkey, reason: 'friend' }])
  await done(scene, 'unallowpubkey', alice.pubkey)
  expect(await done(scene, 'listallowedpubkeys')).toEqual([])
})

rule('banevent, allowevent, listbannedevents: a banned event goes and does not come back', async scene => {
  const { open, alice, now } = scene
  const client = await open()
  const event = alice.sign({ created_at: now })
  await client.store(event)
  await done(scene, 'banevent', event.id, 'spam')
  expect(await client.ids({ ids: [event.id] })).toEqual([])
  expect(await client.refused(event)).toMatch(/^blocked: /)
  expect(await done(scene, 'listbannedevents')).toEqual([{ id: event.id, reason: 'spam' }])
  await done(scene, 'allowevent', event.id)
  expect(await done(scene, 'listbannedevents')).toEqual([])
})

rule('listeventsneedingmoderation lists what was reported and not yet judged', async scene => {
  const { open, alice, bob, now } = scene
  const client = await open()
  const event = alice.sign({ created_at: now })
  await client.store(event, bob.sign({ kind: 1984, created_at: now, tags: [['e', event.id, 'spam']] }))
  expect(await done(scene, 'listeventsneedingmoderation')).toEqual([{ id: event.id, reason: 'spam' }])
  await done(scene, 'allowevent', event.id)
  expect(await done(scene, 'listeventsneedingmoderation')).toEqual([])
})

rule('changerelayname, changerelaydescription, changerelayicon show in NIP-11 at once', async scene => {
  await done(scene, 'changerelayname', 'Hoopoe')
  await done(scene, 'changerelaydescription', 'a bird')
  await done(scene, 'changerelayicon', 'https://example.com/hoopoe.png')
  const { body } = await ask(scene.httpUrl, { headers: { accept: 'application/nostr+json' } })
  expect(body).toMatchObject({ name: 'Hoopoe', description: 'a bird', icon: 'https://example.com/hoopoe.png' })
})

rule('allowkind, disallowkind, listallowedkinds', async scene => {
  const { open, alice, now } = scene
  const client = await open()
  await done(scene, 'disallowkind', 7)
  expect(await client.refused(alice.sign({ kind: 7, created_at: now }))).toMatch(/^blocked: /)
  await done(scene, 'allowkind', 7)
  await client.store(alice.sign({ kind: 7, created_at: now }))
  await done(scene, 'allowkind', 1)
  expect(await done(scene, 'listallowedkinds')).toEqual([1])
  expect(await client.refused(alice.sign({ kind: 7, created_at: now, content: 'x' }))).toMatch(/^blocked: /)
  await done(scene, 'disallowkind', 1)
  await done(scene, 'allowkind', 1)
  expect(await done(scene, 'listallowedkinds')).toEqual([])
})

rule('blockip, unblockip, listblockedips: a blocked address is not let in', async scene => {
  const headers = { 'x-forwarded-for': '203.0.113.7' }
  await done(scene, 'blockip', '203.0.113.7', 'flood')
  expect(await done(scene, 'listblockedips')).toEqual([{ ip: '203.0.113.7', reason: 'flood' }])
  await expect(connect(scene.url, { headers })).rejects.toThrow('403')
  await done(scene, 'unblockip', '203.0.113.7')
  await (await connect(scene.url, { headers })).close()
})

leftOut('the five methods for roles', 'this relay has owners and members, no roles')
