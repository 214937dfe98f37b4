import {
  createMemoryMailStore,
  type Delivery,
  json,
  localSigner,
  memoryShelf,
  parseInvite,
  SignerError,
} from 'posthorn'
import type { EventTemplate } from 'posthorn/protocol'
import { describe, expect, test } from 'vitest'
import { seededRandom } from '#dist/platform/random.js'
import { createInviteLedger, hashOf, MAX_OPEN_INVITES } from '#dist/sdk/invites/ledger.js'
import { encodeInvite } from '#dist/sdk/invites/text.js'
import { startRelay } from '../helpers/start-relay.ts'
import { alice, bob, carol, contactsOf, eventually, memoryAgent } from './agents.ts'

const settled = (delivery: Delivery | undefined) => delivery?.state === 'done' || delivery?.state === 'rejected'

describe('two agents that never met', () => {
  test('one line makes them contacts, though they read elsewhere and the inviter sleeps', async () => {
    await using home = await startRelay()
    await using away = await startRelay()
    const [shelf, store] = [memoryShelf(), createMemoryMailStore()]
    const first = await memoryAgent(alice, home.url, { contacts: [], store, host: { shelf } })
    const { text, id } = await first.invites.create({ note: 'for the phone' })
    await first.close()

    const b = await memoryAgent(bob, away.url, { contacts: [] })
    const accepted = await b.invites.accept(text)
    expect(accepted).toMatchObject({ contact: { name: 'alice', pubkey: alice.pubkey }, relays: [`${home.url}`] })
    expect(b.contacts.list()).toEqual([{ name: 'alice', pubkey: alice.pubkey, relays: [home.url] }])
    expect(b.status().relays.map(({ url }) => url)).toEqual([away.url, home.url])
    const work = await b.send('alice', 'and this', { act: 'request' })
    await b.stored(accepted.id)
    await b.stored(work)
    // Nothing that lets anybody in is kept, and of the accepted one nobody is owed the token.
    const { token } = parseInvite(text)
    expect(shelf.read('invites')).not.toContain(token)

    const again = await memoryAgent(alice, home.url, { contacts: [], store, host: { shelf } })
    again.handle('request', ({ fromName, text: asked }) => `${fromName}: ${asked}`)
    const answer = await b.replies(work)[Symbol.asyncIterator]().next()
    expect(answer.value).toMatchObject({ text: 'bob: and this' })
    await eventually('it is told', () => settled(b.delivery(accepted.id)))
    expect(b.delivery(accepted.id)).toMatchObject({ state: 'done' })
    expect(again.contacts.list()).toEqual([{ name: 'bob', pubkey: bob.pubkey }])
    expect(again.invites.list()).toMatchObject([{ id, note: 'for the phone', state: 'used', usedBy: [bob.pubkey] }])
    expect(again.inbox({ unread: true }).filter(({ act }) => act === 'accept-invite')).toEqual([])
    // Both reach each other by name, with nothing shared but their public keys.
    await b.stored(await b.send('alice', 'hello'))
    await again.stored(await again.send('bob', 'welcome'))
    await eventually('it came', () => b.inbox().some(mail => mail.text === 'welcome'))
  })

  test('accepted twice, by whom it was meant for: one message, one contact; then by another key: rejected', async () => {
    await using relay = await startRelay()
    const a = await memoryAgent(alice, relay.url, { contacts: [] })
    const { text } = await a.invites.create()
    const store = createMemoryMailStore()
    const b = await memoryAgent(bob, relay.url, { contacts: [], store })
    const one = await b.invites.accept(text)
    const two = await b.invites.accept(text, { name: 'boss' })
    expect(two.id).toBe(one.id)
    expect(b.contacts.list()).toEqual([{ name: 'boss', pubkey: alice.pubkey, relays: [relay.url] }])
    await eventually('it is done', () => settled(b.delivery(one.id)))
    // A backup without memory of it sends another message.
    const { token } = parseInvite(text)
    const anew = await b.send('boss', json({ token }), { act: 'accept-invite' })
    await eventually('it is done', () => settled(b.delivery(anew)))
    expect(b.delivery(anew)).toMatchObject({ state: 'done' })

    const c = await memoryAgent(carol, relay.url, { contacts: [] })
    const late = await c.invites.accept(text)
    await eventually('it is answered', () => settled(c.delivery(late.id)))
    expect(c.delivery(late.id)).toMatchObject({ state: 'rejected', reason: expect.stringMatching(/^used: /) })
    expect(a.contacts.list()).toEqual([{ name: 'bob', pubkey: bob.pubkey }])
    // Who was removed does not come back with the token that let them in.
    a.contacts.remove('bob')
    const back = await b.send('boss', json({ token }), { act: 'accept-invite' })
    await eventually('it is answered', () => settled(b.delivery(back)))
    expect(b.delivery(back)).toMatchObject({ state: 'rejected' })
    expect(a.contacts.list()).toEqual([])
  })
})

