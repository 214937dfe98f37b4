import { createServer } from 'node:net'
import { connect, openAgent, problemsOf, readProfile } from 'posthorn'
import type { NostrEvent } from 'posthorn/protocol'
import { expect, onTestFinished, test } from 'vitest'
import { dialNode } from '#dist/platform/dial-node.js'
import type { Dial } from '#dist/platform/socket.js'
import { corrupt, nowSeconds, person } from '../helpers/events.ts'
import { startRelay } from '../helpers/start-relay.ts'
import { tempDir } from '../helpers/temp-dir.ts'
import { alice, bob, eventually, memoryAgent } from './agents.ts'
import { type Script, scriptedRelay } from './scripted-relay.ts'

const inboxRelays = (relays: string[], created_at = nowSeconds()): NostrEvent =>
  alice.sign({ kind: 10_050, created_at, tags: relays.map(url => ['relay', url]) })
const NOBODY = { contacts: [] }

/** Answers questions for lists with these, whoever is asked for. */
const liar = (lists: readonly NostrEvent[]) => {
  const script: Script = (peer, frame) => {
    if (frame[0] === 'EVENT') return peer.send('OK', frame[1].id, true, '')
    if (frame[0] !== 'REQ') return
    for (const list of lists) peer.event(frame[1], list)
    peer.send('EOSE', frame[1])
  }
  return scriptedRelay(script, undefined, script)
}

/** Takes connections and says nothing. */
async function silentPort(): Promise<string> {
  const server = createServer(() => {})
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  return `ws://127.0.0.1:${(server.address() as { port: number }).port}`
}

test('two agents with no relay in common find each other by npub; mail, receipt and answer go past what they both look at', async () => {
  await using hers = await startRelay()
  await using his = await startRelay()
  await using shared = await startRelay()
  const ada = await memoryAgent(alice, hers.url, { announce: true, discovery: [shared.url], ...NOBODY })
  const ben = await memoryAgent(bob, his.url, { announce: true, discovery: [shared.url], accept: 'anyone', ...NOBODY })
  ada.contacts.add('ben', ben.npub)
  ben.contacts.add('ada', ada.npub)
  ben.handle('request', ({ text }) => `heard: ${text}`)
  const looker = await connect(shared.url)
  const listed = async (key: string) => looker.count([{ kinds: [10_002, 10_050], authors: [key] }])
  await expect.poll(() => listed(alice.pubkey), { timeout: 20_000 }).toBe(2)
  await expect.poll(() => listed(bob.pubkey), { timeout: 20_000 }).toBe(2)

  const id = await ada.send(ben.npub, 'are you there?', { act: 'request' })
  await eventually('the answer', () => ada.inbox().some(({ text }) => text === 'heard: are you there?'))
  expect(ada.copies(id)).toMatchObject([{ relay: his.url, state: 'stored' }])
  await eventually('the receipt', () => ada.receipts(id).some(({ state }) => state === 'done'))
  // Lists are all that it has.
  expect(await looker.count([{}])).toBe(4)
  expect(ada.status().relays.map(({ url }) => url)).toEqual([hers.url])
  expect(ada.status().discovery).toEqual([{ url: shared.url }])
  expect((await ada.sync()).relays.map(({ relay }) => relay)).toEqual([hers.url])
  await looker.close()
}, 60_000)

test('without it, mail stays at the own relay', async () => {
  await using his = await startRelay()
  await using shared = await startRelay()
  const client = await connect(shared.url)
  await client.publish(inboxRelays([shared.url]))
  await client.close()
  const ben = await memoryAgent(bob, his.url, NOBODY)
  const id = await ben.send(alice.pubkey, 'hello')
  expect(await ben.stored(id)).toMatchObject({ relay: his.url, route: 'own-relays' })
  expect(ben.status()).not.toHaveProperty('discovery')
})

test('what it says is verified as anywhere: forged lists, a list of 1,000 relays, private addresses', async () => {
  await using his = await startRelay()
  await using real = await startRelay()
  const forged = corrupt(inboxRelays(['ws://127.0.0.1:9/forged'], nowSeconds() + 5), 'sig')
  const other = person('mallory').sign({ kind: 10_050, created_at: nowSeconds(), tags: [['relay', real.url]] })
  const lies = await liar([forged, other])
  const ben = await memoryAgent(bob, his.url, { discovery: [lies.url], ...NOBODY })
  const id = await ben.send(alice.pubkey, 'hello')
  expect(await ben.stored(id)).toMatchObject({ relay: his.url })
  expect(ben.status().discovery).toEqual([{ url: lies.url, error: 'what it gave did not verify' }])
  await ben.close()

  const many = Array.from({ length: 1_000 }, (_, n) => `ws://127.0.0.1:${n + 1}`)
  const long = await liar([inboxRelays([real.url, ...many])])
  const again = await memoryAgent(bob, his.url, { discovery: [long.url], ...NOBODY })
  const second = await again.send(alice.pubkey, 'hello')
  await eventually('stored', () => again.copies(second).some(({ state }) => state === 'stored'))
  expect(again.copies(second).length).toBeLessThanOrEqual(8)
  await again.close()

  const careful = await memoryAgent(bob, his.url, { discovery: [long.url], allowPrivate: false, ...NOBODY })
  const third = await careful.send(alice.pubkey, 'hello')
  expect(await careful.stored(third)).toMatchObject({ relay: his.url })
  expect(careful.copies(third).map(({ relay }) => relay)).toEqual([his.url])
}, 60_000)

