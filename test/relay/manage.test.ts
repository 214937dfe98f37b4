import { type NostrEvent, REASONS } from 'posthorn/protocol'
import { createMemoryStore, createRelay, type RelayOptions } from 'posthorn/relay'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { nobleVerifier } from '#dist/platform/verifier.js'
import { corrupt, notes, nowSeconds, type Person, person } from '../helpers/events.ts'
import { type RunningRelay, startRelay } from '../helpers/start-relay.ts'
import { type Answer, ask, authorize, header, openSocket, post, sync, token } from './http-client.ts'

const owner = person('owner')
const alice = person('alice')
const bob = person('bob')

const TYPE = 'application/nostr+json+rpc'

let running: RunningRelay
const start = async (options: Omit<RelayOptions, 'data' | 'store'> = {}) => {
  running = await startRelay({ owners: [owner.pubkey], ...options })
}
const stop = () => running[Symbol.asyncDispose]()
/** A relay for each test, where tests change what the next would find. */
const relayPerTest = () => {
  beforeEach(() => start())
  afterEach(stop)
}

const send = (body: string, headers: Record<string, string>): Promise<Answer> =>
  ask(running.httpUrl, { method: 'POST', body, headers: { 'content-type': TYPE, ...headers } })

const callAs = (who: Person, method: unknown, params: unknown = [], url = running.httpUrl): Promise<Answer> => {
  const body = JSON.stringify({ method, params })
  return send(body, authorize(who, url, { method: 'POST', body }))
}

/** A call that has to work; resolves to its result. */
const call = async (method: string, ...params: unknown[]) => {
  const { status, body } = await callAs(owner, method, params)
  expect({ status, error: body.error }).toEqual({ status: 200, error: undefined })
  return body.result
}

const about = async () => (await ask(running.httpUrl, { headers: { accept: 'application/nostr+json' } })).body
const note = (content: string, who = alice): NostrEvent => who.sign({ created_at: nowSeconds(), content })

describe('who may manage', () => {
  relayPerTest()

  const body = JSON.stringify({ method: 'banpubkey', params: [bob.pubkey] })
  const signed = (who: Person, of: Parameters<typeof token>[2] = {}) =>
    authorize(who, running.httpUrl, { method: 'POST', body, ...of })

  test('an owner, by the relay’s URL in any of its forms', async () => {
    for (const url of [running.httpUrl, `${running.httpUrl}/`, running.url, `${running.url}/`])
      expect(await callAs(owner, 'supportedmethods', [], url)).toMatchObject({ status: 200 })
    expect(await callAs(owner, 'supportedmethods', [], `${running.httpUrl}/event`)).toMatchObject({ status: 401 })
  })

  test('nobody else', async () => {
    expect((await send(body, {})).status).toBe(401)
    expect(await send(body, signed(alice))).toMatchObject({
      status: 403,
      body: { error: expect.stringMatching(/^restricted: /) },
    })
    const stolen = token(alice, running.httpUrl, { method: 'POST', body })
    expect((await send(body, { authorization: header({ ...stolen, pubkey: owner.pubkey }) })).status).toBe(401)
    expect(await call('listbannedpubkeys')).toEqual([])
  })

  test('not by a token without the hash of the call, with another’s, or used before', async () => {
    const without = authorize(owner, running.httpUrl, { method: 'POST' })
    expect((await send(body, without)).body.error).toContain('payload')
    expect((await send(body, signed(owner, { body: body.replace(bob.pubkey, alice.pubkey) }))).status).toBe(401)
    expect((await send(body, signed(owner, { method: 'GET' }))).status).toBe(401)
    const forged = corrupt(token(owner, running.httpUrl, { method: 'POST', body }), 'sig')
    expect((await send(body, { authorization: header(forged) })).status).toBe(401)
    expect(await call('listbannedpubkeys')).toEqual([])
    const good = signed(owner)
    expect((await send(body, good)).status).toBe(200)
    await call('unbanpubkey', bob.pubkey)
    expect((await send(body, good)).status).toBe(401)
    expect(await call('listbannedpubkeys')).toEqual([])
  })

  test('not a foreign page on this machine', async () => {
    expect((await send(body, { ...signed(owner), origin: 'https://evil.example' })).status).toBe(403)
  })

  test('a relay without owners is managed by nobody, and does not claim the NIP', async () => {
    expect((await about()).supported_nips).toContain(86)
    await running[Symbol.asyncDispose]()
    await start({ owners: [] })
    expect((await callAs(owner, 'supportedmethods')).status).toBe(403)
    expect((await about()).supported_nips).not.toContain(86)
  })
})

