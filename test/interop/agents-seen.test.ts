import { verifyEvent } from 'nostr-tools/pure'
import { Relay, useWebSocketImplementation } from 'nostr-tools/relay'
import { expect, test } from 'vitest'
import WebSocket from 'ws'
import { startRelay } from '../helpers/start-relay.ts'
import { alice, eventually, memoryAgent } from '../sdk/agents.ts'

useWebSocketImplementation(WebSocket)

test('a plain Nostr client finds an agent’s card by skill, and its presence, as signed JSON', async () => {
  await using relay = await startRelay()
  const agent = await memoryAgent(alice, relay.url, { presence: true })
  await agent.sync()
  await agent.card.set({ description: 'sums', skills: [{ id: 'sum', name: 'Sum', description: '', tags: ['maths'] }] })
  await agent.presence.set({ activity: 'counting' })
  const client = await Relay.connect(relay.url)
  const found = new Map<number, string>()
  client.subscribe(
    [
      { kinds: [14_705], '#t': ['maths'] },
      { kinds: [34_706], authors: [alice.pubkey] },
    ],
    {
      onevent(event) {
        if (verifyEvent(event) && event.pubkey === alice.pubkey) found.set(event.kind, event.content)
      },
    },
  )
  await eventually('both are there', () => found.has(14_705) && found.get(34_706)?.includes('counting') === true)
  expect(JSON.parse(found.get(14_705) ?? '')).toMatchObject({ name: 'alice', skills: [{ id: 'sum' }] })
  expect(JSON.parse(found.get(34_706) ?? '')).toMatchObject({ state: 'online', activity: 'counting' })
  client.close()
})
