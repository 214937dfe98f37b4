import { join } from 'node:path'
import { nip19 } from 'nostr-tools'
import { connect, createMemoryMailStore, createProfile, handOver, memoryShelf, openAgent, readHome } from 'posthorn'
import { expect, onTestFinished, test } from 'vitest'
import { nowSeconds } from '../helpers/events.ts'
import { mistyped } from '../helpers/mistyped.ts'
import { type RunningRelay, startRelay } from '../helpers/start-relay.ts'
import { tempDir } from '../helpers/temp-dir.ts'
import { alice, bob, carol, contactsOf, eventually, memoryAgent } from './agents.ts'

const running = async (): Promise<RunningRelay> => {
  const relay = await startRelay()
  onTestFinished(() => relay[Symbol.asyncDispose]())
  return relay
}

/** A profile of one machine, run without telling anybody anything. */
async function local(root: string, name: string, options: object = {}) {
  const agent = await openAgent({ home: join(root, name), announce: false, presence: false, ...options })
  onTestFinished(async () => void (await agent.close({ timeoutMs: 100 })))
  return agent
}

test('profiles of one machine on different relays: all mail arrives, and says over which relay', async () => {
  const [a, b] = [await running(), await running()]
  const root = tempDir()
  createProfile({ home: join(root, 'ada'), relays: [a.url] })
  createProfile({ home: join(root, 'eve'), relays: [b.url] })
  const ada = await local(root, 'ada')
  // Eve sleeps, and has never published a list.
  const ids = [
    await ada.send('eve', 'sealed'),
    await ada.send('eve', 'wrapped', { wrap: true }),
    ...(await ada.sendAll(['eve', 'ada'], 'to several')),
  ]
  for (const id of ids.slice(0, 3))
    await eventually('stored where she reads', () => {
      const delivery = ada.delivery(id)
      return delivery?.state === 'stored' && delivery.route === 'local-profile' && delivery.relay === b.url
    })
  expect(await ada.stored(ids[3] ?? '')).toMatchObject({ route: 'inbox-relays', relay: a.url })

  const eve = await local(root, 'eve')
  eve.handle('request', ({ text }) => `heard ${text}`)
  await eventually('all there', () => eve.inbox().length === 3)
  // Receipts, answers and ephemerals find their way back.
  for (const id of ids.slice(0, 3)) await eventually('received', () => ada.delivery(id)?.state === 'received')
  expect((await ada.ask('eve', 'me', { timeout: 20_000 })).text).toBe('heard me')
  let heard = ''
  eve.on('ephemeral', ({ text }) => {
    heard = text
  })
  await eve.sync()
  await ada.send('eve', 'psst', { ephemeral: true })
  await eventually('heard', () => heard === 'psst')
})

test('a profile that is run on other relays than its own, and one that moves, are found there', async () => {
  const [a, b, c] = [await running(), await running(), await running()]
  const root = tempDir()
  createProfile({ home: join(root, 'ada'), relays: [a.url] })
  createProfile({ home: join(root, 'eve'), relays: [a.url] })
  const elsewhere = await local(root, 'eve', { relays: [b.url], presence: true })
  const ada = await local(root, 'ada')
  const first = await ada.send('eve', 'one')
  await eventually('there', () => elsewhere.inbox().length === 1)
  await eventually('receipt', () => ada.delivery(first)?.state === 'received')
  await elsewhere.close()
  const { setProfileRelays } = await import('posthorn')
  setProfileRelays(join(root, 'eve'), [c.url])
  await eventually('known by now', () => readHome(join(root, 'eve')).profile.relays[0] === c.url)
  await ada.close()
  const again = await local(root, 'ada')
  const second = await again.send('eve', 'two')
  await eventually('stored', () =>
    again.copies(second).some(({ relay, state }) => relay === c.url && state === 'stored'),
  )
  expect(readHome(join(root, 'ada')).delivery(second)).toMatchObject({ state: 'stored', route: 'local-profile' })
})

