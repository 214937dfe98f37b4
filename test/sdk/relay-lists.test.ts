import { nprofileEncode } from 'nostr-tools/nip19'
import { connect, createMemoryMailStore, memoryShelf } from 'posthorn'
import type { NostrEvent } from 'posthorn/protocol'
import { createRelay, saneDefaults } from 'posthorn/relay'
import { expect, onTestFinished, test } from 'vitest'
import { systemClock } from '#dist/platform/clock.js'
import { dialNode } from '#dist/platform/dial-node.js'
import type { Dial } from '#dist/platform/socket.js'
import { systemTimers, type Timers } from '#dist/platform/timers.js'
import { foreignRelay } from '#dist/sdk/relays/addresses.js'
import { createDirectory } from '#dist/sdk/relays/directory.js'
import { learn, mailRelays, readList } from '#dist/sdk/relays/lists.js'
import { corrupt, nowSeconds, type Person } from '../helpers/events.ts'
import { sharedVerifier } from '../helpers/shared-verifier.ts'
import { startRelay } from '../helpers/start-relay.ts'
import { tempDir } from '../helpers/temp-dir.ts'
import { alice, bob, carol, eventually, memoryAgent } from './agents.ts'
import { scriptedRelay } from './scripted-relay.ts'

const inboxRelays = (relays: string[], created_at = nowSeconds()) =>
  alice.sign({ kind: 10_050, created_at, tags: relays.map(url => ['relay', url]) })
const relayList = (tags: string[][], created_at = nowSeconds()) => alice.sign({ kind: 10_002, created_at, tags })

test.each([
  ['wss://relay.example/', 'wss://relay.example'],
  ['WSS://Relay.Example:443/inbox#x', 'wss://relay.example/inbox'],
  ['ws://relay.example', 'ws://relay.example'],
  ['https://relay.example', undefined],
  ['wss://user:pass@relay.example', undefined],
  ['wss://user@relay.example', undefined],
  ['relay.example', undefined],
  ['ws://127.0.0.1:7777', undefined],
  ['ws://localhost:7777', undefined],
  ['ws://10.1.2.3', undefined],
  ['ws://169.254.169.254/latest', undefined],
  ['ws://[fe80::1]', undefined],
  [`wss://relay.example/${'x'.repeat(300)}`, undefined],
])('an address from a list: %s → %s', (given, expected) => {
  expect(foreignRelay(given, false)).toBe(expected)
})

test('private addresses where they are allowed; never a name and password', () => {
  expect(foreignRelay('ws://127.0.0.1:7777/', true)).toBe('ws://127.0.0.1:7777')
  expect(foreignRelay('ws://a:b@127.0.0.1:7777', true)).toBeUndefined()
})

test('inbox relays before read relays, newest version, deduplicated, at most eight', () => {
  const old = inboxRelays(['wss://old.example'], 100)
  const lists = learn({}, [
    inboxRelays(['wss://new.example', 'wss://NEW.example/', 'ws://10.0.0.1'], 200),
    old,
    relayList([
      ['r', 'wss://read.example', 'read'],
      ['r', 'wss://write.example', 'write'],
      ['r', 'wss://both.example'],
    ]),
  ])
  expect(mailRelays(lists, false)).toEqual(['wss://new.example'])
  const { 10050: _inbox, ...general } = lists
  expect(mailRelays(general, false)).toEqual(['wss://read.example', 'wss://both.example'])
  expect(mailRelays({ 10050: readList(inboxRelays(['ws://127.0.0.1'])), ...general }, false).length).toBe(2)
  const many = inboxRelays(Array.from({ length: 200 }, (_, n) => `wss://${n}.example`))
  expect(mailRelays(learn({}, [many]), false).length).toBe(8)
  expect(mailRelays({}, false)).toEqual([])
})

test('mail goes to the recipient’s inbox relays, found on a relay both know; the sender answers AUTH there', async () => {
  await using shared = await startRelay()
  await using inbox = await startRelay({ policy: saneDefaults({ requireAuth: 'all' }) })
  const client = await connect(shared.url)
  expect(await client.publish(inboxRelays([inbox.url]))).toMatchObject({ accepted: true })
  const sender = await memoryAgent(bob, shared.url)
  const id = await sender.send('alice', 'to your inbox')
  expect(await sender.stored(id)).toMatchObject({ relay: inbox.url })
  expect(sender.copies(id).map(({ relay }) => relay)).toEqual([inbox.url])
  expect(await client.count([{ ids: [id] }])).toBe(0)
  const receiver = await memoryAgent(alice, inbox.url)
  await receiver.sync()
  expect(receiver.inbox().map(({ text }) => text)).toEqual(['to your inbox'])
  await client.close()
})

