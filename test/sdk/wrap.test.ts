import { nip17, nip59 } from 'nostr-tools'
import * as nip44 from 'nostr-tools/nip44'
import { connect, createMemoryMailStore } from 'posthorn'
import { type EventTemplate, encodeEvent, eventId, type NostrEvent } from 'posthorn/protocol'
import { expect, test } from 'vitest'
import { systemClock } from '#dist/platform/clock.js'
import { systemRandom } from '#dist/platform/random.js'
import { nobleVerifier } from '#dist/platform/verifier.js'
import { localSigner } from '#dist/sdk/identity/local-signer.js'
import { readMail } from '#dist/sdk/mail/receive.js'
import { createSealer } from '#dist/sdk/mail/seal.js'
import { MAX_RUMOR, rumorOf, wrapRumor } from '#dist/sdk/mail/wrap.js'
import { nowSeconds, type Person } from '../helpers/events.ts'
import { startRelay } from '../helpers/start-relay.ts'
import { alice, bob, carol, eventually, memoryAgent } from './agents.ts'

const wrappingBy = (who: Person) => ({
  signer: localSigner(who.secretKey, systemRandom),
  clock: systemClock,
  random: systemRandom,
})
const message = (from: Person, text: string, extra: Partial<EventTemplate> = {}) =>
  rumorOf(from.pubkey, {
    kind: 4700,
    created_at: nowSeconds(),
    content: text,
    tags: [
      ['p', bob.pubkey],
      ['y', 'inform'],
    ],
    ...extra,
  })
const openAs = (who: Person, ...events: NostrEvent[]) =>
  readMail(
    events.map(event => ({ event })),
    {
      relay: 'ws://r',
      pubkey: who.pubkey,
      sealer: createSealer(localSigner(who.secretKey, systemRandom)),
      verifier: nobleVerifier,
    },
  )
const seal = (by: Person, to: Person, text: string) =>
  nip44.encrypt(text, nip44.getConversationKey(by.secretKey, to.pubkey))
/** A wrap around whatever is given as the seal, by a key that could be anybody's. */
const wrapOf = (content: string) =>
  carol.sign({ kind: 1059, created_at: nowSeconds(), tags: [['p', bob.pubkey]], content: seal(carol, bob, content) })

test('ask and answer in wraps: the relay sees one-time keys, no sender, no act and no true time', async () => {
  await using relay = await startRelay()
  const a = await memoryAgent(alice, relay.url)
  const b = await memoryAgent(bob, relay.url)
  b.handle('request', ({ text, wrap }) => `${text} (${wrap})`)
  const answer = await a.ask('bob', 'who knows?', { wrap: true })
  expect(answer).toMatchObject({
    text: 'who knows? (agent)',
    wrap: 'agent',
    private: true,
    from: bob.pubkey,
    act: 'answer',
  })
  const [asked] = b.inbox()
  expect(asked).toMatchObject({
    from: alice.pubkey,
    fromName: 'alice',
    wrap: 'agent',
    state: 'done',
    id: answer.replyTo,
  })
  expect(a.delivery(asked?.id ?? '')).toMatchObject({ relay: relay.url })
})

test('what leaves is a wrap by a fresh key, dated back by at most two days, around a seal by the sender', async () => {
  const rumor = message(alice, 'hidden')
  const one = (await wrapRumor(rumor, bob.pubkey, wrappingBy(alice), { expires: 99 })).event
  const other = (await wrapRumor(rumor, bob.pubkey, wrappingBy(alice))).event
  expect(one.pubkey).not.toBe(other.pubkey)
  expect([alice.pubkey, bob.pubkey]).not.toContain(one.pubkey)
  expect(one.tags).toEqual([
    ['p', bob.pubkey],
    ['expiration', '99'],
  ])
  for (const { created_at } of [one, other]) {
    expect(created_at).toBeLessThanOrEqual(nowSeconds())
    expect(created_at).toBeGreaterThan(nowSeconds() - 2 * 24 * 3600 - 5)
  }
  expect(JSON.stringify(one)).not.toContain(alice.pubkey)
  expect(nip59.unwrapEvent(JSON.parse(encodeEvent(one)), bob.secretKey)).toEqual(rumor)
  const { mail } = await openAs(bob, one)
  expect(mail[0]).toMatchObject({ id: rumor.id, from: alice.pubkey, text: 'hidden', wrap: 'agent', private: true })
  expect(JSON.parse(mail[0]?.event ?? '')).toEqual(rumor)
})