test('an older list does not replace a newer one', async () => {
  await using his = await startRelay()
  await using real = await startRelay()
  const client = await connect(his.url)
  await client.publish(inboxRelays([real.url]))
  await client.close()
  const old = await liar([inboxRelays(['ws://127.0.0.1:9'], nowSeconds() - 1_000)])
  const ben = await memoryAgent(bob, his.url, { discovery: [old.url], ...NOBODY })
  const id = await ben.send(alice.pubkey, 'hello')
  expect(await ben.stored(id)).toMatchObject({ relay: real.url })
  await eventually('asked', () => old.connections > 0)
  expect(ben.copies(id).map(({ relay }) => relay)).toEqual([real.url])
})

test('a newer list that it has is used, though mail has gone by the older one', async () => {
  await using his = await startRelay()
  await using before = await startRelay()
  await using now = await startRelay()
  const client = await connect(his.url)
  await client.publish(inboxRelays([before.url], nowSeconds() - 1_000))
  await client.close()
  const newer = await liar([inboxRelays([now.url])])
  const ben = await memoryAgent(bob, his.url, { discovery: [newer.url], ...NOBODY })
  const id = await ben.send(alice.pubkey, 'hello')
  await eventually('there, too', () =>
    ben.copies(id).some(({ relay, state }) => relay === now.url && state === 'stored'),
  )
})

test('one that is away, and one that is silent, hold up nothing that can go; status says so, and nothing is wrong', async () => {
  await using his = await startRelay()
  await using real = await startRelay()
  const silent = await silentPort()
  const away = 'ws://127.0.0.1:9'
  const client = await connect(his.url)
  await client.publish(inboxRelays([real.url]))
  await client.close()
  const ben = await memoryAgent(bob, his.url, { discovery: [away, silent], ...NOBODY })
  await ben.sync()
  const known = await ben.send(alice.pubkey, 'to one who is known')
  const stranger = await ben.send(person('stranger').pubkey, 'to one who is not')
  // Not after any wait for the silent one: that would be the order otherwise.
  expect(await ben.stored(known)).toMatchObject({ relay: real.url })
  expect(await ben.stored(stranger)).toMatchObject({ relay: his.url, route: 'own-relays' })
  await eventually('it is said', () => ben.status().discovery?.[0]?.error !== undefined)
  expect(problemsOf(ben.status())).toEqual([])
})

test('connections end soon after the last question', async () => {
  await using his = await startRelay()
  let open = 0
  const answers: Script = (peer, frame) => {
    if (frame[0] === 'REQ') peer.send('EOSE', frame[1])
  }
  const shared = await scriptedRelay(
    answers,
    peer => {
      open += 1
      peer.socket.on('close', () => {
        open -= 1
      })
    },
    answers,
  )
  const ben = await memoryAgent(bob, his.url, { discovery: [shared.url], ...NOBODY })
  await Promise.all(['a', 'b', 'c'].map(name => ben.send(person(name).pubkey, 'hello')))
  await eventually('asked', () => shared.connections === 1)
  await eventually('hung up', () => open === 0)
  expect(shared.connections).toBe(1)
})

test('addresses of this network are not published where everybody looks', async () => {
  await using his = await startRelay()
  const dialled: string[] = []
  const dial: Dial = (url, events, how) => {
    dialled.push(new URL(url).hostname)
    return dialNode(url, events, how)
  }
  const discovery = ['wss://lists.invalid']
  const ben = await memoryAgent(bob, his.url, { announce: true, discovery, host: { dial } as never, ...NOBODY })
  const client = await connect(his.url)
  await expect.poll(() => client.count([{ kinds: [10_050] }]), { timeout: 20_000 }).toBe(1)
  await client.close()
  await ben.close()
  expect(new Set(dialled)).toEqual(new Set(['127.0.0.1']))
})

test('a card is found there by key, verified', async () => {
  await using his = await startRelay()
  await using shared = await startRelay()
  const writer = await memoryAgent(alice, shared.url, { presence: true })
  await writer.sync()
  const client = await connect(shared.url)
  await expect.poll(() => client.count([{ kinds: [14_705] }]), { timeout: 20_000 }).toBe(1)
  await client.close()
  const ben = await memoryAgent(bob, his.url, { discovery: [shared.url], ...NOBODY })
  await ben.sync()
  expect(await ben.card.get(alice.pubkey)).toMatchObject({ card: { name: 'alice' } })
})

test('four at most, each a relay address; kept in the profile, overridden by the option', async () => {
  const urls = [1, 2, 3, 4].map(port => `ws://127.0.0.1:${port}`)
  const home = `${tempDir()}/ada`
  const options = { home, relays: ['ws://127.0.0.1:9'], announce: false, presence: false }
  for (const discovery of [[...urls, 'ws://127.0.0.1:5'], ['https://a.example'], ['wss://u:p@a.example']])
    await expect(openAgent({ ...options, discovery })).rejects.toMatchObject({ code: 'profile-malformed' })
  const ada = await openAgent({ ...options, discovery: [...urls, `${urls[0]}/`] })
  expect(ada.status().discovery?.map(({ url }) => url)).toEqual(urls)
  await ada.close({ timeoutMs: 0 })
  expect(readProfile(home).discovery).toEqual(urls)
  const again = await openAgent(options)
  expect(again.status().discovery?.map(({ url }) => url)).toEqual(urls)
  await again.close({ timeoutMs: 0 })
  const without = await openAgent({ ...options, discovery: [] })
  expect(without.status()).not.toHaveProperty('discovery')
  await without.close({ timeoutMs: 0 })
})
