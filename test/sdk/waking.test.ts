import { join } from 'node:path'
import { type AgentStatus, connect } from 'posthorn'
import type { NostrEvent } from 'posthorn/protocol'
import { expect, test } from 'vitest'
import type { Verifier } from '#dist/platform/verifier.js'
import { openSqliteMailStore } from '#dist/sdk/home/sqlite-mail-store.js'
import { nodeHost } from '#dist/sdk/node-host.js'
import { nowSeconds } from '../helpers/events.ts'
import { startRelay } from '../helpers/start-relay.ts'
import { tempDir } from '../helpers/temp-dir.ts'
import { alice, bob, carol, contactsOf, eventually, memoryAgent } from './agents.ts'

/** A small page, two whole ones, and a rest: how much there is is asked for behind the first two. */
const MISSED = 1_200
const REQUESTS = 10

/** Messages of two senders to alice, the first few of bob's requests. */
function missed(): NostrEvent[] {
  const from = nowSeconds() - MISSED
  return Array.from({ length: MISSED }, (_, n) =>
    (n % 2 === 0 ? bob : carol).sign({
      kind: 4700,
      created_at: from + n,
      content: `message ${n}`,
      tags: [
        ['p', alice.pubkey],
        ['y', n % 2 === 0 && n < 2 * REQUESTS ? 'request' : 'inform'],
        ['v', '1'],
      ],
    }),
  )
}

test('an agent that wakes to a thousand messages: all here, handled, receipted in batches, and how far it is', {
  timeout: 60_000,
}, async () => {
  await using relay = await startRelay()
  const client = await connect(relay.url)
  const sent = missed()
  await Promise.all(sent.map(event => client.publish(event)))
  const store = openSqliteMailStore(join(tempDir(), 'mail.db'))
  const told: AgentStatus['relays'][number][] = []
  let verified = 0
  // A fast machine may be done before the relay has counted: the last page waits for that.
  const verifier: Verifier = {
    ...nodeHost.verifier,
    async verify(events) {
      verified += events.length
      if (verified > MISSED - 100)
        await eventually('counted', () => told.some(({ expected }) => expected !== undefined))
      return nodeHost.verifier.verify(events)
    },
  }
  const agent = await memoryAgent(alice, relay.url, { store, contacts: contactsOf(bob, carol), host: { verifier } })
  const handled: string[] = []
  agent.handle('request', ({ id }) => void handled.push(id))
  agent.on('status', ({ relays: [one] }) => {
    if (one) told.push(one)
  })
  expect(await agent.sync()).toMatchObject({ complete: true, received: MISSED, new: MISSED, invalid: 0, gaps: 0 })

  expect(agent.inbox().map(({ text }) => text)).toEqual(sent.map(({ content }) => content))
  const onTheWay = told.filter(({ expected }) => expected !== undefined)
  expect(onTheWay.length).toBeGreaterThan(0)
  for (const { state, expected } of onTheWay) expect([state, expected]).toEqual(['catching-up', MISSED])
  const counts = told.map(({ received = 0 }) => received)
  expect(counts).toEqual([...counts].sort((a, b) => a - b))
  expect(agent.status().relays[0]).toMatchObject({ state: 'live', received: MISSED })
  expect(agent.status().relays[0]).not.toHaveProperty('expected')

  await eventually('handled', () => handled.length === REQUESTS)
  expect(handled).toEqual(sent.filter((_, n) => n % 2 === 0 && n < 2 * REQUESTS).map(({ id }) => id))
  const receipts: NostrEvent[] = []
  client.request([{ kinds: [4701], authors: [alice.pubkey] }], { onEvent: event => receipts.push(event) })
  const about = () => new Set(receipts.flatMap(({ tags }) => tags.flatMap(([name, id]) => (name === 'e' ? [id] : []))))
  await eventually('receipted', () => about().size === MISSED)
  // Each sender's by the hundred, some of them begun early; one for each request.
  expect(receipts.length).toBeLessThanOrEqual(REQUESTS + 2 * (MISSED / 2 / 100) + 10)
  await client.close()
  await agent.close()
  store.close()
})
