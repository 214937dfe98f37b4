import { nip19 } from 'nostr-tools'
import { type Agent, connect, createMemoryMailStore } from 'posthorn'
import { expect, onTestFinished, test } from 'vitest'
import { nowSeconds } from '../helpers/events.ts'
import { type RunningRelay, startRelay } from '../helpers/start-relay.ts'
import { alice, bob, carol, contactsOf, eventually, memoryAgent } from './agents.ts'

const running = async (): Promise<RunningRelay> => {
  const relay = await startRelay()
  onTestFinished(() => relay[Symbol.asyncDispose]())
  return relay
}

const profileOf = (pubkey: string, ...relays: string[]) => nip19.nprofileEncode({ pubkey, relays })
const tagsOf = ({ sent }: Agent, store: ReturnType<typeof createMemoryMailStore>, id: string) =>
  (JSON.parse((sent(id) && store.sent(id)?.event) ?? '{}') as { tags: string[][] }).tags

test.each([{ wrap: false }, { wrap: true }])(
  'by nprofile to a key on another relay, nothing else known: receipt and answer find the way back ($wrap)',
  async how => {
    const [mine, theirs] = [await running(), await running()]
    const ada = await memoryAgent(alice, mine.url, { contacts: [] })
    const ben = await memoryAgent(bob, theirs.url, { contacts: contactsOf(alice) })
    ben.handle('request', ({ text }) => `heard ${text}`)
    const answer = await ada.ask(profileOf(bob.pubkey, theirs.url), 'me', { timeout: 20_000, ...how })
    expect(answer.text).toBe('heard me')
    const id = await ada.send(bob.pubkey, 'and this', how)
    await eventually('received', () => ada.delivery(id)?.state === 'received')
    // What he writes of himself goes there, too.
    const back = await ben.send('alice', 'hello', how)
    await eventually('stored', () => {
      const delivery = ben.delivery(back)
      return delivery?.state === 'received' || (delivery?.state === 'stored' && delivery.route === 'hint')
    })
    await eventually('there', () => ada.inbox().some(({ text }) => text === 'hello'))
  },
)

test('a stranger’s relays count once it is accepted, or written to; its own list then counts instead', async () => {
  const [mine, theirs, other] = [await running(), await running(), await running()]
  const ada = await memoryAgent(alice, mine.url, { contacts: [] })
  const cat = await memoryAgent(carol, mine.url, { contacts: [] })
  const ben = await memoryAgent(bob, theirs.url, { contacts: [] })
  for (const agent of [ada, cat]) await agent.send(profileOf(bob.pubkey, theirs.url), 'hi')
  await eventually('both there', () => ben.inbox().length === 2)
  // Accepted: what came is receipted from now on, and mail finds her.
  ben.requests.accept(alice.pubkey)
  const toAda = await ben.send(alice.pubkey, 'welcome')
  await eventually('stored', () =>
    ben.copies(toAda).some(({ relay, state }) => relay === mine.url && state === 'stored'),
  )
  // Written to.
  const toCat = await ben.send(carol.pubkey, 'who are you')
  await eventually('stored', () =>
    ben.copies(toCat).some(({ relay, state }) => relay === mine.url && state === 'stored'),
  )
  expect(ben.delivery(toCat)).toMatchObject({ state: 'stored', route: 'hint' })

  // A signed list is her own word of where she reads now.
  const client = await connect(theirs.url)
  await client.publish(carol.sign({ kind: 10_050, created_at: nowSeconds(), tags: [['relay', other.url]] }))
  await client.close()
  const fresh = await memoryAgent(bob, theirs.url, { contacts: contactsOf(carol), store: createMemoryMailStore() })
  await fresh.sync()
  await eventually('her message', () => fresh.inbox().some(({ from }) => from === carol.pubkey))
  const again = await fresh.send(carol.pubkey, 'there?')
  await eventually('stored', () => {
    const delivery = fresh.delivery(again)
    return delivery?.state === 'stored' && delivery.route === 'inbox-relays' && delivery.relay === other.url
  })
  expect(fresh.copies(again).map(({ relay }) => relay)).toEqual([other.url])
})

test('relays are named only where it is needed, and none of this network to a public relay', async () => {
  const mine = await running()
  const store = createMemoryMailStore()
  const ada = await memoryAgent(alice, mine.url, { contacts: [], store })
  const names = async (who: string) => {
    const id = await ada.send(who, 'x')
    return tagsOf(ada, store, id).filter(([name]) => name === 'relay')
  }
  expect(await names(profileOf(bob.pubkey, mine.url))).toEqual([])
  expect(await names(alice.pubkey)).toEqual([])
  expect(await names(profileOf(carol.pubkey, 'ws://127.0.0.1:9'))).toEqual([['relay', mine.url]])
  const id = await ada.send(profileOf('e'.repeat(64).replace(/e$/, 'a'), 'wss://relay.example'), 'x', { public: true })
  expect(tagsOf(ada, store, id).filter(([name]) => name === 'relay')).toEqual([])
})

test('relays that a message names are addresses of a stranger: at most four, never of this network for an agent on public relays', async () => {
  const relay = await running()
  const store = createMemoryMailStore()
  const ben = await memoryAgent(bob, relay.url, { contacts: contactsOf(alice), store, allowPrivate: false })
  const client = await connect(relay.url)
  const tags = [
    ['p', bob.pubkey],
    ['y', 'inform'],
    ['v', '1'],
    ...['ws://127.0.0.1:1', 'ws://[::1]:2', 'ws://10.0.0.1', 'ftp://x', 'ws://a:b@relay.example', 'x'].map(url => [
      'relay',
      url,
    ]),
    ...Array.from({ length: 50 }, (_, n) => ['relay', `wss://${n}.example`]),
  ]
  await client.publish(alice.sign({ kind: 4700, created_at: nowSeconds(), content: 'hi', tags }))
  await client.close()
  await eventually('there', () => ben.inbox().length === 1)
  // More of them in the next message change nothing so soon.
  const later = await connect(relay.url)
  await later.publish(
    alice.sign({
      kind: 4700,
      created_at: nowSeconds(),
      content: 'again',
      tags: [
        ['p', bob.pubkey],
        ['y', 'inform'],
        ['v', '1'],
        ['relay', 'wss://later.example'],
      ],
    }),
  )
  await later.close()
  await eventually('both there', () => ben.inbox().length === 2)
  expect(store.relayNote(alice.pubkey)?.text).not.toContain('later.example')
  const hints = (JSON.parse(store.relayNote(alice.pubkey)?.text ?? '{}') as { hints: string[] }).hints
  expect(hints.length).toBeLessThanOrEqual(4)
  const id = await ben.send('alice', 'hello')
  await eventually('addressed', () => ben.copies(id).length > 0)
  expect(
    ben
      .copies(id)
      .map(({ relay: url }) => url)
      .filter(url => /127|::1|10\.|@/.test(url) && url !== relay.url),
  ).toEqual([])
})

test('an invite that was accepted: the inviter knows at once where the accepter reads', async () => {
  const [mine, theirs] = [await running(), await running()]
  const ada = await memoryAgent(alice, mine.url, { contacts: [] })
  const ben = await memoryAgent(bob, theirs.url, { contacts: [] })
  const { text } = await ada.invites.create()
  const accepted = await ben.invites.accept(text)
  await eventually('known', () => ada.contacts.list().some(({ pubkey }) => pubkey === bob.pubkey))
  const id = await ada.send(bob.pubkey, 'welcome')
  expect(await ada.stored(id)).toMatchObject({ route: 'hint' })
  await eventually('done', () => ben.delivery(accepted.id)?.state === 'done')
})
