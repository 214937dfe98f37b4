import type { Agent } from 'posthorn'
import { openDoc, PosthornProvider } from 'posthorn/doc'
import { testMesh } from 'posthorn/testing'
import { afterEach, expect, test } from 'vitest'
import * as Y from 'yjs'
import { during as duringOn, type Mesh } from './mesh.ts'

let mesh: Mesh
afterEach(() => mesh.close())

const during = <T>(promise: Promise<T>) => duringOn(mesh, promise)

/** Ann is at the second relay alone, Bob at the first, until he accepts her invite. */
async function strangers(): Promise<{ ann: Agent; bob: Agent; meet(): Promise<unknown> }> {
  mesh = await testMesh({ keys: 'stand-in', relays: 2 })
  const [first = '', second = ''] = mesh.relays.map(({ url }) => url)
  const ann = await mesh.agent('ann', { relays: [second] })
  const bob = await mesh.agent('bob', { relays: [first] })
  await mesh.advance(1_000)
  const meet = async () => bob.invites.accept((await ann.invites.create()).text)
  return { ann, bob, meet }
}

test('a relay that is added while a document is open gets its members, what is in it, and carries what follows', async () => {
  const { ann, bob, meet } = await strangers()
  const his = await during(openDoc(bob, 'plan'))
  his.doc.getText('t').insert(0, 'before. ')
  await mesh.advance(3_000)
  await during(meet())
  await during(his.invite('ann'))
  const hers = await during(openDoc(ann, 'bob/plan'))
  expect(await during(hers.whenSynced())).toBe(true)
  hers.doc.getText('t').insert(8, 'after.')
  await mesh.advance(3_000)
  expect(his.doc.getText('t').toString()).toBe('before. after.')
  // What is decided there reaches him, too.
  await during(his.setRole('ann', 'admin'))
  const carol = await mesh.agent('carol')
  await during(hers.invite(carol.npub, 'read'))
  await mesh.advance(1_000)
  expect(his.members().map(({ role }) => role)).toEqual(['admin', 'admin', 'read'])
})

test('a cursor is seen through a relay that was added after it was shown', async () => {
  const { ann, bob, meet } = await strangers()
  const his = new PosthornProvider(new Y.Doc(), { agent: bob, id: 'plan' })
  await during(new Promise(resolve => his.once('synced', resolve)))
  his.awareness.setLocalState({ name: 'Bob' })
  await mesh.advance(1_000)
  await during(meet())
  await during(his.shared?.invite('ann') ?? Promise.reject(new Error('not open')))
  const hers = new PosthornProvider(new Y.Doc(), { agent: ann, id: 'bob/plan' })
  await during(new Promise(resolve => hers.once('synced', resolve)))
  await mesh.advance(2_000)
  expect(hers.awareness.getStates().get(his.doc.clientID)).toEqual({ name: 'Bob' })
  for (const each of [hers, his]) await during(each.destroy())
})
