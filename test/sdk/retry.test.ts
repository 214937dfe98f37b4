import { createMemoryMailStore, type MailStore } from 'posthorn'
import { expect, onTestFinished, test } from 'vitest'
import { openSqliteMailStore } from '#dist/sdk/home/sqlite-mail-store.js'
import { type RunningRelay, startRelay } from '../helpers/start-relay.ts'
import { tempDir } from '../helpers/temp-dir.ts'
import { alice, bob, eventually, memoryAgent } from './agents.ts'

/** A relay whose policy refuses kinds for as long as it is told to. */
async function moodyRelay(): Promise<RunningRelay & { refuse(...kinds: number[]): void }> {
  let refused: readonly number[] = []
  const relay = await startRelay({
    policy: { write: ({ kind }) => (refused.includes(kind) ? 'blocked: not today' : undefined) },
  })
  onTestFinished(() => relay[Symbol.asyncDispose]())
  return Object.assign(relay, {
    refuse(...kinds: number[]) {
      refused = kinds
    },
  })
}

const stores: readonly (readonly [string, () => MailStore])[] = [
  ['memory', createMemoryMailStore],
  ['SQLite', () => openSqliteMailStore(`${tempDir()}/mail.db`)],
]

test.each(stores)('a refused message that is tried again goes out on the open connection (%s)', async (_, open) => {
  const relay = await moodyRelay()
  relay.refuse(4700)
  const agent = await memoryAgent(alice, relay.url, { store: open() })
  const id = await agent.send('bob', 'hello')
  await eventually('refused', () => agent.delivery(id)?.state === 'refused')
  expect(agent.deadLetters.list()).toMatchObject([{ direction: 'out', id, reason: 'blocked: not today' }])
  // Still refused: a dead letter again, and not stuck.
  expect(agent.deadLetters.retry(id)).toBe(true)
  await eventually('refused again', () => agent.delivery(id)?.state === 'refused')

  relay.refuse()
  expect(agent.deadLetters.retry(id)).toBe(true)
  expect(agent.deadLetters.retry(id)).toBe(false)
  expect(await agent.stored(id, { timeout: 10_000 })).toMatchObject({ state: 'stored', relay: relay.url })
  expect([agent.deadLetters.list(), agent.status().queue]).toEqual([[], 0])
})

test('tried again while the relay is away, and by the next run of the agent', async () => {
  const relay = await moodyRelay()
  relay.refuse(4700)
  const store = createMemoryMailStore()
  const first = await memoryAgent(alice, relay.url, { store, speed: 20 })
  const ids = [await first.send('bob', 'one'), await first.send('bob', 'two')] as const
  for (const id of ids) await eventually('refused', () => first.delivery(id)?.state === 'refused')
  relay.refuse()
  await relay.relay.close()
  await eventually('away', () => first.status().relays[0]?.state === 'offline')
  expect(first.deadLetters.retry(ids[0])).toBe(true)
  await relay.restart()
  await eventually('stored', () => first.delivery(ids[0])?.state === 'stored')
  await first.close()

  const second = await memoryAgent(alice, relay.url, { store })
  expect(second.delivery(ids[1])).toMatchObject({ state: 'refused' })
  expect(second.deadLetters.retry(ids[1])).toBe(true)
  expect(await second.stored(ids[1], { timeout: 10_000 })).toMatchObject({ state: 'stored' })
})

test.each(stores)(
  'one of two relays refused its copy: tried again there, stored all the while (%s)',
  async (_, open) => {
    const [kind, moody] = [await moodyRelay(), await moodyRelay()]
    moody.refuse(4700)
    const agent = await memoryAgent(alice, [kind.url, moody.url], { store: open() })
    const id = await agent.send('bob', 'hello')
    const states = () => agent.copies(id).map(({ state }) => state)
    await eventually('answered by both', () => states().join() === 'stored,refused')
    moody.refuse()
    expect(agent.deadLetters.retry(id)).toBe(true)
    expect(agent.delivery(id)).toMatchObject({ state: 'stored', relay: kind.url })
    await eventually('stored by both', () => states().join() === 'stored,stored')
    expect(agent.deadLetters.retry(id)).toBe(false)
  },
)

test('a refused receipt is a dead letter like any other, and is told when tried again', async () => {
  const relay = await moodyRelay()
  relay.refuse(4701)
  const ada = await memoryAgent(alice, relay.url)
  const ben = await memoryAgent(bob, relay.url)
  const id = await ada.send('bob', 'hello')
  await eventually('refused', () => ben.deadLetters.list().length === 1)
  relay.refuse()
  expect(ben.deadLetters.list().map(letter => ben.deadLetters.retry(letter.id))).toEqual([true])
  await eventually('received', () => ada.delivery(id)?.state === 'received')
})