describe('calls', () => {
  beforeAll(() => start())
  afterAll(stop)

  test('every supported method answers', async () => {
    const methods: string[] = await call('supportedmethods')
    expect(methods).toContain('listeventsneedingmoderation')
    expect(methods).not.toContain('supportedmethods')
    for (const method of methods) {
      const { status, body } = await callAs(owner, method)
      expect(status).toBe(200)
      if (method === 'listretention') expect(body).toEqual({ result: { rules: [] } })
      else if (method.startsWith('list')) expect(body).toEqual({ result: [] })
      else if (method === 'createinvite') expect(body.error).toMatch(/no members/)
      else if (method === 'prune') expect(body).toEqual({ result: 0 })
      else expect(body.error).toMatch(/first parameter/)
    }
  })

  test.each([
    ['an unknown method', 'makecoffee', []],
    ['an inherited one', 'constructor', []],
    ['no method', undefined, []],
    ['params that are no list', 'banpubkey', { pubkey: bob.pubkey }],
    ['a key in upper case', 'banpubkey', [bob.pubkey.toUpperCase()]],
    ['a reason that is none', 'banpubkey', [bob.pubkey, 5]],
    ['a kind that is none', 'allowkind', [70_000]],
    ['an address that is none', 'blockip', ['localhost']],
    ['a subnet too wide for its family', 'blockip', ['10.0.0.0/33']],
    ['an icon that is no web address', 'changerelayicon', ['javascript:alert(1)']],
    ['a name too long', 'changerelayname', ['x'.repeat(1_025)]],
    ['a ban of an owner', 'banpubkey', [owner.pubkey]],
  ])('%s is an error in the answer', async (_what, method, params) => {
    const { status, body } = await callAs(owner, method, params)
    expect({ status, keys: Object.keys(body) }).toEqual({ status: 200, keys: ['error'] })
  })

  test.each(['', '{', '[]', 'null'])('%j is no call', async body => {
    const headers = authorize(owner, running.httpUrl, { method: 'POST', body })
    expect(await send(body, headers)).toMatchObject({ status: 400, body: { error: expect.any(String) } })
  })

  test('another content type, or too long a call', async () => {
    const plain = await ask(running.httpUrl, { method: 'POST', body: '{}', headers: { 'content-type': 'text/plain' } })
    expect(plain.status).toBe(415)
    expect((await send('x'.repeat(16_385), {})).status).toBe(413)
    expect((await send('{}', { 'content-type': `${TYPE.toUpperCase()}; charset=utf-8` })).status).toBe(401)
  })
})

