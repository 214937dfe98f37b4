import { connect, createMemoryMailStore, type MailStore } from 'posthorn'
import { expect, onTestFinished, test } from 'vitest'
import { openSqliteMailStore } from '#dist/sdk/home/sqlite-mail-store.js'
import { createIntake, STRANGER_LIMITS } from '#dist/sdk/intake.js'
import { person } from '../helpers/events.ts'
import { startRelay } from '../helpers/start-relay.ts'
import { tempDir } from '../helpers/temp-dir.ts'
import { eventually, memoryAgent, messageTo } from './agents.ts'

const zoe = person('zoe recovered')
const stores: readonly (readonly [string, () => MailStore])[] = [
  ['memory', createMemoryMailStore],
  ['SQLite', () => openSqliteMailStore(`${tempDir()}/mail.db`)],
]

/** As if free keys had sent so much that inbox and request box are full of strangers. */
function fill(store: MailStore): number {
  const { listed, held, allListed } = STRANGER_LIMITS
  const keys = Array.from({ length: allListed / listed + 1 }, (_, n) => (n + 1).toString(16).padStart(64, '0'))
  const intake = createIntake({
    store,
    pubkey: zoe.pubkey,
    knownKeys: () => [],
    mayReceipt: () => false,
    admit: () => false,
  })
  const sent = keys.flatMap(from => Array.from({ length: listed + held + 5 }, () => from))
  const mail = sent.map((from, n) => {
    const id = `e${n.toString(16).padStart(63, '0')}`
    return { id, from, text: '', act: 'request', at: n, private: false, relay: 'r', event: '{}' }
  })
  intake.take({ feed: { relay: 'r', filter: 'f' }, mail })
  return mail.length
}

test.each(stores)('free keys that fill the request box do not close it to a newcomer (%s)', async (_, open) => {
  await using relay = await startRelay()
  const store = open()
  const count = fill(store)
  const agent = await memoryAgent(zoe, relay.url, { store, contacts: [] })
  const counted = () =>
    agent.requests.list().reduce((sum, { listed, held, dropped }) => sum + listed + held + dropped, 0)
  expect([counted(), agent.requests.held().length]).toEqual([count, STRANGER_LIMITS.allHeld])
  const honest = person('an honest stranger')
  const client = await connect(relay.url)
  await client.publish(messageTo(zoe, honest, 'hello'))
  await client.close()
  await eventually('held', () => agent.requests.held(honest.pubkey).length === 1)
  expect([counted(), agent.requests.held().length]).toEqual([count + 1, STRANGER_LIMITS.allHeld])
  agent.requests.accept(honest.pubkey)
  expect(agent.inbox({ from: honest.pubkey }).map(({ text }) => text)).toEqual(['hello'])
})

test.each(stores)('what was dropped of a stranger comes back when it is accepted, once (%s)', async (_, open) => {
  await using relay = await startRelay()
  const store = open()
  const mallory = person('many words')
  const friend = await memoryAgent({ ...mallory, name: 'mallory' }, relay.url, { contacts: [] })
  const first = await memoryAgent(zoe, relay.url, { store, contacts: [] })
  for (let n = 0; n < 130; n += 1) await friend.send(zoe.pubkey, `${n}`)
  const wrapped = await friend.send(zoe.pubkey, 'wrapped', { wrap: true })
  const dropped = () => first.requests.list()[0]?.dropped
  await eventually('dropped', () => dropped() === 11)
  await first.close()
  // Accepted without a relay in reach: it is made good for when there is one, by whatever run of the agent.
  const offline = await memoryAgent(zoe, 'ws://127.0.0.1:9', { store, contacts: [] })
  offline.contacts.add('mallory', mallory.pubkey)
  expect(offline.inbox({ from: 'mallory' })).toHaveLength(120)
  await offline.close()
  const second = await memoryAgent(zoe, relay.url, { store, contacts: [] })
  expect(await second.sync()).toMatchObject({ complete: true })
  const texts = second.inbox({ from: mallory.pubkey }).map(({ text }) => text)
  const sent = Array.from({ length: 130 }, (_, n) => `${n}`)
  expect(texts.slice(0, 120)).toEqual(sent.slice(0, 120))
  // Relays give those of one second in an order of their own.
  expect(texts.slice(120).toSorted()).toEqual([...sent.slice(120), 'wrapped'].toSorted())
  expect(second.requests.list()).toMatchObject([{ dropped: 0, verdict: 'accepted' }])
  await eventually('told', () => friend.delivery(wrapped)?.state === 'received')
})

test('a key that was dropped among many uncounted ones is asked for when it is accepted', () => {
  for (const [, open] of stores) {
    const store = open()
    onTestFinished(() => store.close())
    const keys = Array.from({ length: 1_002 }, (_, n) => n.toString(16).padStart(64, '0'))
    store.record({ feed: { relay: 'r', filter: 'f' }, mail: [], dropped: keys })
    const last = keys.at(-1) ?? ''
    store.judge(last, 'accepted')
    const of = (key: string) => store.strangers().find(({ pubkey }) => pubkey === key)
    expect([of(last)?.dropped, of('')?.dropped]).toEqual([1, 1])
    store.recovered(last)
    expect(of(last)).toMatchObject({ dropped: 0, verdict: 'accepted' })
  }
})
