import { createMemoryMailStore } from 'posthorn'
import { createVirtualTime, testMesh } from 'posthorn/testing'
import { expect, test } from 'vitest'
import type { Route } from '#dist/sdk/mail/route.js'
import { createRepairer } from '#dist/sdk/relays/repairer.js'
import { nowSeconds } from '../helpers/events.ts'
import { alice, bob, eventually, memoryAgent, messageTo } from './agents.ts'
import { type Script, scriptedRelay } from './scripted-relay.ts'

const texts = (agent: { inbox(): { text: string }[] }) => agent.inbox().map(({ text }) => text)

test('what one relay withheld is found when another gives cause for suspicion, and compared with all', async () => {
  const mesh = await testMesh({ seed: 31, relays: 2 })
  const [one, two] = mesh.relays
  if (!one || !two) throw new Error('no relays')
  const ada = await mesh.agent('ada', { relays: [one.url] })
  const bob = await mesh.agent('bob')
  const before = two.snapshot()
  one.lie({ withhold: 1 })
  for (let n = 0; n < 40; n += 1) await ada.send('bob', `withheld ${n}`)
  await mesh.advance(5_000)
  one.lie({})
  await ada.send('bob', 'given')
  const own = await bob.send('bob', 'kept by the second')
  await mesh.advance(5_000)
  expect(texts(bob)).toEqual(['given', 'kept by the second'])
  // Its own log being whole, the first relay's cursor is past what it withheld: only a comparison finds it.
  await mesh.advance(30_000)
  expect(texts(bob).length).toBe(2)

  await two.rewind(before)
  await mesh.advance(60_000)
  expect(texts(bob).length).toBe(42)
  expect(new Set(texts(bob)).size).toBe(42)
  expect(await two.has(own)).toBe(true)
  expect(bob.status().relays.map(({ state, mayMiss }) => [state, mayMiss])).toEqual([
    ['live', false],
    ['live', false],
  ])
  await mesh.close()
})

test('wraps and receipts are compared too; what was dropped, or read before, is not fetched again', async () => {
  const mesh = await testMesh({ seed: 32, relays: 2 })
  const [one, two] = mesh.relays
  if (!one || !two) throw new Error('no relays')
  const ada = await mesh.agent('ada', { relays: [one.url] })
  const eve = await mesh.agent('eve', { relays: [one.url] })
  const bob = await mesh.agent('bob')
  bob.contacts.deny(eve.pubkey)
  const before = two.snapshot()
  for (let n = 0; n < 3; n += 1) await eve.send('bob', `unwanted ${n}`)
  await ada.send('bob', 'wrapped and given', { wrap: true })
  await mesh.advance(1_000)
  const asked = await bob.send('ada', 'received?')
  await mesh.advance(100)
  one.lie({ withhold: 1 })
  for (let n = 0; n < 3; n += 1) await ada.send('bob', `withheld ${n}`, { wrap: true })
  await mesh.advance(5_000)
  one.lie({})
  await ada.send('bob', 'given')
  // So that the second relay has told a position that it will not have any more.
  await bob.send('bob', 'own')
  await mesh.advance(5_000)
  expect(texts(bob)).toEqual(['wrapped and given', 'given', 'own'])
  const dropped = bob.requests.list()
  expect(bob.delivery(asked)).toMatchObject({ state: 'stored' })
  expect(dropped).toMatchObject([{ pubkey: eve.pubkey, dropped: 3 }])

  await two.rewind(before)
  await mesh.advance(60_000)
  expect(texts(bob).toSorted()).toEqual(['given', 'own', 'withheld 0', 'withheld 1', 'withheld 2', 'wrapped and given'])
  expect(bob.delivery(asked)).toMatchObject({ state: 'received' })
  expect(bob.requests.list()).toEqual(dropped)
  await mesh.close()
})

