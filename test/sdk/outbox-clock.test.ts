import { createMemoryMailStore } from 'posthorn'
import { createMemoryStore, createRelay } from 'posthorn/relay'
import { expect, onTestFinished, test } from 'vitest'
import { systemClock } from '#dist/platform/clock.js'
import { sharedVerifier } from '../helpers/shared-verifier.ts'
import { alice, bob, eventually, memoryAgent } from './agents.ts'

const DAY_MS = 24 * 3_600_000

/** A relay whose clock is ahead. */
async function relayAhead(ms: number): Promise<string> {
  const clock = { ...systemClock, now: () => Date.now() + ms }
  const made = await createRelay({ store: createMemoryStore(), verifier: await sharedVerifier(), clock })
  onTestFinished(() => made.close())
  return made.listen({ port: 0 })
}

test('a start with a clock that is ahead forgets nothing that was sent; what is old is forgotten once a relay agrees', async () => {
  const url = await relayAhead(0)
  const store = createMemoryMailStore()
  const clock = (aheadMs: number) => ({ host: { clock: { ...systemClock, now: () => Date.now() + aheadMs } } })
  const before = await memoryAgent(alice, url, { store, ...clock(0) })
  const id = await before.send(bob.pubkey, 'kept')
  expect(await before.stored(id)).toMatchObject({ state: 'stored' })
  const reader = await memoryAgent(bob, url)
  await eventually('it has come, and its receipt too', () => before.delivery(id)?.state === 'received')
  await reader.close()
  await before.close()

  const ahead = await memoryAgent(alice, url, { store, ...clock(400 * DAY_MS) })
  await eventually('it is live', () => ahead.status().relays[0]?.state === 'live')
  const refused = await ahead.send(bob.pubkey, 'dated a year ahead')
  // The relay has answered to what follows.
  await ahead.sync()
  expect(ahead.delivery(refused)?.state).toBe('queued')
  expect(ahead.delivery(id)?.state).toBe('received')
  await ahead.close({ timeoutMs: 100 })

  const right = await memoryAgent(alice, url, { store, ...clock(0) })
  await eventually('what was dated ahead goes out', () => right.delivery(refused)?.state === 'stored')
  expect(right.delivery(id)?.state).toBe('received')
  await right.close()

  // A relay that has come to that time as well.
  const then = await memoryAgent(alice, await relayAhead(400 * DAY_MS), { store, ...clock(400 * DAY_MS) })
  await eventually('it is live', () => then.status().relays[0]?.state === 'live')
  expect(then.delivery(id)?.state).toBe('received')
  const agreed = await then.send(bob.pubkey, 'now')
  expect(await then.stored(agreed)).toMatchObject({ state: 'stored' })
  await eventually('it is forgotten', () => then.delivery(id) === undefined)
})
