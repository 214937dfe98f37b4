import { type AgentStatus, createMemoryMailStore, type OpenAgentOptions, problemsOf, type SyncSummary } from 'posthorn'
import type { NostrEvent } from 'posthorn/protocol'
import { expect, test } from 'vitest'
import { corrupt, nowSeconds, person } from '../helpers/events.ts'
import { testSeed } from '../helpers/seed.ts'
import { dice } from '../relay/dice.ts'
import { alice, bob, eventually, memoryAgent, messageTo } from './agents.ts'
import { type PlainManners, plainRelay } from './plain-relay.ts'

const people = ['bob', 'carol', 'dave', 'erin'].map(person)
/** Real timers, faster: what a relay leaves unanswered costs little here. */
const SPEED = 10

/** `at`: seconds ago of each message; authors take turns. */
const mailOf = (at: readonly number[], now = nowSeconds()): NostrEvent[] =>
  at.map((ago, n) => messageTo(alice, people[n % people.length] ?? person('bob'), `${n}`, now - ago))
const inOneSecond = (count: number, ago = 500): number[] => Array.from({ length: count }, () => ago)
const apart = (count: number): number[] => Array.from({ length: count }, (_, n) => 500 + n * 7)
/** What else a relay has: notes of others, to nobody. */
const notes = (count: number): NostrEvent[] =>
  Array.from({ length: count }, (_, n) =>
    person('zoe').sign({ kind: n % 2 === 0 ? 1 : 10_002, content: `note ${n}`, created_at: nowSeconds() - 3_000 - n }),
  )

interface Seen {
  readonly summary: SyncSummary
  readonly status: AgentStatus
  readonly had: number
}

async function catchUp(
  events: NostrEvent[],
  manners: PlainManners,
  options: Partial<OpenAgentOptions> = {},
): Promise<Seen> {
  const { url } = await plainRelay(events, manners).relay
  const agent = await memoryAgent(alice, url, { contacts: people, speed: SPEED, ...options })
  const summary = await agent.sync({ maxMs: 15_000 })
  expect(summary.status).toBe('live')
  return { summary, status: agent.status(), had: agent.inbox({ limit: 1_000 }).length }
}

test('5 of 20 messages of one second: what may be missing is said, in every place', async () => {
  const { summary, status } = await catchUp(mailOf(inOneSecond(20)), { cap: 5, silent: true })
  expect(summary).toMatchObject({ complete: false, mayMiss: true })
  expect(summary.relays[0]?.partial).toContain('it gave 5 events of one second')
  expect(status.relays[0]).toMatchObject({ state: 'live', partial: summary.relays[0]?.partial })
  expect(problemsOf(status).map(({ code }) => code)).toContain('relay-partial')
})

test('a damaged event that a relay keeps is in every answer: it counts once, and the connection stays', async () => {
  const damaged = corrupt(messageTo(alice, bob, 'damaged', nowSeconds() - 500), 'sig')
  const relay = await plainRelay([damaged, ...mailOf(apart(12))], { cap: 5 }).relay
  const agent = await memoryAgent(alice, relay.url, { contacts: people, speed: SPEED })
  for (let round = 0; round < 3; round += 1)
    expect(await agent.sync({ maxMs: 15_000 })).toMatchObject({ status: 'live' })
  expect([relay.connections, agent.inbox().length, agent.status().relays[0]]).toEqual([
    1,
    12,
    expect.objectContaining({ state: 'live', suspect: true }),
  ])
})

test('a damaged event that comes five times in one answer drops the relay', async () => {
  const damaged = corrupt(messageTo(alice, bob, 'damaged', nowSeconds() - 500), 'sig')
  const relay = await plainRelay([damaged], { copies: 5 }).relay
  const agent = await memoryAgent(alice, relay.url)
  await eventually('dropped', () => agent.status().relays[0]?.error !== undefined)
  expect(agent.status().relays[0]).toMatchObject({ error: expect.stringContaining('5 invalid events') })
})

test.each<[string, number[], PlainManners, number]>([
  ['reconciles', inOneSecond(20), { cap: 5, reconciles: true }, 0],
  ['reconciles, and gives one at once', inOneSecond(20), { cap: 1, reconciles: true }, 0],
  ['counts, and has older ones', [...inOneSecond(4), ...apart(6).map(ago => ago + 1_000)], { cap: 5, counts: true }, 0],
  ['gives more than that of anything', inOneSecond(20), {}, 1],
  ['gives 5, of seconds with fewer', apart(20), { cap: 5 }, 0],
  ['gives the oldest first', apart(20), { cap: 5, order: 'oldest' }, 0],
  ['gives the oldest, sorted as if they were the newest', apart(20), { cap: 5, order: 'oldest-sorted' }, 0],
  ['gives them in no order', apart(20), { cap: 5, order: 'any' }, 0],
  ['repeats each event', apart(20), { cap: 6, copies: 3 }, 0],
  ['ignores until, and has more of anything', apart(20), { ignores: ['until'] }, 1],
  ['ignores limits', inOneSecond(20), { ignores: ['limit'] }, 1],
  ['serves lists beside mail', inOneSecond(3), { private: 'lists' }, 4],
  ['serves its recipient alone', apart(20), { cap: 5, private: true }, 0],
])('a relay that %s: all is here, and said to be', async (_, at, manners, others) => {
  const { summary, had } = await catchUp([...mailOf(at), ...notes(others)], manners)
  expect(had).toBe(at.length)
  expect(summary).toMatchObject({ complete: true, mayMiss: true })
  expect(summary.relays[0]).not.toHaveProperty('partial')
})

