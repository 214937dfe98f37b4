import { createMemoryMailStore } from 'posthorn'
import { expect, test } from 'vitest'
import { corrupt } from '../helpers/events.ts'
import { startRelay } from '../helpers/start-relay.ts'
import { alice, bob, eventually, memoryAgent, messageTo } from './agents.ts'
import { scriptedRelay } from './scripted-relay.ts'

test('several relays: each message once, a copy at each, every relay told apart', async () => {
  await using one = await startRelay()
  await using two = await startRelay()
  const relays = [one.url, two.url]
  const receiver = await memoryAgent(alice, relays)
  const sender = await memoryAgent(bob, relays)
  const ids: string[] = []
  for (let n = 0; n < 5; n += 1) ids.push(await sender.send('alice', `message ${n}`))
  await eventually('a copy at each', () =>
    ids.every(id => sender.copies(id).filter(({ state }) => state === 'stored').length === 2),
  )
  const summary = await receiver.sync()
  expect(summary).toMatchObject({ complete: true, status: 'live', unreached: 0, new: 5, received: 10, invalid: 0 })
  expect(summary.relays.map(({ relay, received }) => [relay, received])).toEqual(relays.map(url => [url, 5]))
  expect(receiver.inbox().map(({ text }) => text)).toEqual(ids.map((_, n) => `message ${n}`))
  expect(receiver.status().relays).toMatchObject(relays.map(url => ({ url, state: 'live', mayMiss: false })))
})

test('one of two relays is away: caught up with what can be reached, said so, and made good when it returns', async () => {
  await using one = await startRelay()
  await using two = await startRelay()
  const stores = { alice: createMemoryMailStore(), bob: createMemoryMailStore() }
  const relays = [one.url, two.url]
  const gone = await memoryAgent(bob, 'ws://127.0.0.1:9', { store: stores.bob })
  const early = await gone.send('alice', 'written before there was a relay')
  await gone.close({ timeoutMs: 0 })

  const sender = await memoryAgent(bob, [one.url, 'ws://127.0.0.1:9'], { store: stores.bob, speed: 20 })
  await eventually('taken by the one', () => sender.delivery(early)?.state === 'stored')
  expect(sender.copies(early)).toEqual([
    { relay: one.url, state: 'stored', seq: 1 },
    { relay: 'ws://127.0.0.1:9', state: 'waiting', reason: 'the relay was not reached' },
  ])
  expect(await sender.sync()).toMatchObject({ complete: true, status: 'live', unreached: 1 })
  expect(sender.status()).toMatchObject({ queue: 0, relays: [{ state: 'live' }, { state: 'offline' }] })
  await sender.close()

  const receiver = await memoryAgent(alice, [two.url, one.url], { store: stores.alice })
  expect(await receiver.sync()).toMatchObject({ complete: true, new: 1 })
  expect(relays).toContain(receiver.inbox()[0]?.relay)
})

test('a damaged copy from one relay never hides the genuine one from another', async () => {
  const genuine = messageTo(alice, bob, 'genuine')
  await using honest = await startRelay()
  const liar = await scriptedRelay((peer, frame) => {
    if (frame[0] !== 'REQ' || !('since_seq' in frame[2])) return
    peer.send('SEQ', frame[1], 0, '0000000000010000')
    peer.event(frame[1], { ...genuine, content: 'forged' }, 1)
    peer.event(frame[1], corrupt(genuine, 'sig'), 2)
    peer.send('EOSE', frame[1], ['finish', 'seq:2', 'epoch:0000000000010000'])
  })
  const agent = await memoryAgent(alice, [liar.url, honest.url])
  expect(await agent.sync()).toMatchObject({ complete: false, new: 0, invalid: 2 })
  const { connect } = await import('posthorn')
  const client = await connect(honest.url)
  expect(await client.publish(genuine)).toMatchObject({ accepted: true })
  await client.close()
  await eventually('the genuine one', () => agent.inbox().length === 1)
  expect(agent.inbox()[0]).toMatchObject({ id: genuine.id, text: 'genuine', relay: honest.url })
})