describe('keys', () => {
  relayPerTest()

  test('a banned key writes and reads nothing, until it is let back; both outlive a restart', async () => {
    expect((await post(running.httpUrl, note('before'))).status).toBe(200)
    await call('banpubkey', alice.pubkey, 'spam')
    await running.restart()
    expect(await call('listbannedpubkeys')).toEqual([{ pubkey: alice.pubkey, reason: 'spam' }])
    expect(await post(running.httpUrl, note('after'))).toMatchObject({
      status: 403,
      body: { message: expect.stringMatching(/^blocked: /) },
    })
    expect((await sync(running.httpUrl, {}, alice)).status).toBe(403)
    const socket = await openSocket(running.url)
    const event = note('on a socket')
    socket.say('EVENT', event)
    expect((await socket.until('OK')).at(-1)).toEqual(['OK', event.id, false, expect.stringMatching(/^blocked: /)])
    socket.close()
    expect((await post(running.httpUrl, note('somebody else', bob))).status).toBe(200)

    await call('unbanpubkey', alice.pubkey)
    await running.restart()
    expect(await call('listbannedpubkeys')).toEqual([])
    expect((await post(running.httpUrl, event)).status).toBe(200)
  })

  test('allowed keys are listed, with the reason if there is one', async () => {
    await call('allowpubkey', alice.pubkey)
    await call('allowpubkey', bob.pubkey, 'a friend')
    expect(await call('listallowedpubkeys')).toEqual([
      { pubkey: alice.pubkey },
      { pubkey: bob.pubkey, reason: 'a friend' },
    ])
    await call('unallowpubkey', alice.pubkey)
    expect(await call('listallowedpubkeys')).toEqual([{ pubkey: bob.pubkey, reason: 'a friend' }])
  })
})

describe('events', () => {
  relayPerTest()

  test('a banned event is removed, told as gone, and refused until it is allowed', async () => {
    const [bad, good] = notes(alice, 2, { topic: 'mod' }) as [NostrEvent, NostrEvent]
    for (const event of [bad, good]) await post(running.httpUrl, event)
    const socket = await openSocket(running.url)
    socket.say('REQ', 'log', { '#t': ['mod'], since_seq: 0, gone: true })
    await socket.until('EOSE')
    await call('banevent', bad.id, 'not here')
    expect((await socket.until('GONE')).at(-1)).toEqual(['GONE', 'log', 3, bad.id, 'deleted'])
    socket.close()

    const { body } = await sync(running.httpUrl, { filter: { '#t': ['mod'], gone: true } })
    expect(body.events).toEqual([{ seq: 2, event: { ...good } }])
    expect(body.gone).toEqual([{ seq: 3, id: bad.id, cause: 'deleted' }])
    await running.restart()
    expect(await call('listbannedevents')).toEqual([{ id: bad.id, reason: 'not here' }])
    expect(await post(running.httpUrl, bad)).toMatchObject({ status: 403, body: { message: REASONS.banned } })

    await call('allowevent', bad.id)
    expect(await call('listbannedevents')).toEqual([])
    expect((await post(running.httpUrl, bad)).body).toEqual({ accepted: true, message: REASONS.stored(4) })
  })

  test('of a version at an address, nothing but the version goes', async () => {
    const from = nowSeconds()
    const doc = (n: number) => alice.sign({ kind: 30_000, created_at: from + n, tags: [['d', 'x']], content: `${n}` })
    await post(running.httpUrl, doc(0))
    await call('banevent', doc(0).id)
    expect((await sync(running.httpUrl)).body.events).toEqual([])
    expect((await post(running.httpUrl, doc(1))).status).toBe(200)
  })

  test('an event that is banned on its way in does not get in', async () => {
    await stop()
    let release = () => {}
    const held = new Promise<void>(resolve => {
      release = resolve
    })
    let reached = () => {}
    const arrived = new Promise<void>(resolve => {
      reached = resolve
    })
    await start({
      verifier: {
        ...nobleVerifier,
        async verify(events) {
          if (events.some(({ kind }) => kind === 1)) {
            reached()
            await held
          }
          return nobleVerifier.verify(events)
        },
      },
    })
    const event = note('too late')
    const answer = post(running.httpUrl, event)
    await arrived
    await call('banevent', event.id)
    release()
    expect(await answer).toMatchObject({ status: 403, body: { message: REASONS.banned } })
  })

  test('a ban that was written when the relay died is carried out at the next start', async () => {
    const store = createMemoryStore()
    const event = note('still there')
    await store.append([event], Date.now())
    await store.writeSetting({ section: 'banned-event', name: event.id, value: '' })
    const relay = await createRelay({ store })
    const reader = { keys: [], now: nowSeconds() }
    expect(await store.count([{}], reader)).toBe(0)
    expect(relay.head.last).toBe(2)
    await relay.close()
  })

  test('reported events wait for judgement', async () => {
    const [spam, fine, unknown] = notes(bob, 3) as [NostrEvent, NostrEvent, NostrEvent]
    for (const event of [spam, fine]) await post(running.httpUrl, event)
    const tags = [spam, fine, unknown].map(({ id }) => ['e', id, 'spam'])
    const report = alice.sign({ kind: 1984, created_at: nowSeconds(), tags, content: 'please look' })
    await post(running.httpUrl, report)
    expect(await call('listeventsneedingmoderation')).toEqual([
      { id: spam.id, reason: 'spam: please look' },
      { id: fine.id, reason: 'spam: please look' },
    ])
    await call('allowevent', fine.id)
    await call('banevent', spam.id)
    expect(await call('listeventsneedingmoderation')).toEqual([])
  })
})