test('an inbox relay that sleeps: the message waits for it, over restarts, and harms nobody else’s', async () => {
  await using shared = await startRelay()
  const store = createMemoryMailStore()
  const data = tempDir()
  const asleep = await createRelay({ verifier: await sharedVerifier(), data })
  const url = await asleep.listen({ port: 0 })
  const list = inboxRelays([url])
  await asleep.close()
  const client = await connect(shared.url)
  await client.publish(list)
  await client.close()
  const first = await memoryAgent(bob, shared.url, { store, contacts: [alice, carol] })
  const id = await first.send('alice', 'sleep well')
  const other = await first.send('carol', 'you are here')
  await first.stored(other)
  expect(first.delivery(id)).toEqual({ state: 'queued' })
  expect(first.copies(id)).toEqual([{ relay: url, state: 'waiting', reason: 'the relay was not reached' }])
  await first.close({ timeoutMs: 50 })
  const woken = await createRelay({ verifier: await sharedVerifier(), data })
  await woken.listen({ port: Number(new URL(url).port) })
  const second = await memoryAgent(bob, shared.url, { store, speed: 20 })
  await eventually('delivered', () => second.delivery(id)?.state === 'stored')
  expect(second.delivery(id)).toMatchObject({ relay: url })
  await second.close()
  await woken.close()
})

test('a recipient that reads elsewhere by now: found where its relays are gone within minutes, else within the hour, and given what it had not received', async () => {
  await using shared = await startRelay()
  await using before = await startRelay()
  await using now = await startRelay()
  const client = await connect(shared.url)
  onTestFinished(() => client.close())
  let ahead = 0
  const clock = { ...systemClock, now: () => systemClock.now() + ahead }
  // Ten minutes pass in a moment; everything else takes its time.
  const timers: Timers = { ...systemTimers, after: (ms, run) => systemTimers.after(ms === 600_000 ? 100 : ms, run) }
  const sender = await memoryAgent(bob, shared.url, { contacts: [alice, carol], host: { clock, timers } })
  const lists = (who: Person, relay: string, at: number) =>
    client.publish(who.sign({ kind: 10_050, created_at: at, tags: [['relay', relay]] }))
  const nowhere = 'ws://127.0.0.1:9'
  await lists(alice, nowhere, nowSeconds() - 100)
  await lists(carol, before.url, nowSeconds() - 100)
  const toAlice = await sender.send('alice', 'where are you?')
  const toCarol = await sender.send('carol', 'and you?')
  await sender.stored(toCarol)
  await eventually('tried', () => sender.copies(toAlice).length === 1)
  await lists(alice, now.url, nowSeconds())
  await lists(carol, now.url, nowSeconds())

  ahead = 120_000
  await eventually('found', () => sender.delivery(toAlice)?.state === 'stored')
  expect(sender.copies(toAlice).map(({ relay, state }) => [relay, state])).toEqual([
    [nowhere, 'waiting'],
    [now.url, 'stored'],
  ])
  expect(sender.copies(toCarol)).toHaveLength(1)
  ahead = 3_700_000
  await eventually('moved', () => sender.copies(toCarol)[1]?.state === 'stored')
  expect(sender.copies(toCarol)[1]?.relay).toBe(now.url)
})

test('a list is asked for three times before mail goes without it; one of which no relay is reached is old after a minute', async () => {
  let now = 0
  let reachable = true
  const answers: { events: readonly NostrEvent[]; complete: boolean }[] = []
  let asked = 0
  const moved: unknown[] = []
  const nothing = { events: [], complete: false }
  const directory = createDirectory({
    store: createMemoryMailStore(),
    clock: { now: () => now, monotonic: () => now },
    relays: ['wss://own.example'],
    allowPrivate: false,
    hints: () => [],
    local: () => [],
    async ask() {
      asked += 1
      return answers.shift() ?? nothing
    },
    isReachable: () => reachable,
    onMoved: (_, relays) => moved.push(relays),
  })
  const reads = (url: string) => ({ reads: [url], fallback: [] })
  const of = async () => [await directory.relaysOf(alice.pubkey), asked]
  const a = { events: [inboxRelays(['wss://a.example'], 1)], complete: false }
  const b = { events: [inboxRelays(['wss://b.example'], 2)], complete: true }
  answers.push(nothing, nothing, a)
  expect(await of()).toEqual([reads('wss://a.example'), 3])
  now = 120_000
  expect(await of()).toEqual([reads('wss://a.example'), 3])
  reachable = false
  answers.push(b)
  await directory.review([bob.pubkey, alice.pubkey])
  expect([moved, asked]).toEqual([[reads('wss://b.example')], 4])
  expect(await of()).toEqual([reads('wss://b.example'), 4])
  now += 60_001
  await directory.review([alice.pubkey])
  expect([await of(), moved.length]).toEqual([[reads('wss://b.example'), 7], 1])

  const other = async () => [await directory.relaysOf(carol.pubkey), asked]
  expect(await other()).toEqual([{ reads: [], fallback: ['wss://own.example'] }, 10])
  now += 30_000
  expect(await other()).toEqual([{ reads: [], fallback: ['wss://own.example'] }, 10])
  now += 30_001
  answers.push({
    events: [carol.sign({ kind: 10_050, created_at: 1, tags: [['relay', 'wss://c.example']] })],
    complete: true,
  })
  expect(await other()).toEqual([reads('wss://c.example'), 11])
  expect(moved).toHaveLength(2)
})