test('the same message in two wraps is one message; a copy for oneself is not mail', async () => {
  await using relay = await startRelay()
  const store = createMemoryMailStore()
  const b = await memoryAgent(bob, relay.url, { store })
  const a = await memoryAgent(alice, relay.url)
  const id = await a.send('bob', 'with a copy', { wrap: true, copy: true })
  expect(await a.stored(id)).toMatchObject({ relay: relay.url })
  await eventually('it came', () => b.inbox().length === 1)
  const rumor = JSON.parse(store.get(id)?.event ?? '')
  const again = (await wrapRumor(rumor, bob.pubkey, wrappingBy(alice))).event
  const outbox = createMemoryMailStore()
  outbox.enqueue({ id: again.id, to: bob.pubkey, event: encodeEvent(again) })
  const c = await memoryAgent(alice, relay.url, { store: outbox })
  await c.stored(again.id)
  await b.send('bob', 'after it')
  await eventually('what came after it', () => b.inbox().length === 2)
  expect(b.inbox().map(({ text }) => text)).toEqual(['with a copy', 'after it'])
  await c.sync()
  expect(c.inbox()).toEqual([])
  expect(c.status().unread).toBe(0)
})

test('NIP-17 both ways with nostr-tools, through the relay', async () => {
  await using relay = await startRelay()
  const a = await memoryAgent(alice, relay.url)
  const theirs = nip17.wrapEvent(bob.secretKey, { publicKey: alice.pubkey }, 'hola')
  const outbox = createMemoryMailStore()
  outbox.enqueue({ id: theirs.id, to: alice.pubkey, event: JSON.stringify(theirs) })
  const b = await memoryAgent(bob, relay.url, { store: outbox })
  await b.stored(theirs.id)
  await eventually('it came', () => a.inbox().length === 1)
  const [hola] = a.inbox()
  expect(hola).toMatchObject({ from: bob.pubkey, text: 'hola', wrap: 'chat', act: 'inform', private: true })

  const id = await a.send('bob', 'qué tal?', { replyTo: hola?.id ?? '' })
  await a.stored(id)
  const theirClient = await connect(relay.url, { authenticate: template => bob.sign(template) })
  const wraps = await new Promise<NostrEvent[]>(resolve => {
    const found: NostrEvent[] = []
    theirClient.request([{ kinds: [1059], '#p': [bob.pubkey] }], {
      onEvent: event => void found.push(event),
      onEose: () => resolve(found),
    })
  })
  await theirClient.close()
  expect(wraps).toHaveLength(1)
  const [rumor] = nip17.unwrapManyEvents(JSON.parse(JSON.stringify(wraps)), bob.secretKey)
  expect(rumor).toMatchObject({ id, kind: 14, pubkey: alice.pubkey, content: 'qué tal?' })
  expect(rumor?.tags).toEqual([
    ['p', bob.pubkey],
    ['e', hola?.id, '', 'reply'],
  ])
})