test('what a relay served damaged is fetched once it has it undamaged, though the agent died in between', async () => {
  const mesh = await testMesh({ seed: 33, keys: 'stand-in' })
  const [relay] = mesh.relays
  const ada = await mesh.agent('ada')
  const bob = await mesh.agent('bob')
  await mesh.advance(3_000)
  relay?.lie({ forge: 1 })
  await ada.send('bob', 'damaged on its way')
  await mesh.advance(20_000)
  expect([texts(bob), bob.status().relays[0]?.state]).toEqual([[], 'live'])
  await mesh.kill('bob')
  relay?.lie({})
  const woken = await mesh.wake('bob')
  await mesh.advance(90_000)
  expect(texts(woken)).toEqual(['damaged on its way'])
  // Nothing is left to be compared.
  expect(mesh.snapshot('bob').rows.get('relay-notes')?.get('suspected')).toMatchObject({ text: '' })
  await mesh.close()
})

const EPOCH = '0000000000010000'
const now = nowSeconds()
const hidden = Array.from({ length: 7 }, (_, n) => messageTo(alice, bob, `hidden ${n}`, now - n * 10))

/** Says in log order that it has nothing, with a gap; pages by time, five at a time, and does not reconcile. */
const twoFaced: Script = (peer, frame) => {
  if (frame[0] === 'NEG-OPEN') return peer.send('NEG-ERR', frame[1], 'unsupported: no')
  if (frame[0] !== 'REQ' || frame[2].ids) return
  const filter = frame[2] as { since_seq?: number; until?: number }
  if (filter.since_seq !== undefined) {
    peer.send('SEQ', frame[1], filter.since_seq, EPOCH)
    peer.send('EOSE', frame[1], ['finish', 'seq:9', `epoch:${EPOCH}`])
    return peer.send('SEQ', frame[1], 3, EPOCH)
  }
  const page = hidden.filter(({ created_at }) => created_at <= (filter.until ?? now)).slice(0, 5)
  for (const event of page) peer.event(frame[1], event)
  peer.send('EOSE', frame[1])
}

test('a relay that does not reconcile is listed, page by page', async () => {
  const relay = await scriptedRelay(twoFaced)
  const agent = await memoryAgent(alice, relay.url, { speed: 20 })
  await eventually('all of it', () => agent.inbox().length === hidden.length)
  expect(texts(agent).toSorted()).toEqual(hidden.map(({ content }) => content).toSorted())
})

test('pruned before it was fetched: told as a gap', async () => {
  const store = createMemoryMailStore()
  const serve =
    (floor: number): Script =>
    (peer, frame) => {
      if (frame[0] !== 'REQ' || frame[2].since_seq === undefined) return
      peer.send('SEQ', frame[1], frame[2].since_seq, EPOCH)
      peer.send('EOSE', frame[1], ['finish', 'seq:50', `epoch:${EPOCH}`, `floor:${floor}`])
    }
  let floor = 0
  const relay = await scriptedRelay((peer, frame) => serve(floor)(peer, frame))
  const gapsAt = async (pruned: number) => {
    floor = pruned
    const agent = await memoryAgent(alice, relay.url, { store })
    const { gaps } = await agent.sync()
    await agent.close()
    return gaps
  }
  expect([await gapsAt(20), await gapsAt(51), await gapsAt(52)]).toEqual([0, 0, 1])
})

test('a relay that stays away is compared again at growing intervals, then not before the next suspicion, which does not wait for them', async () => {
  const time = createVirtualTime(0)
  const tries: number[] = []
  const route = {
    url: 'ws://r',
    get isOpen() {
      tries.push(Math.round(time.clock.monotonic() / 1000))
      return false
    },
  } as Route
  const repairer = createRepairer({
    ...time,
    routes: [route],
    pubkey: alice.pubkey,
    store: createMemoryMailStore(),
    onChange() {},
  })
  repairer.suspect(true)
  repairer.suspect(true)
  await time.advance(10_000_000)
  expect(tries).toEqual([2, 62, 122, 182, 302, 542, 1022, 1982, 3902, 7742])
  tries.length = 0
  repairer.suspect(true)
  await time.advance(400_000)
  repairer.suspect(true)
  await time.advance(3_000)
  expect(tries).toEqual([10_002, 10_062, 10_122, 10_182, 10_302, 10_402])
  repairer.close()
  expect(time.pending).toBe(0)
})