describe('what is no open invite changes nothing and is answered', () => {
  test('expired, revoked, foreign, in clear text, and an act of that name without a token', async () => {
    await using relay = await startRelay()
    let ahead = 0
    const clock = { now: () => Date.now() + ahead, monotonic: () => performance.now() }
    const a = await memoryAgent(alice, relay.url, { contacts: [], host: { clock } })
    const b = await memoryAgent(bob, relay.url, { contacts: contactsOf(alice) })
    const brief = await a.invites.create({ validForS: 60 })
    const taken = await a.invites.create()
    const open = await a.invites.create()
    const foreign = await b.invites.create()
    expect(a.invites.revoke(taken.id.slice(0, 8))).toBe(true)
    expect(a.invites.revoke(taken.id)).toBe(false)
    ahead = 61_000
    const token = (text: string) => parseInvite(text).token
    const how = { act: 'accept-invite' }
    const sent = {
      expired: await b.send('alice', json({ token: token(brief.text) }), how),
      revoked: await b.send('alice', json({ token: token(taken.text) }), how),
      unknown: await b.send('alice', json({ token: token(foreign.text) }), how),
      malformed: await b.send('alice', json({ token: token(open.text) }), { ...how, public: true }),
      'malformed: ': await b.send('alice', 'let me in', how),
    }
    for (const [reason, id] of Object.entries(sent)) {
      await eventually(reason, () => settled(b.delivery(id)))
      expect(b.delivery(id)).toMatchObject({ state: 'rejected', reason: expect.stringContaining(reason) })
    }
    expect(a.contacts.list()).toEqual([])
    expect(a.invites.list().map(({ state }) => state)).toEqual(['open', 'revoked', 'expired'])
    // Refused here before anything is sent.
    await expect(a.invites.accept(open.text)).rejects.toMatchObject({ code: 'invite-own' })
    const late = await memoryAgent(carol, relay.url, { contacts: [], host: { clock } })
    await expect(late.invites.accept(brief.text)).rejects.toMatchObject({ code: 'invite-expired' })
    expect(late.contacts.list()).toEqual([])
  })

  test('an invite is good however full the request box is, but not for a key that was denied', async () => {
    await using relay = await startRelay()
    const a = await memoryAgent(alice, relay.url, { contacts: [] })
    const b = await memoryAgent(bob, relay.url, { contacts: contactsOf(alice) })
    const c = await memoryAgent(carol, relay.url, { contacts: contactsOf(alice) })
    a.contacts.deny(carol.pubkey)
    const { text } = await a.invites.create({ uses: 2 })
    await c.invites.accept(text)
    for (let n = 0; n < 25; n += 1) await b.send('alice', `spam ${n}`)
    await eventually(
      'more than is listed',
      () => (a.requests.list().find(each => each.pubkey === bob.pubkey)?.held ?? 0) > 0,
    )
    const { id } = await b.invites.accept(text)
    await eventually('it is told', () => settled(b.delivery(id)))
    expect(a.contacts.list()).toEqual([{ name: 'bob', pubkey: bob.pubkey }])
    expect(a.inbox().filter(mail => mail.text.startsWith('spam'))).toHaveLength(25)
    expect(a.invites.list()).toMatchObject([{ state: 'open', usedBy: [bob.pubkey] }])
  })

  test('cut off before it was answered, the next start answers', async () => {
    await using relay = await startRelay()
    const [shelf, store] = [memoryShelf(), createMemoryMailStore()]
    const key = localSigner(alice.secretKey, seededRandom(1))
    const mute = {
      ...key,
      sign: (template: EventTemplate) =>
        template.kind === 4701 ? Promise.reject(new SignerError('signer-unreachable', 'away')) : key.sign(template),
    }
    const record = { hash: hashOf('ab'.repeat(16)), created: 1, expires: 9_999_999_999, uses: 1, usedBy: [] }
    createInviteLedger(shelf).add(record, 1)
    const b = await memoryAgent(bob, relay.url, { contacts: contactsOf(alice) })
    const id = await b.send('alice', json({ token: 'ab'.repeat(16), name: 'bob' }), { act: 'accept-invite' })
    await b.stored(id)
    // Recorded, contact made, token burnt, and gone before a receipt was signed.
    const dying = await memoryAgent(alice, relay.url, { contacts: [], store, host: { shelf, signer: mute } })
    await eventually('it is in', () => dying.contacts.list().length === 1)
    await dying.close({ timeoutMs: 0 })
    expect(settled(b.delivery(id))).toBe(false)
    const clock = { now: () => Date.now() + 31_000, monotonic: () => performance.now() }
    const again = await memoryAgent(alice, relay.url, { contacts: [], store, host: { shelf, clock } })
    await eventually('it is told', () => settled(b.delivery(id)))
    expect(b.delivery(id)).toMatchObject({ state: 'done' })
    expect(again.contacts.list()).toEqual([{ name: 'bob', pubkey: bob.pubkey }])
  })
})