const forged = message(bob, 'I am bob, says carol')
test.each<[string, () => string]>([
  [
    'a rumor by another than the seal',
    () => encodeEvent(carol.sign({ kind: 13, content: seal(carol, bob, JSON.stringify(forged)) })),
  ],
  [
    'a seal whose signature is another’s',
    () => encodeEvent({ ...alice.sign({ kind: 13, content: 'x' }), pubkey: carol.pubkey }),
  ],
  [
    // Whoever has a text that alice sealed for bob could put it into a seal in her name: it need not have been a rumor to her.
    'a seal that its author did not sign, around what she has sealed',
    () => {
      const template = {
        kind: 13,
        created_at: 1,
        tags: [],
        content: seal(alice, bob, JSON.stringify(message(alice, 'x'))),
      }
      const { sig } = carol.sign(template)
      return encodeEvent({ ...template, id: eventId(alice.pubkey, template), pubkey: alice.pubkey, sig })
    },
  ],
  [
    'a seal that is no seal',
    () => encodeEvent(alice.sign({ kind: 14, content: seal(alice, bob, JSON.stringify(message(alice, 'x'))) })),
  ],
  [
    'a rumor with a wrong id',
    () =>
      encodeEvent(
        alice.sign({ kind: 13, content: seal(alice, bob, JSON.stringify({ ...message(alice, 'x'), content: 'y' })) }),
      ),
  ],
  [
    'a rumor without an id',
    () =>
      encodeEvent(
        alice.sign({ kind: 13, content: seal(alice, bob, JSON.stringify({ ...message(alice, 'x'), id: undefined })) }),
      ),
  ],
  [
    'a seal for somebody else',
    () => encodeEvent(alice.sign({ kind: 13, content: seal(alice, carol, JSON.stringify(message(alice, 'x'))) })),
  ],
  [
    'a rumor of a kind that is no message',
    () =>
      encodeEvent(
        alice.sign({ kind: 13, content: seal(alice, bob, JSON.stringify(message(alice, 'x', { kind: 5 }))) }),
      ),
  ],
  ['nested garbage', () => `${'['.repeat(5_000)}${']'.repeat(5_000)}`],
  ['a wrap in a wrap', () => encodeEvent(wrapOf('{}'))],
  ['nothing', () => ''],
])('harmless, and counted: %s', async (_, content) => {
  const genuine = (await wrapRumor(message(alice, 'genuine'), bob.pubkey, wrappingBy(alice))).event
  const { mail, unreadable } = await openAs(bob, wrapOf(content() || ' '), genuine)
  expect(mail.map(({ text }) => text)).toEqual(['genuine'])
  expect(unreadable).toBe(1)
})

test('a wrap that is not for this key, and one whose content is no NIP-44, are counted alike', async () => {
  const foreign = (await wrapRumor(message(alice, 'x'), carol.pubkey, wrappingBy(alice))).event
  const noise = carol.sign({ kind: 1059, created_at: nowSeconds(), content: 'A'.repeat(40_000) })
  const empty = carol.sign({ kind: 1059 })
  expect(await openAs(bob, foreign, noise, empty)).toEqual({
    mail: [],
    receipts: [],
    seen: [foreign, noise, empty].map(({ id, created_at }) => ({ id, at: created_at })),
    unreadable: 3,
  })
})

test('a wrapped message holds so much and no more', async () => {
  const around = message(alice, '')
  const room = MAX_RUMOR - JSON.stringify(around).length
  const largest = message(alice, 'x'.repeat(room))
  const wrap = (await wrapRumor(largest, bob.pubkey, wrappingBy(alice))).event
  expect(wrap.content.length).toBeLessThanOrEqual(49_152)
  expect((await openAs(bob, wrap)).mail[0]?.text).toHaveLength(room)
  expect(largest.id).toBe(eventId(alice.pubkey, largest))
  await expect(wrapRumor(message(alice, 'x'.repeat(room + 1)), bob.pubkey, wrappingBy(alice))).rejects.toMatchObject({
    code: 'message-too-large',
  })
})

test('public and wrapped exclude each other', async () => {
  await using relay = await startRelay()
  const a = await memoryAgent(alice, relay.url)
  await expect(a.send('bob', 'x', { public: true, wrap: true })).rejects.toMatchObject({ code: 'message-malformed' })
})
