import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createProfile, handOver, memoryShelf, openAgent, readHome } from 'posthorn'
import { expect, onTestFinished, test } from 'vitest'
import { startRelay } from '../helpers/start-relay.ts'
import { tempDir } from '../helpers/temp-dir.ts'
import { alice, bob, carol, contactsOf, eventually, memoryAgent } from './agents.ts'

test('a contact is written to by name, its work is done, and it is one across restarts', async () => {
  await using relay = await startRelay()
  const shelf = memoryShelf()
  const b = await memoryAgent(bob, relay.url, { contacts: contactsOf(alice), host: { shelf } })
  b.handle('request', ({ text, fromName }) => `${fromName}: ${text}`)
  const c = await memoryAgent(carol, relay.url, { contacts: contactsOf(bob) })
  const id = await c.send('bob', 'please', { act: 'request' })
  await eventually('it lies there, from a stranger', () => b.requests.list().length === 1)
  expect(b.inbox().filter(({ known }) => known)).toEqual([])
  b.contacts.add('carla', carol.pubkey)
  const answers = c.replies(id)[Symbol.asyncIterator]()
  expect((await answers.next()).value).toMatchObject({ text: 'carla: please' })
  expect(b.contacts.list()).toEqual([...[{ name: 'carla', pubkey: carol.pubkey }], ...contactsOf(alice)])
  await b.send('carla', 'by name')
  await b.close()
  const again = await memoryAgent(bob, relay.url, { contacts: [], host: { shelf } })
  expect(again.contacts.list()).toEqual([{ name: 'carla', pubkey: carol.pubkey }])
  expect(again.contacts.remove('carla')).toBe(true)
  expect(again.contacts.remove(carol.pubkey)).toBe(false)
  expect(again.contacts.list()).toEqual([])
})

test('a profile beside this one keeps its name when it is given another one; a name of the book comes first', async () => {
  await using relay = await startRelay()
  const b = await memoryAgent(bob, relay.url, { contacts: contactsOf(alice) })
  b.contacts.add('helper', alice.pubkey)
  expect(b.contacts.list()).toEqual([{ name: 'helper', pubkey: alice.pubkey, profile: 'alice' }])
  const ids = ['helper', 'alice'].map(async to => b.sent(await b.send(to, 'hello'))?.to)
  expect(await Promise.all(ids)).toEqual([alice.pubkey, alice.pubkey])
  b.contacts.add('alice', carol.pubkey)
  expect(b.sent(await b.send('alice', 'hello'))?.to).toBe(carol.pubkey)
})

test('what a denied key sends is not kept, not even where anyone is accepted', async () => {
  await using relay = await startRelay()
  const b = await memoryAgent(bob, relay.url, { accept: 'anyone', contacts: contactsOf(alice) })
  const c = await memoryAgent(carol, relay.url, { contacts: contactsOf(bob) })
  b.contacts.deny(carol.pubkey)
  await c.stored(await c.send('bob', 'unwanted'))
  const a = await memoryAgent(alice, relay.url)
  await a.send('bob', 'wanted')
  await eventually('what came after it', () => b.inbox().length > 0)
  expect(b.inbox().map(({ text }) => text)).toEqual(['wanted'])
})

test('names: one of each, valid ones; a damaged list is told, never taken for an empty one', async () => {
  await using relay = await startRelay()
  const b = await memoryAgent(bob, relay.url)
  b.contacts.add('c', carol.pubkey)
  expect(() => b.contacts.add('c', alice.pubkey)).toThrow(expect.objectContaining({ code: 'contact-exists' }))
  expect(() => b.contacts.add('no spaces', alice.pubkey)).toThrow(expect.objectContaining({ code: 'profile-name' }))
  expect(() => b.contacts.add('x', 'nobody')).toThrow(expect.objectContaining({ code: 'unknown-recipient' }))
  b.contacts.add('renamed', carol.pubkey)
  expect(b.contacts.list()[0]).toEqual({ name: 'renamed', pubkey: carol.pubkey })
  const shelf = memoryShelf()
  shelf.write('contacts', '{"v":1')
  await expect(
    memoryAgent(bob, relay.url, { host: { shelf } }).then(each => each.contacts.list()),
  ).rejects.toMatchObject({
    code: 'contacts-malformed',
  })
})

test('a home’s book is known to those who read beside its agent, and the other way round', async () => {
  const home = join(tempDir(), 'bob')
  createProfile({ home, relays: ['ws://127.0.0.1:9'] })
  const agent = await openAgent({ home, presence: false, announce: false })
  onTestFinished(async () => void (await agent.close({ timeoutMs: 0 })))
  agent.contacts.add('carla', carol.pubkey)
  const id = await handOver(home, 'carla', 'hello')
  await eventually('it is taken over', () => agent.delivery(id) !== undefined)
  const view = readHome(home)
  expect(() => view.inbox({ from: 'carla' })).not.toThrow()
  view.close()
  const list = { v: 1, contacts: [{ name: 'dora', pubkey: alice.pubkey }] }
  writeFileSync(join(home, 'contacts.json'), JSON.stringify(list), { mode: 0o600 })
  await eventually('it is seen', () => agent.contacts.list().some(({ name }) => name === 'dora'))
})