describe('names', () => {
  test('nobody takes another’s place by calling itself the same', async () => {
    await using relay = await startRelay()
    const shelf = memoryShelf()
    const a = await memoryAgent(alice, relay.url, { contacts: [], host: { shelf } })
    a.contacts.add('Bob', carol.pubkey)
    const { text } = await a.invites.create()
    const b = await memoryAgent(bob, relay.url, { contacts: [{ name: 'alice', pubkey: carol.pubkey }] })
    await expect(b.invites.accept(text, { name: 'alice' })).rejects.toMatchObject({ code: 'contact-exists' })
    const { contact } = await b.invites.accept(text)
    expect(contact.name).toBe(`alice-${alice.pubkey.slice(0, 8)}`)
    await eventually('it is in', () => a.contacts.list().length === 2)
    expect(a.contacts.list()[1]).toEqual({ name: `bob-${bob.pubkey.slice(0, 8)}`, pubkey: bob.pubkey })
  })
})

describe('the text', () => {
  const token = '0f'.repeat(16)
  const invite = { pubkey: alice.pubkey, relays: ['wss://r.example/a?b=c&d'], token, expires: 2_000_000_000 }

  test('says what it was made from; hex in place of the npub, and what is not known, is read too', () => {
    const full = { ...invite, name: 'alice', claim: 'a&b=c' }
    expect(parseInvite(encodeInvite(full))).toEqual(full)
    expect(parseInvite(`  ${encodeInvite(invite)}&later=1\n`)).toEqual(invite)
    expect(parseInvite(encodeInvite(invite).replace(/npub1[a-z0-9]+/, alice.pubkey))).toEqual(invite)
  })

  test.each([
    ['nothing', ''],
    ['another scheme', encodeInvite(invite).replace('posthorn:', 'https:')],
    ['a damaged npub', encodeInvite(invite).replace('npub1', 'npub1q')],
    ['cut short', encodeInvite(invite).split('&token')[0] ?? ''],
    ['a short token', encodeInvite({ ...invite, token: '0f'.repeat(15) })],
    ['two tokens', `${encodeInvite(invite)}&token=${token}`],
    ['no relay', encodeInvite({ ...invite, relays: [] })],
    ['five relays', encodeInvite({ ...invite, relays: [1, 2, 3, 4, 5].map(n => `wss://r${n}.example`) })],
    ['too long', encodeInvite({ ...invite, name: 'x'.repeat(2_048) })],
  ])('is refused: %s', (_what, text) => {
    expect(() => parseInvite(text)).toThrow(expect.objectContaining({ code: 'invite-malformed' }))
    try {
      parseInvite(text)
    } catch (error) {
      expect(String(error)).not.toContain(token)
    }
  })

  test('private addresses are not dialled for somebody whose own relays are public, unless allowed', async () => {
    await using relay = await startRelay()
    const text = encodeInvite({ ...invite, relays: [relay.url, 'http://no.example'] })
    const host = { dial: () => ({ send() {}, close() {}, terminate() {}, unsentBytes: 0 }) }
    const strict = await memoryAgent(bob, 'wss://relay.example', { contacts: [], host })
    await expect(strict.invites.accept(text)).rejects.toMatchObject({ code: 'invite-relay' })
    const lenient = await memoryAgent(bob, 'wss://relay.example', { contacts: [], allowPrivate: true, host })
    expect(await lenient.invites.accept(text)).toMatchObject({ relays: [relay.url] })
  })
})

test('limits: uses, validity, and how many are open at once', async () => {
  await using relay = await startRelay()
  const a = await memoryAgent(alice, relay.url, { contacts: [] })
  for (const terms of [{ uses: 0 }, { uses: 1_001 }, { uses: 1.5 }, { validForS: 0 }, { validForS: Number.NaN }])
    await expect(a.invites.create(terms)).rejects.toThrow(RangeError)
  const shelf = memoryShelf()
  const ledger = createInviteLedger(shelf)
  const given = { hash: hashOf('ab'.repeat(16)), created: 1, expires: 100, uses: 2, usedBy: [] }
  const invites = createInviteLedger(memoryShelf())
  invites.add(given, 1)
  const standing = (now: number) => invites.standing('ab'.repeat(16), bob.pubkey, now)
  expect([99, 100, 101].map(standing)).toEqual(['open', 'expired', 'expired'])
  const record = (n: number, expires: number) => ({
    hash: n.toString(16).padStart(64, '0'),
    created: 1,
    expires,
    uses: 1,
    usedBy: [],
  })
  for (let n = 0; n < MAX_OPEN_INVITES; n += 1) ledger.add(record(n, 100), 50)
  expect(() => ledger.add(record(1_000, 100), 50)).toThrow(expect.objectContaining({ code: 'invites-full' }))
  ledger.add(record(1_000, 300), 200)
  expect(createInviteLedger(shelf).list(200)[0]).toMatchObject({ state: 'open' })
  shelf.write('invites', '{')
  expect(() => createInviteLedger(shelf)).toThrow(expect.objectContaining({ code: 'invites-malformed' }))
})
