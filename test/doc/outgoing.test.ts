import { openDoc, type SharedDoc } from 'posthorn/doc'
import { afterEach, expect, test } from 'vitest'
import * as Y from 'yjs'
import { during as duringOn, type Mesh, standInMesh } from './mesh.ts'

// Any edit goes out: what is large is cut, and what no member would take stops nothing behind it.

let mesh: Mesh
afterEach(() => mesh.close())

const during = <T>(promise: Promise<T>) => duringOn(mesh, promise, 300_000)

async function pair(seed: number) {
  mesh = await standInMesh(seed)
  const ada = await mesh.agent('ada')
  const bob = await mesh.agent('bob')
  const hers = await during(openDoc(ada, 'notes'))
  await during(hers.invite('bob'))
  const his = await during(openDoc(bob, 'ada/notes'))
  await during(his.whenSynced())
  return { hers, his }
}

async function bothHave(hers: SharedDoc, his: SharedDoc) {
  for (let waited = 0; his.digest() !== hers.digest() && waited < 60; waited += 1) await mesh.advance(1_000)
  expect(his.digest()).toBe(hers.digest())
  for (const { status } of [hers, his]) expect(status).toMatchObject({ synced: true, unwritten: false })
}

const deep = (levels: number): unknown => (levels === 0 ? 'bottom' : { in: deep(levels - 1) })

test('one paste of more than an update may have', async () => {
  const { hers, his } = await pair(1)
  hers.doc.getText('t').insert(0, 'paste '.repeat(190_000))
  hers.doc.getText('t').insert(0, 'after it. ')
  expect(await during(hers.flush())).toBe(true)
  await bothHave(hers, his)
  expect(his.doc.getText('t').length).toBe(6 * 190_000 + 10)
})

test('many edits while the relay is away, more than an update may have together', async () => {
  const { hers, his } = await pair(2)
  await mesh.block('ada', mesh.url)
  for (let edit = 0; edit < 150; edit += 1) {
    hers.doc.getText('t').insert(0, `${edit} ${'x'.repeat(10_000)}`)
    await mesh.advance(300)
  }
  expect(hers.status.unwritten || hers.status.unacknowledged > 0).toBe(true)
  mesh.unblock('ada', mesh.url)
  await bothHave(hers, his)
})

test.each<[string, (doc: Y.Doc) => void, (values: readonly unknown[]) => void]>([
  [
    'a value nested too deeply',
    doc => void doc.getMap('m').set('deep', deep(70)),
    values => expect(values).toEqual([deep(70)]),
  ],
  [
    'a value that is too large',
    doc => void doc.getMap('m').set('large', new Uint8Array(1_100_000).fill(7)),
    values => expect(values.map(value => value instanceof Uint8Array && value.length)).toEqual([1_100_000]),
  ],
  [
    'one of several values in a list',
    doc => doc.getArray('l').push(['first', deep(70), 'last']),
    values => expect(values).toEqual([deep(70)]),
  ],
  [
    'shared types nested too deeply',
    doc => {
      let at = doc.getMap<unknown>('m')
      for (let level = 0; level < 70; level += 1) {
        const child = new Y.Map<unknown>()
        at.set('in', child)
        at = child
      }
    },
    values => expect(values).toHaveLength(1),
  ],
])('%s is kept aside and named, and stops nothing', async (_name, edit, check) => {
  const { hers, his } = await pair(3)
  hers.doc.getText('t').insert(0, 'before. ')
  hers.doc.transact(() => {
    edit(hers.doc)
    hers.doc.getText('t').insert(8, 'in the same edit. ')
  })
  for (let note = 0; note < 5; note += 1) {
    hers.doc.getText('t').insert(0, `note ${note}. `)
    await mesh.advance(1_000)
  }
  expect(await during(hers.flush())).toBe(true)
  await bothHave(hers, his)
  expect(his.doc.getText('t').toString()).toBe('note 4. note 3. note 2. note 1. note 0. before. in the same edit. ')
  expect(hers.status.alerts).toMatchObject([{ code: 'withheld' }])
  check(hers.withheld().map(({ value }) => value))
  // Also after a restart.
  await mesh.kill('ada')
  const again = await during(openDoc(await mesh.wake('ada'), 'notes'))
  check(again.withheld().map(({ value }) => value))
  expect(again.digest()).toBe(his.digest())
})

test('what was good in a list beside a value that was not is there', async () => {
  const { hers, his } = await pair(4)
  hers.doc.getArray('l').push(['first'])
  hers.doc.getArray('l').push([deep(70)])
  hers.doc.getArray('l').push(['last'])
  expect(await during(hers.flush())).toBe(true)
  await bothHave(hers, his)
  expect(his.doc.getArray('l').toArray()).toEqual(['first', 'last'])
})

test('a flush beside another says what became of the edits before it', async () => {
  const { hers, his } = await pair(5)
  for (let round = 0; round < 40; round += 1) {
    hers.doc.getText('t').insert(0, 'a')
    const first = hers.flush()
    for (let turn = 0; turn < round % 10; turn += 1) await undefined
    hers.doc.getText('t').insert(0, 'b')
    const second = hers.flush()
    expect(await during(second)).toBe(true)
    expect(hers.status.unwritten).toBe(false)
    await first
  }
  await bothHave(hers, his)
})

test('a document that is too large for a snapshot says so, and goes on', async () => {
  const { hers, his } = await pair(6)
  hers.doc.getText('t').insert(0, 'large '.repeat(400_000))
  expect(await during(hers.flush())).toBe(true)
  await mesh.advance(5_000)
  expect(hers.status.error).toMatch(/larger than 1920 KiB; delete some of it/)
  hers.doc.getText('t').insert(0, 'after it. ')
  await bothHave(hers, his)
})
