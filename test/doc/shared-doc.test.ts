import { openDoc } from 'posthorn/doc'
import { afterEach, expect, test } from 'vitest'
import { during as duringOn, type Mesh, standInMesh } from './mesh.ts'

let mesh: Mesh
afterEach(() => mesh.close())

const during = <T>(promise: Promise<T>) => duringOn(mesh, promise)

test('two agents edit one document; what one writes while the other sleeps is there when it wakes', async () => {
  mesh = await standInMesh()
  const alice = await mesh.agent('alice')
  const bob = await mesh.agent('bob')
  const mine = await during(openDoc(alice, 'notes'))
  mine.doc.getText('t').insert(0, 'hello')
  await during(mine.invite('bob'))
  const his = await during(openDoc(bob, 'alice/notes'))
  expect(await during(his.whenSynced())).toBe(true)
  expect(his.doc.getText('t').toString()).toBe('hello')
  his.doc.getText('t').insert(5, ' world')
  await mesh.advance(1_000)
  expect(mine.doc.getText('t').toString()).toBe('hello world')
  expect(mine.digest()).toBe(his.digest())
  await mesh.kill('bob')
  mine.doc.getMap('m').set('a', { b: 1 })
  mine.doc.getText('t').delete(0, 6)
  await mesh.advance(1_000)
  const again = await during(openDoc(await mesh.wake('bob'), 'alice/notes'))
  expect(await during(again.whenSynced())).toBe(true)
  expect(again.doc.getText('t').toString()).toBe('world')
  expect(again.doc.getMap('m').toJSON()).toEqual({ a: { b: 1 } })
  expect(again.digest()).toBe(mine.digest())
  expect(mine.status).toMatchObject({ synced: true, role: 'admin', members: 2, unacknowledged: 0, alerts: [] })
  expect(again.history().map(({ author }) => author === alice.pubkey)).toEqual([true, false, true])
})

const pairOn = async (name = 'notes') => {
  const [alice, bob] = [await mesh.agent('alice'), await mesh.agent('bob')]
  const mine = await during(openDoc(alice, name))
  await during(mine.invite('bob'))
  const his = await during(openDoc(bob, `alice/${name}`))
  await during(his.whenSynced())
  return { alice, bob, mine, his }
}

test('what a removed member writes counts nowhere and it cannot read on; what a remaining one wrote offline is said again', async () => {
  mesh = await standInMesh()
  const { mine, his } = await pairOn()
  const carol = await mesh.agent('carol')
  await during(mine.invite('carol', 'write'))
  const hers = await during(openDoc(carol, 'alice/notes'))
  await during(hers.whenSynced())
  mine.doc.getText('t').insert(0, 'base.')
  await mesh.advance(1_000)
  // Carol and Bob are cut off, and both go on writing.
  await mesh.block('carol', mesh.url)
  await mesh.block('bob', mesh.url)
  hers.doc.getText('t').insert(5, ' carol offline')
  his.doc.getText('t').insert(5, ' bob offline')
  await mesh.advance(3_000)
  const replaced = new Promise(resolve => hers.on('replaced', resolve))
  await during(mine.remove('bob'))
  expect(mine.status).toMatchObject({ generation: 1, members: 2 })
  mine.doc.getMap('m').set('secret', 1)
  await mesh.advance(1_000)
  mesh.unblock('carol', mesh.url)
  mesh.unblock('bob', mesh.url)
  await mesh.advance(60_000)
  await replaced
  expect(mine.doc.getText('t').toString()).toBe('base. carol offline')
  expect(hers.doc.getText('t').toString()).toBe('base. carol offline')
  expect(hers.digest()).toBe(mine.digest())
  expect(his.doc.getMap('m').toJSON()).toEqual({})
  expect(his.status.role).toBeUndefined()
  expect([...mine.status.alerts, ...hers.status.alerts]).toEqual([])
})

test('a change that was never written before the process ended is written by the next one, under its own client id', async () => {
  mesh = await standInMesh()
  const { mine, his } = await pairOn()
  his.doc.getText('t').insert(0, 'known. ')
  await mesh.advance(1_000)
  await mesh.kill('bob')
  await mesh.block('bob', mesh.url)
  const offline = await during(openDoc(await mesh.wake('bob'), 'alice/notes'))
  expect(offline.doc.getText('t').toString()).toBe('known. ')
  expect(offline.status).toMatchObject({ synced: false, behind: true })
  offline.doc.getText('t').insert(7, 'offline')
  const first = offline.doc.clientID
  await mesh.advance(3_000)
  await mesh.kill('bob')
  mesh.unblock('bob', mesh.url)
  const online = await during(openDoc(await mesh.wake('bob'), 'alice/notes'))
  expect(online.doc.clientID).not.toBe(first)
  await during(online.whenSynced())
  await mesh.advance(3_000)
  expect(online.doc.getText('t').toString()).toBe('known. offline')
  expect(mine.doc.getText('t').toString()).toBe('known. offline')
  expect(mine.digest()).toBe(online.digest())
})

