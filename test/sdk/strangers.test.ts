import { connect, createMemoryMailStore } from 'posthorn'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createIntake, STRANGER_LIMITS } from '#dist/sdk/intake.js'
import { createRates } from '#dist/sdk/rate.js'
import { nowSeconds, type Person, person } from '../helpers/events.ts'
import { type RunningRelay, startRelay } from '../helpers/start-relay.ts'
import { contactsOf, eventually, memoryAgent } from './agents.ts'

let relay: RunningRelay
beforeAll(async () => {
  relay = await startRelay()
})
afterAll(() => relay[Symbol.asyncDispose]())

const request = (to: Person, from: Person, content: string, ...tags: string[][]) =>
  from.sign({ kind: 4700, created_at: nowSeconds(), content, tags: [['p', to.pubkey], ['y', 'request'], ...tags] })

async function publish(...events: ReturnType<typeof request>[]): Promise<void> {
  const client = await connect(relay.url)
  for (const answer of await Promise.all(events.map(event => client.publish(event))))
    expect(answer).toMatchObject({ accepted: true })
  await client.close()
}

test('a stranger’s excess waits in the request box, truly counted; a contact’s mail is never displaced', async () => {
  const [zoe, friend, mallory] = [person('zoe box'), { ...person('friend box'), name: 'friend' }, person('mallory box')]
  const agent = await memoryAgent(zoe, relay.url, { contacts: contactsOf(friend) })
  const flood = Array.from({ length: 130 }, (_, n) => request(zoe, mallory, `buy ${n}`))
  await publish(...flood, request(zoe, friend, 'hello'))
  await eventually('counted', () => (agent.requests.list()[0]?.dropped ?? 0) === 10)
  expect(agent.requests.list()).toEqual([{ pubkey: mallory.pubkey, listed: 20, held: 100, dropped: 10 }])
  await eventually('friend', () => agent.inbox({ from: 'friend' }).length === 1)
  expect([agent.inbox().length, agent.status().unread, agent.requests.held().length]).toEqual([21, 21, 100])
  const ran: string[] = []
  agent.handle('request', ({ text, from }) => void (from === mallory.pubkey && ran.push(text)))
  agent.requests.accept(mallory.pubkey)
  // The ten that were dropped are fetched from the relay again.
  await eventually('worked off', () => ran.length >= 130)
  expect([ran.length, new Set(ran).size]).toEqual([130, 130])
  expect(agent.inbox().every(({ known }) => known)).toBe(true)
})

test('what is denied is removed, and nothing of it is kept from then on', async () => {
  const [zoe, mallory] = [person('zoe deny'), person('mallory deny')]
  const agent = await memoryAgent(zoe, relay.url, { contacts: [] })
  agent.requests.deny(mallory.pubkey)
  await publish(request(zoe, mallory, 'again'))
  await eventually('dropped', () => agent.requests.list()[0]?.dropped === 1)
  expect([agent.inbox(), agent.requests.held()]).toEqual([[], []])
  agent.requests.forget(mallory.pubkey)
  await publish(request(zoe, mallory, 'and again'))
  await eventually('listed', () => agent.inbox().length === 1)
})

