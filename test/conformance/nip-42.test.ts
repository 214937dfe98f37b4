import { expect } from 'vitest'
import { corrupt } from '../helpers/events.ts'
import { isFor } from '../relay/wire.ts'
import { nip } from './rules.ts'

const { rule } = nip('42')

rule('the challenge comes at connect, has at least 128 bits, and is another for each connection', async ({ open }) => {
  const clients = await Promise.all(Array.from({ length: 10 }, open))
  const challenges = clients.map(({ challenge }) => challenge)
  expect(new Set(challenges).size).toBe(10)
  for (const challenge of challenges) expect(challenge).toMatch(/^[0-9a-f]{32,64}$/)
})

rule('AUTH is answered by an OK like an EVENT', async ({ open, alice, bob, now }) => {
  const client = await open()
  const [, id, accepted, ...rest] = await client.login(alice)
  expect([id, accepted, rest]).toEqual([expect.stringMatching(/^[0-9a-f]{64}$/), true, ['']])
  const event = bob.sign({
    kind: 22_242,
    created_at: now,
    tags: [
      ['relay', client.socket.url],
      ['challenge', client.challenge],
    ],
  })
  client.send('AUTH', corrupt(event, 'sig'))
  expect(await client.find(isFor('OK', event.id))).toEqual(['OK', event.id, false, expect.stringMatching(/^invalid: /)])
})

rule('kind 22242 is never published, passed on or served', async ({ open, alice, url, now }) => {
  const [client, listener] = [await open(), await open()]
  await listener.request('s', { authors: [alice.pubkey] })
  expect((await client.login(alice))[2]).toBe(true)
  const tags = [
    ['relay', url],
    ['challenge', client.challenge],
  ]
  expect(await client.refused(alice.sign({ kind: 22_242, created_at: now - 1, tags }))).toMatch(/^invalid: /)
  expect(await client.ids({ authors: [alice.pubkey] })).toEqual([])
  expect(await client.closedFor({ kinds: [22_242] })).toMatch(/^restricted: /)
  await listener.quiet()
  expect(listener.rest()).toEqual([])
})

rule('created_at is within ten minutes of the relay’s clock', async ({ open, alice, now }) => {
  for (const off of [-660, 660]) {
    const client = await open()
    expect((await client.login(alice, { created_at: now + off })).slice(2)).toEqual([
      false,
      expect.stringMatching(/^invalid: /),
    ])
    expect((await client.login(alice, { created_at: now + Math.sign(off) * 540 }))[2]).toBe(true)
  }
})

rule('the challenge is the one that was sent on this connection', async ({ open, alice, url }) => {
  const [client, other] = [await open(), await open()]
  for (const challenge of [other.challenge, '', client.challenge.slice(1)]) {
    const tags = [
      ['relay', url],
      ['challenge', challenge],
    ]
    expect((await client.login(alice, { tags }))[2]).toBe(false)
  }
  expect((await client.login(alice, { tags: [['relay', url]] }))[2]).toBe(false)
  expect((await client.login(alice))[2]).toBe(true)
})

rule('the relay tag is compared leniently, but names this relay', async ({ open, alice, url }) => {
  const { port } = new URL(url)
  const spellings = [url, `${url}/`, url.toUpperCase().replace('WS://', 'ws://'), `ws://localhost:${port}`]
  for (const relay of [...spellings, `http://127.0.0.1:${port}/`]) {
    const client = await open()
    const tags = [
      ['relay', relay],
      ['challenge', client.challenge],
    ]
    expect((await client.login(alice, { tags }))[2], relay).toBe(true)
  }
  const client = await open()
  for (const relay of [
    'wss://relay.example.com',
    `ws://127.0.0.1:${Number(port) + 1}`,
    `ws://evil.example:${port}`,
    '',
  ]) {
    const tags = [
      ['relay', relay],
      ['challenge', client.challenge],
    ]
    expect((await client.login(alice, { tags })).slice(2), relay).toEqual([false, expect.stringMatching(/^invalid: /)])
  }
})

rule(
  'the challenge stays valid for the connection, several keys may authenticate, and all of them count',
  async scene => {
    const { open, alice, bob, carol, now } = scene
    const client = await open()
    const mail = [alice, bob].map(who => carol.sign({ kind: 4, created_at: now, tags: [['p', who.pubkey]] }))
    await client.store(...mail)
    const filter = { kinds: [4], '#p': [alice.pubkey, bob.pubkey] }
    expect((await client.login(alice))[2]).toBe(true)
    expect(await client.ids(filter)).toEqual([mail[0]?.id])
    expect((await client.login(bob))[2]).toBe(true)
    expect((await client.ids(filter)).sort()).toEqual(mail.map(({ id }) => id).sort())
    expect((await client.login(alice, { content: 'again' }))[2]).toBe(true)
  },
)

rule('`auth-required:` is for who has not authenticated, `restricted:` for who has and still may not', async scene => {
  const { open, alice, bob, now } = scene
  const client = await open()
  const filter = { kinds: [4], '#p': [bob.pubkey], authors: [bob.pubkey] }
  const foreign = bob.sign({ created_at: now, tags: [['-']] })
  expect(await client.closedFor(filter)).toMatch(/^auth-required: /)
  expect(String((await client.count(filter))[2])).toMatch(/^auth-required: /)
  expect(await client.refused(foreign)).toMatch(/^auth-required: /)
  await client.login(alice)
  expect(await client.closedFor(filter)).toMatch(/^restricted: /)
  expect(String((await client.count(filter))[2])).toMatch(/^restricted: /)
  expect(await client.refused(foreign)).toMatch(/^restricted: /)
  await client.login(bob)
  expect(await client.ids(filter)).toEqual([])
  await client.store(foreign)
})

rule('a REQ sent right behind AUTH is answered for the key of that AUTH', async ({ open, alice, bob, url, now }) => {
  const client = await open()
  const mail = bob.sign({ kind: 4, created_at: now, tags: [['p', alice.pubkey]] })
  await client.store(mail)
  const auth = alice.sign({
    kind: 22_242,
    created_at: now,
    tags: [
      ['relay', url],
      ['challenge', client.challenge],
    ],
  })
  client.send('AUTH', auth)
  client.send('REQ', 's', { kinds: [4], '#p': [alice.pubkey] })
  expect((await client.next()).slice(0, 3)).toEqual(['OK', auth.id, true])
  expect(await client.next()).toEqual(['EVENT', 's', mail])
})
