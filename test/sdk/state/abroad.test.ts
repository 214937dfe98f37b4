import { connect } from 'posthorn'
import { createMemoryStore, createRelay } from 'posthorn/relay'
import { expect, it, onTestFinished } from 'vitest'
import { dialNode } from '#dist/platform/dial-node.js'
import type { Dial } from '#dist/platform/socket.js'
import { createLookout } from '#dist/sdk/lookout.js'
import { nodeHost } from '#dist/sdk/node-host.js'
import { nowSeconds, type Person, person } from '../../helpers/events.ts'
import { sharedVerifier } from '../../helpers/shared-verifier.ts'
import { alice, bob, contactsOf, eventually, memoryAgent } from '../agents.ts'
import { scriptedRelay } from '../scripted-relay.ts'

async function startRelay() {
  const relay = await createRelay({ store: createMemoryStore(), verifier: await sharedVerifier() })
  onTestFinished(() => relay.close())
  return relay.listen({ port: 0 })
}

/** Says at a relay where somebody publishes, as another client of the same key may. */
async function list(who: Person, at: string, tags: string[][]) {
  const wire = await connect(at)
  const event = who.sign({ kind: 10_002, created_at: nowSeconds(), tags })
  expect((await wire.publish(event)).accepted).toBe(true)
  await wire.close()
}

/** Alice writes at a relay that Bob does not use. */
async function apart() {
  const [hers, his] = [await startRelay(), await startRelay()]
  const owner = await memoryAgent(alice, hers)
  await owner.state.set('mood', 'curious')
  expect(await owner.state.flush()).toBe(true)
  const dialled = new Set<string>()
  const dial: Dial = (url, ...rest) => {
    dialled.add(url)
    return dialNode(url, ...rest)
  }
  return { hers, his, owner, dialled, dial }
}

it('the state of somebody who publishes elsewhere is read there, by the list at the own relay', async () => {
  const { hers, his, owner, dialled, dial } = await apart()
  await list(alice, his, [
    ['r', hers, 'write'],
    ['r', 'ws://127.0.0.1:1', 'read'],
  ])
  const reader = await memoryAgent(bob, his, { host: { dial } })
  const views = [await reader.openState(alice.pubkey), await reader.openState(alice.pubkey)]
  for (const view of views) {
    expect(await view.ready()).toBe(true)
    expect(view.get('mood')).toBe('curious')
    expect(view.status).toMatchObject({ behind: false, caughtUp: 1, relays: 2 })
  }
  await owner.state.set('mood', 'calm')
  await eventually('it is told', () => views[0]?.get('mood') === 'calm')
  expect([...dialled].sort()).toEqual([hers, his].sort())
  const before = reader.status()
  for (const view of views) await view.close()
  expect(reader.status()).toEqual(before)
})

it('and where a contact was said to be found; so it is for those who only look in', async () => {
  const { hers, his, dial } = await apart()
  const contacts = [{ name: 'alice', pubkey: alice.pubkey, relays: [hers] }]
  const reader = await memoryAgent(bob, his, { contacts, host: { dial } })
  const view = await reader.openState('alice')
  expect(await view.ready()).toBe(true)
  expect(view.get('mood')).toBe('curious')
  const lookout = createLookout({ ...nodeHost, relays: [his], contacts })
  onTestFinished(() => lookout.close())
  const look = lookout.state('alice')
  expect(await look.ready()).toBe(true)
  expect(look.get('mood')).toBe('curious')
})

it('where it publishes cannot be reached: behind, said so, and what the own relay has is there', async () => {
  const { his, dial } = await apart()
  await list(alice, his, [['r', 'ws://127.0.0.1:1']])
  const copy = await memoryAgent(alice, his, { presence: false })
  await copy.state.set('mood', 'as it was copied')
  expect(await copy.state.flush()).toBe(true)
  const reader = await memoryAgent(bob, his, { host: { dial }, speed: 20 })
  const view = await reader.openState(alice.pubkey)
  await eventually('the copy is there', () => view.get('mood') === 'as it was copied')
  await eventually('it is tried there', () => view.status.relays === 2)
  expect(view.status).toMatchObject({ behind: true, caughtUp: 0 })
  expect(await view.ready()).toBe(true)
  expect(view.status.behind).toBe(true)
})

it('a list leads neither into a private network nor to more relays than four', async () => {
  const { hers, his, dialled, dial } = await apart()
  await list(alice, his, [['r', hers]])
  const careful = await memoryAgent(bob, his, { allowPrivate: false, contacts: contactsOf(alice), host: { dial } })
  const view = await careful.openState(alice.pubkey)
  expect(await view.ready()).toBe(true)
  expect(view.get('mood')).toBe(undefined)
  expect([...dialled]).toEqual([his])
  const many = Array.from({ length: 9 }, (_, n) => `ws://127.0.0.1:${n + 1}`)
  await list(
    bob,
    his,
    many.map(url => ['r', url]),
  )
  const owner = await memoryAgent(alice, his, { host: { dial } })
  await owner.openState(bob.pubkey)
  await eventually('it is followed there', () => dialled.size === 5)
  expect([...dialled].filter(url => many.includes(url))).toEqual(many.slice(0, 4))
})

it('is read however many silent relays the lists of others name', async () => {
  const { hers, his } = await apart()
  const silent = await scriptedRelay(() => {})
  const hostile = Array.from({ length: 6 }, (_, n) => person(`silent writer ${n}`))
  for (const [n, who] of hostile.entries())
    await list(
      who,
      his,
      Array.from({ length: 4 }, (_, m) => ['r', `${silent.url}/${n}-${m}`, 'write']),
    )
  await list(alice, his, [['r', hers, 'write']])
  const reader = await memoryAgent(bob, his)
  for (const { pubkey } of hostile) await reader.openState(pubkey)
  await eventually('they are dialled', () => silent.connections >= 16)
  const view = await reader.openState(alice.pubkey)
  await eventually('it is read', () => view.get('mood') === 'curious')
})