test('limits at n and n + 1, of one sender and of all; what is held keeps a sender’s order', () => {
  const store = createMemoryMailStore()
  const intake = createIntake({
    store,
    pubkey: 'f'.repeat(64),
    knownKeys: () => [],
    mayReceipt: () => false,
    admit: () => false,
  })
  let ids = 0
  const send = (from: number, count: number) =>
    intake.take({
      feed: { relay: 'r', filter: 'f' },
      mail: Array.from({ length: count }, () => {
        ids += 1
        const [id, sender] = [ids, from].map(n => n.toString(16).padStart(64, '0')) as [string, string]
        return { id, from: sender, text: '', act: 'request', at: 0, private: false, relay: 'r', event: '{}' }
      }),
    })
  const { listed, held, allListed, allHeld } = STRANGER_LIMITS
  send(1, listed + held)
  expect(store.strangers()[0]).toMatchObject({ listed, held, dropped: 0 })
  send(1, 1)
  expect(store.strangers()[0]).toMatchObject({ listed, held, dropped: 1 })
  for (let from = 2; from <= allListed / listed; from += 1) send(from, listed)
  send(999, 1)
  expect(store.strangerCounts('0').allListed).toBe(allListed)
  expect(store.strangers().find(({ pubkey }) => pubkey.endsWith('3e7'))).toMatchObject({ listed: 0, held: 1 })
  for (let from = 1_000; store.strangerCounts('0').allHeld < allHeld; from += 1) send(from, held)
  send(5_000, 1)
  expect(store.strangerCounts('0')).toMatchObject({ allListed, allHeld })
  // Room in the inbox is not taken past what is held already.
  const first = store.list({ from: '1'.padStart(64, '0') })[0]
  store.markRead(first?.id ?? '')
  send(1, 1)
  expect(intake.refill('1'.padStart(64, '0')).length).toBe(1)
})

test('open to anyone: handlers run at the rate of strangers, the rest waits its turn', async () => {
  const [zoe, mallory] = [person('zoe rate'), person('mallory rate')]
  const agent = await memoryAgent(zoe, relay.url, { contacts: [], accept: 'anyone', rate: { perMinute: 1, burst: 3 } })
  let ran = 0
  agent.handle('request', () => {
    ran += 1
  })
  await publish(...Array.from({ length: 6 }, (_, n) => request(zoe, mallory, `${n}`)))
  await eventually('arrived', () => agent.inbox().length === 6)
  await eventually('three', () => ran === 3)
  await agent.sync()
  expect([ran, agent.inbox().filter(({ state }) => state === 'new').length]).toEqual([3, 3])
})

test('tokens come back with time, never more than the burst; a full bucket is forgotten', () => {
  let now = 0
  const rates = createRates({ now: () => now, monotonic: () => now }, () => ({ perMinute: 60, burst: 2 }))
  for (let n = 0; n < 2; n += 1) rates.charge('a')
  expect(rates.spent()).toEqual({ senders: ['a'], waitMs: 1_000 })
  now = 999
  expect(rates.spent().senders).toEqual(['a'])
  now = 1_000
  expect(rates.spent()).toEqual({ senders: [], waitMs: Number.POSITIVE_INFINITY })
  now = 1_000_000
  for (let n = 0; n < 2; n += 1) rates.charge('a')
  expect(rates.spent().senders).toEqual(['a'])
})

test('idem: asked again under another id, the recorded answer comes and no handler runs; another question is refused', async () => {
  const [zoe, friend] = [
    { ...person('zoe idem'), name: 'zoe' },
    { ...person('friend idem'), name: 'friend' },
  ]
  const store = createMemoryMailStore()
  const agent = await memoryAgent(zoe, relay.url, { contacts: contactsOf(friend), store })
  let runs = 0
  agent.handle('request', () => `run ${++runs}`)
  const idem = ['idem', 'invoice-7']
  const first = request(zoe, friend, 'pay', idem)
  await publish(first)
  await eventually('done', () => agent.inbox()[0]?.state === 'done')
  const again = request(zoe, friend, 'pay', idem, ['t', 'signed anew'])
  const other = request(zoe, friend, 'pay twice', idem)
  await publish(again, other)
  const client = await memoryAgent(friend, relay.url, { contacts: contactsOf(zoe) })
  await eventually('both decided', () => agent.inbox().every(({ state }) => state === 'done' || state === 'set-aside'))
  await eventually('two answers', () => client.inbox().length === 2)
  expect(runs).toBe(1)
  expect(client.inbox().map(({ text, replyTo }) => [text, replyTo])).toEqual([
    ['run 1', first.id],
    ['run 1', again.id],
  ])
  expect(agent.deadLetters.list()).toMatchObject([{ id: other.id, reason: expect.stringContaining('conflict:') }])
})