test('a change larger than an event goes in parts, and a long history behind a snapshot', async () => {
  mesh = await standInMesh()
  const { mine, his } = await pairOn()
  mine.doc.getText('t').insert(0, 'x'.repeat(70_000))
  await mesh.advance(3_000)
  expect(his.doc.getText('t').length).toBe(70_000)
  for (let step = 0; step < 70; step += 1) {
    his.doc.getMap('m').set(`k${step % 5}`, step)
    await mesh.advance(300)
  }
  await mesh.advance(5_000)
  expect(mine.digest()).toBe(his.digest())
  const carol = await mesh.agent('carol')
  await during(mine.invite('carol'))
  const hers = await during(openDoc(carol, 'alice/notes'))
  expect(await during(hers.whenSynced())).toBe(true)
  expect(hers.digest()).toBe(mine.digest())
})

test('a reader may not write, a writer may not invite, a stranger gets nothing', async () => {
  mesh = await standInMesh()
  const { mine } = await pairOn()
  const carol = await mesh.agent('carol')
  await expect(during(openDoc(carol, 'alice/notes', { timeoutMs: 2_000 }))).rejects.toMatchObject({
    code: 'doc-not-member',
  })
  await expect(during(openDoc(carol, 'alice/other', { timeoutMs: 2_000 }))).rejects.toMatchObject({
    code: 'doc-unknown',
  })
  await during(mine.invite('carol', 'read'))
  const hers = await during(openDoc(carol, 'alice/notes'))
  await during(hers.whenSynced())
  hers.doc.getText('t').insert(0, 'mine')
  await mesh.advance(3_000)
  expect(hers.status.alerts).toMatchObject([{ code: 'unwritten' }])
  expect(mine.doc.getText('t').toString()).toBe('')
  await expect(hers.invite('bob', 'admin')).rejects.toMatchObject({ code: 'doc-role' })
  await expect(during(mine.remove('alice'))).rejects.toMatchObject({ code: 'doc-role' })
})

test('compacted by an admin: the same content without its past, and everybody goes on in it', async () => {
  mesh = await standInMesh()
  const { mine, his } = await pairOn()
  const carol = await mesh.agent('carol')
  await during(mine.invite('carol', 'write'))
  const hers = await during(openDoc(carol, 'alice/notes'))
  await during(hers.whenSynced())
  mine.doc.getText('t').insert(0, 'xxx')
  await mesh.advance(1_000)
  his.doc.transact(() => {
    for (let step = 0; step < 300; step += 1) his.doc.getMap('m').set(`k${step % 3}`, step)
  })
  his.doc.getText('t').format(0, 2, { bold: true })
  await mesh.advance(3_000)
  const before = mine.size()
  expect(before).toMatchObject({ sessions: 2 })
  await expect(his.compact()).rejects.toMatchObject({ code: 'doc-role' })
  // Carol had everything, and writes on where nobody hears her: that still has its place.
  await mesh.block('carol', mesh.url)
  hers.doc.getText('t').insert(3, ' carol')
  hers.doc.getMap('m').set('carol', 'kept')
  await mesh.advance(3_000)
  await during(mine.compact())
  mesh.unblock('carol', mesh.url)
  await mesh.advance(60_000)
  his.doc.getText('t').insert(3, 'yz')
  await mesh.advance(3_000)
  for (const { doc, status } of [mine, his, hers]) {
    expect(status).toMatchObject({ generation: 1, members: 3, synced: true })
    expect(doc.getText('t').toDelta()).toEqual([{ insert: 'xx', attributes: { bold: true } }, { insert: 'xyz carol' }])
    expect(doc.getMap('m').toJSON()).toEqual({ k0: 297, k1: 298, k2: 299, carol: 'kept' })
  }
  expect([...mine.status.alerts, ...hers.status.alerts]).toEqual([])
  expect(new Set([mine, his, hers].map(({ digest }) => digest())).size).toBe(1)
  expect(mine.size().bytes).toBeLessThan(before.bytes / 10)
  // The same once others have gone on in it: what she wrote belongs to what it began with.
  await mesh.block('carol', mesh.url)
  hers.doc.getText('t').insert(1, 'unheard')
  await mesh.advance(3_000)
  await during(mine.compact())
  mine.doc.getText('t').insert(0, 'missed ')
  await mesh.advance(3_000)
  mesh.unblock('carol', mesh.url)
  await mesh.advance(60_000)
  expect(mine.doc.getText('t').toString()).toBe('missed xunheardxxyz carol')
  expect(hers.status.alerts).toEqual([])
  expect(hers.digest()).toBe(mine.digest())
})
