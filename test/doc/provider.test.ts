import { PosthornProvider } from 'posthorn/doc'
import { afterEach, expect, test } from 'vitest'
import * as Y from 'yjs'
import { during, type Mesh, standInMesh } from './mesh.ts'

let mesh: Mesh
const providers: PosthornProvider[] = []
afterEach(async () => {
  for (const each of providers.splice(0)) await during(mesh, each.destroy())
  await mesh.close()
})

const provide = (...given: ConstructorParameters<typeof PosthornProvider>) => {
  const provider = new PosthornProvider(...given)
  providers.push(provider)
  return provider
}

const synced = (provider: PosthornProvider) =>
  during(mesh, new Promise<boolean>(resolve => provider.once('synced', resolve)))

test('an application of Yjs switches by one line: synced, status, awareness, disconnecting and coming back', async () => {
  mesh = await standInMesh()
  const [alice, bob] = [await mesh.agent('alice'), await mesh.agent('bob')]
  const mine = provide(new Y.Doc(), { agent: alice, id: 'board' })
  expect(mine.synced).toBe(false)
  expect(await synced(mine)).toBe(true)
  expect(mine.status).toBe('connected')
  mine.doc.getText('t').insert(0, 'hello')
  mine.awareness.setLocalState({ name: 'Alice' })
  await during(mesh, mine.shared?.invite('bob') ?? Promise.reject(new Error('not open')))
  await mesh.advance(1_000)
  const doc = new Y.Doc()
  const his = provide(doc, { agent: bob, id: 'alice/board' })
  await synced(his)
  expect(his.doc).toBe(doc)
  expect(doc.getText('t').toString()).toBe('hello')

  his.awareness.setLocalState({ name: 'Bob', cursor: 3 })
  await mesh.advance(1_000)
  expect(mine.awareness.getStates().get(his.doc.clientID)).toEqual({ name: 'Bob', cursor: 3 })
  expect(his.awareness.getStates().get(mine.doc.clientID)).toEqual({ name: 'Alice' })

  his.disconnect()
  expect(his.status).toBe('disconnected')
  doc.getText('t').insert(5, ' from Bob')
  mine.doc.getText('t').insert(0, '> ')
  await mesh.advance(5_000)
  expect(doc.getText('t').toString()).toBe('hello from Bob')
  expect(mine.doc.getText('t').toString()).toBe('> hello')
  expect(mine.awareness.getStates().has(doc.clientID)).toBe(false)
  his.connect()
  await mesh.advance(5_000)
  expect(his.synced).toBe(true)
  // Presence is there again without a further move.
  expect(mine.awareness.getStates().get(doc.clientID)).toEqual({ name: 'Bob', cursor: 3 })
  expect(his.awareness.getStates().get(mine.doc.clientID)).toEqual({ name: 'Alice' })
  expect(doc.getText('t').toString()).toBe('> hello from Bob')
  expect(mine.doc.getText('t').toString()).toBe('> hello from Bob')

  await during(mesh, his.destroy())
  await mesh.advance(1_000)
  expect([...mine.awareness.getStates().keys()]).toEqual([mine.doc.clientID])
})

test('what cannot be opened is told, and a document that has content is not filled', async () => {
  mesh = await standInMesh()
  const alice = await mesh.agent('alice')
  const doc = new Y.Doc()
  doc.getText('t').insert(0, 'seeded')
  const provider = provide(doc, { agent: alice, id: 'board', connect: false })
  const failed = new Promise(resolve => provider.once('connection-error', resolve))
  provider.connect()
  expect(await during(mesh, failed)).toMatchObject({ code: 'doc-not-empty' })
  expect(provider.status).toBe('disconnected')
})

test('what programs written for other providers read and call', async () => {
  mesh = await standInMesh()
  const provider = provide(new Y.Doc(), { agent: await mesh.agent('alice'), id: 'board' })
  expect([provider.wsconnected, provider.wsconnecting, provider.roomname]).toEqual([false, true, 'board'])
  expect([provider.document, provider.isSynced, provider.hasUnsyncedChanges]).toEqual([provider.doc, false, false])
  await synced(provider)
  expect([provider.wsconnected, provider.wsconnecting, provider.isSynced]).toEqual([true, false, true])
  provider.doc.getText('t').insert(0, 'a')
  expect(provider.hasUnsyncedChanges).toBe(true)
  await mesh.advance(5_000)
  expect(provider.hasUnsyncedChanges).toBe(false)
  provider.setAwarenessField('user', { name: 'Alice' })
  expect(provider.awareness.getLocalState()).toEqual({ user: { name: 'Alice' } })
  const heard: unknown[] = []
  provider.on('connection-close', value => heard.push(value))
  provider.on('sync', value => heard.push(value))
  provider.emit('sync', [true])
  expect(heard).toEqual([true])
  provider.disconnect()
  expect(heard).toContain(null)
  expect(provider.wsconnected).toBe(false)
})

test('a document whose only relay is gone is neither connected nor synced, and says so until it is back', async () => {
  mesh = await standInMesh()
  const provider = provide(new Y.Doc(), { agent: await mesh.agent('alice'), id: 'board' })
  await synced(provider)
  const closed: unknown[] = []
  provider.on('connection-close', value => closed.push(value))
  const [relay] = mesh.relays
  const statuses = () => [provider.shared?.status.connected, provider.shared?.status.synced, provider.wsconnected]
  expect(statuses()).toEqual([true, true, true])
  await mesh.block('alice', relay?.url ?? '')
  await mesh.advance(60_000)
  expect([statuses(), provider.isSynced, closed.length]).toEqual([[false, false, false], false, 1])
  mesh.unblock('alice', relay?.url ?? '')
  await mesh.advance(120_000)
  expect([statuses(), provider.isSynced]).toEqual([[true, true, true], true])
})