test('no relay of the recipient is known: said so, until its list is found; then it is taken there', async () => {
  const [hub, theirs] = [await running(), await running()]
  let ahead = 0
  const { systemClock } = await import('#dist/platform/clock.js')
  const { systemTimers } = await import('#dist/platform/timers.js')
  const clock = { ...systemClock, now: () => systemClock.now() + ahead }
  const timers = {
    ...systemTimers,
    after: (ms: number, run: () => void) => systemTimers.after(ms === 600_000 ? 100 : ms, run),
  }
  const agent = await memoryAgent(alice, hub.url, { contacts: contactsOf(bob), host: { clock, timers } })
  const id = await agent.send('bob', 'hello')
  expect(await agent.stored(id)).toMatchObject({ relay: hub.url, route: 'own-relays' })
  expect(agent.sent(id)?.delivery).toMatchObject({ route: 'own-relays' })
  const client = await connect(hub.url)
  await client.publish(bob.sign({ kind: 10_050, created_at: nowSeconds(), tags: [['relay', theirs.url]] }))
  await client.close()
  ahead = 700_000
  await eventually('found', () => {
    const delivery = agent.delivery(id)
    return delivery?.state === 'stored' && delivery.relay === theirs.url && delivery.route === 'inbox-relays'
  })
})

test('nprofile: its relays are used and remembered, by send, contacts, and whoever goes on later', async () => {
  const [hub, theirs] = [await running(), await running()]
  const [store, shelf] = [createMemoryMailStore(), memoryShelf()]
  const who = nip19.nprofileEncode({ pubkey: carol.pubkey, relays: [theirs.url, 'ws://user:pw@127.0.0.1', 'nonsense'] })
  const first = await memoryAgent(alice, hub.url, { store, contacts: [], host: { shelf } })
  const id = await first.send(who, 'one')
  await eventually('there', () => {
    const delivery = first.delivery(id)
    return delivery?.state === 'stored' && delivery.route === 'hint' && delivery.relay === theirs.url
  })
  expect(first.copies(id).map(({ relay }) => relay)).toEqual([theirs.url, hub.url])
  await first.close()
  const second = await memoryAgent(alice, hub.url, { store, contacts: [], host: { shelf } })
  const again = await second.send(carol.pubkey, 'two')
  await eventually('there', () =>
    second.copies(again).some(({ relay, state }) => relay === theirs.url && state === 'stored'),
  )
  expect(nip19.decode(second.nprofile)).toEqual({ type: 'nprofile', data: { pubkey: alice.pubkey, relays: [hub.url] } })

  // A hint that comes later takes along what was left at the sender's own relays.
  const toBob = await second.send(bob.pubkey, 'three')
  expect(await second.stored(toBob)).toMatchObject({ route: 'own-relays' })
  second.contacts.add('bob', nip19.nprofileEncode({ pubkey: bob.pubkey, relays: [theirs.url] }))
  await eventually('moved', () =>
    second.copies(toBob).some(({ relay, state }) => relay === theirs.url && state === 'stored'),
  )
  await expect(second.send(mistyped(who), 'four')).rejects.toThrow(/not a valid npub or nprofile/)
})

test('nprofile: a command beside a running agent hands its relays over', async () => {
  const [hub, theirs] = [await running(), await running()]
  const root = tempDir()
  createProfile({ home: join(root, 'ada'), relays: [hub.url] })
  const ada = await local(root, 'ada')
  const who = nip19.nprofileEncode({ pubkey: carol.pubkey, relays: [theirs.url] })
  const id = await handOver(join(root, 'ada'), who, 'hello')
  await eventually('there', () => ada.copies(id).some(({ relay, state }) => relay === theirs.url && state === 'stored'))
  expect(readHome(join(root, 'ada')).delivery(id)).toMatchObject({ route: 'hint' })
})