describe('kinds', () => {
  relayPerTest()

  const status = async (kind: number) =>
    (await post(running.httpUrl, alice.sign({ kind, created_at: nowSeconds() }))).status

  test('disallowed ones are refused, and taken back', async () => {
    await call('disallowkind', 7)
    expect([await status(1), await status(7)]).toEqual([200, 403])
    expect(await call('listallowedkinds')).toEqual([])
    await call('allowkind', 7)
    expect([await status(2), await status(7)]).toEqual([200, 200])
  })

  test('once some are allowed, the others are not', async () => {
    await call('allowkind', 1)
    await call('allowkind', 4700)
    await running.restart()
    expect(await call('listallowedkinds')).toEqual([1, 4700])
    expect([await status(1), await status(7)]).toEqual([200, 403])
    await call('disallowkind', 4700)
    expect(await call('listallowedkinds')).toEqual([1])
    expect(await status(4700)).toBe(403)
  })
})

describe('addresses', () => {
  relayPerTest()

  test('a blocked one gets nothing but management', async () => {
    await call('blockip', '127.0.0.1', 'testing')
    expect(await call('listblockedips')).toEqual([{ ip: '127.0.0.1', reason: 'testing' }])
    expect((await sync(running.httpUrl)).status).toBe(403)
    await expect(openSocket(running.url)).rejects.toThrow('403')
    await running.restart()
    expect((await sync(running.httpUrl)).status).toBe(403)
    await call('unblockip', '127.0.0.1')
    expect((await sync(running.httpUrl)).status).toBe(200)
  })

  test('a subnet, and IPv4 as IPv6 writes it', async () => {
    await call('blockip', '127.0.0.0/8')
    expect((await sync(running.httpUrl)).status).toBe(403)
    await call('unblockip', '127.0.0.0/8')
    await call('blockip', '::ffff:127.0.0.1')
    expect(await call('listblockedips')).toEqual([{ ip: '127.0.0.1' }])
    expect((await sync(running.httpUrl)).status).toBe(403)
    await call('blockip', '2001:DB8:0::/32')
    await call('unblockip', '2001:db8::/32')
    expect(await call('listblockedips')).toEqual([{ ip: '127.0.0.1' }])
  })
})

test('name, description and icon are changed in the relay’s document, and stay changed', async () => {
  onTestFinished(stop)
  await start({ identity: { name: 'as configured', contact: 'mailto:a@example.com' } })
  await call('changerelayname', 'a better name')
  await call('changerelaydescription', 'what it is for')
  await call('changerelayicon', 'https://example.com/icon.png')
  const expected = {
    name: 'a better name',
    description: 'what it is for',
    icon: 'https://example.com/icon.png',
    contact: 'mailto:a@example.com',
  }
  expect(await about()).toMatchObject(expected)
  await running.restart()
  expect(await about()).toMatchObject(expected)
  await call('changerelayicon', '')
  expect(await about()).not.toHaveProperty('icon')
})