test.each<[string, number[], PlainManners]>([
  ['counts only what it gives', inOneSecond(20), { cap: 5, counts: 'capped' }],
  ['counts, and gives 5', inOneSecond(40), { cap: 5, counts: true }],
  ['gives one event at once', inOneSecond(3), { cap: 1 }],
  ['ignores until', apart(20), { cap: 5, ignores: ['until'] }],
  ['ignores all conditions of time', apart(20), { cap: 5, ignores: ['until', 'since'] }],
  ['ends before it gave everything', apart(20), { cap: 5, eoseAfter: 2, ignores: ['until'] }],
  ['hangs up when it is asked to reconcile', inOneSecond(20), { cap: 5, reconciles: 'hangs-up' }],
])('a relay that %s: what is not known is not said', async (_, at, manners) => {
  const { summary } = await catchUp(mailOf(at), manners)
  expect(summary.complete).toBe(false)
  expect(summary.relays[0]?.partial).toBeTypeOf('string')
})

test('what comes after an EOSE for nothing is taken, and the relay is not said to be read to its end', async () => {
  const { summary, had } = await catchUp(mailOf(apart(20)), { eoseAfter: 0 })
  expect(had).toBe(20)
  expect(summary.complete).toBe(false)
})

test('a second that was not had in full is asked for again, however late, until it is', async () => {
  const store = createMemoryMailStore()
  const day = 86_400
  const events = [...mailOf(inOneSecond(20, 9 * day)), ...mailOf([100, 200, 300])]
  const first = await catchUp(events, { cap: 5 }, { host: { store, secretKey: alice.secretKey } })
  expect(first.summary.complete).toBe(false)
  const manners: { cap: number } = { cap: 5 }
  const { url } = await plainRelay(events, manners).relay
  const agent = await memoryAgent(alice, url, { store, contacts: people, speed: SPEED })
  expect(await agent.sync({ maxMs: 15_000 })).toMatchObject({ complete: false })
  await agent.close()
  const whole = await plainRelay([...events, ...notes(30)], { reconciles: true, cap: 5 }).relay
  const again = await memoryAgent(alice, whole.url, { store, contacts: people, speed: SPEED })
  expect(await again.sync({ maxMs: 15_000 })).toMatchObject({ complete: true })
  expect(again.inbox({ limit: 100 })).toHaveLength(23)
})

test('a relay that refuses narrower questions is live all the same', async () => {
  const { summary } = await catchUp(mailOf(inOneSecond(20)), { cap: 5, private: 'mail' })
  expect(summary.complete).toBe(false)
})

test('live mail goes on where the stored part is in doubt', async () => {
  const plain = plainRelay(mailOf(inOneSecond(20)), { cap: 5 })
  const { url } = await plain.relay
  const agent = await memoryAgent(alice, url, { contacts: people, speed: SPEED })
  await agent.sync({ maxMs: 15_000 })
  const late = messageTo(alice, person('bob'), 'late')
  plain.publish(late)
  await eventually('live mail', () => agent.read(late.id) !== undefined)
})

test('whatever a relay does: what is called complete is', async () => {
  const seed = testSeed('plain relays')
  const roll = dice(seed)
  for (let round = 0; round < 12; round += 1) {
    const hints = roll.chance(0.2)
    const manners: PlainManners = {
      cap: roll.of([1, 2, 5, 7, 500]),
      order: roll.of(['newest', 'newest', 'oldest', 'oldest-sorted', 'any']),
      copies: roll.of([1, 1, 2]),
      hints,
      reconciles: roll.chance(0.3),
      counts: roll.of([false, true, 'capped']),
      private: roll.chance(0.2),
      ignores: roll.chance(0.2) ? [roll.of(['until', 'since', 'kinds', 'limit'])] : [],
      // A relay that says that it gave everything, in so many words, is believed.
      ...(!hints && roll.chance(0.2) ? { eoseAfter: roll.below(4) } : {}),
    }
    const seconds = 1 + roll.below(8)
    const at = Array.from({ length: roll.below(30) }, () => 100 + roll.below(seconds) * roll.of([1, 60]))
    const events = [...mailOf(at), ...notes(roll.below(10))]
    const { summary, had } = await catchUp(events, manners)
    if (summary.complete) expect(had, `SEED=${seed} round ${round} ${JSON.stringify(manners)} ${at}`).toBe(at.length)
  }
}, 120_000)