test('a list with a wrong signature, or somebody else’s, is not believed', async () => {
  const decoy = 'ws://127.0.0.1:9'
  const relay = await scriptedRelay(
    (peer, frame) => {
      if (frame[0] === 'EVENT') return peer.send('OK', frame[1].id, true, '')
      if (frame[0] === 'REQ') peer.send('EOSE', frame[1], ['finish'])
    },
    undefined,
    (peer, frame) => {
      peer.event(frame[1], corrupt(inboxRelays([decoy]), 'sig'))
      peer.event(frame[1], carol.sign({ kind: 10_050, created_at: nowSeconds(), tags: [['relay', decoy]] }))
      peer.send('EOSE', frame[1], ['finish'])
    },
  )
  const sender = await memoryAgent(bob, relay.url)
  const id = await sender.send('alice', 'home')
  expect(await sender.stored(id)).toMatchObject({ relay: relay.url })
})

test('an agent on a public relay dials no address of this machine for a stranger, and names only as public ones', async () => {
  await using shared = await startRelay()
  const dialled: [string, boolean | undefined][] = []
  const dial: Dial = (url, events, options) => {
    dialled.push([url, options?.publicOnly])
    return dialNode(url === 'ws://shared.example' ? shared.url : 'ws://127.0.0.1:9', events)
  }
  const client = await connect(shared.url)
  await client.publish(inboxRelays(['ws://127.0.0.1:6379', 'ws://169.254.169.254', 'ws://inbox.example']))
  const sender = await memoryAgent(bob, 'ws://shared.example', { host: { dial } })
  await sender.send('alice', 'hello')
  await eventually('dialled', () => dialled.length >= 2)
  expect(dialled.slice(0, 2)).toEqual([
    ['ws://shared.example', undefined],
    ['ws://inbox.example', true],
  ])
  await client.close()
})

const ownLists = async (url: string): Promise<NostrEvent[]> => {
  const client = await connect(url)
  const events: NostrEvent[] = []
  await new Promise<void>(resolve => {
    client.request([{ kinds: [10_002, 10_050], authors: [alice.pubkey] }], {
      onEvent: event => void events.push(event),
      onEose: () => resolve(),
    })
  })
  await client.close()
  return events.sort((a, b) => a.kind - b.kind)
}
const tagged = (events: NostrEvent[]) => events.map(({ kind, tags }) => [kind, ...tags.map(tag => tag[1])])

test('own lists: published once, read back before anything is written, what another client listed stays', async () => {
  await using one = await startRelay()
  await using two = await startRelay()
  const store = createMemoryMailStore()
  const elsewhere = 'wss://elsewhere.example'
  const client = await connect(one.url)
  await client.publish(relayList([['r', elsewhere]], nowSeconds() - 100))
  await client.close()

  const first = await memoryAgent(alice, [one.url, two.url], { store, announce: true, speed: 20 })
  const both = [one.url, two.url]
  await expect
    .poll(async () => tagged(await ownLists(two.url)), { timeout: 25_000 })
    .toEqual([
      [10_002, ...both, elsewhere],
      [10_050, ...both],
    ])
  const before = await ownLists(one.url)
  expect(tagged(before)).toEqual([
    [10_002, ...both, elsewhere],
    [10_050, ...both],
  ])
  await first.close()

  const second = await memoryAgent(alice, [one.url, two.url], {
    store: createMemoryMailStore(),
    announce: true,
    speed: 20,
  })
  await second.sync()
  await new Promise(resolve => setTimeout(resolve, 500))
  expect(await ownLists(one.url)).toEqual(before)
  await second.close()

  const third = await memoryAgent(alice, [two.url], { store, announce: true, speed: 20 })
  await expect
    .poll(async () => tagged(await ownLists(two.url)), { timeout: 15_000 })
    .toEqual([
      [10_002, two.url, elsewhere],
      [10_050, two.url],
    ])
  await third.close()
})

test('a contact’s relays are used where no list is found, kept over restarts and renaming, and judged like any other', async () => {
  await using own = await startRelay()
  await using hers = await startRelay()
  const shelf = memoryShelf()
  const host = { shelf }
  const first = await memoryAgent(bob, own.url, { contacts: [], host })
  const where = [hers.url, 'http://no.relay/', 'ws://user:secret@x.example']
  first.contacts.add('alice', nprofileEncode({ pubkey: alice.pubkey, relays: where }))
  first.contacts.add('al', alice.pubkey)
  expect(first.contacts.list()).toEqual([{ name: 'al', pubkey: alice.pubkey, relays: [hers.url] }])
  await first.close()
  const second = await memoryAgent(bob, own.url, { contacts: [], host })
  const a = await memoryAgent(alice, hers.url)
  await second.send('al', 'where you said')
  await eventually('it came', () => a.inbox().length === 1)
  await second.close()
  // On this machine, which a list that somebody else wrote may not name to an agent of public relays.
  const strict = await memoryAgent(bob, own.url, { contacts: [], host, allowPrivate: false })
  const id = await strict.send('al', 'not dialled')
  await strict.stored(id)
  expect(strict.copies(id).map(({ relay }) => relay)).toEqual([own.url])
})
