import { openDoc, type SharedDoc } from 'posthorn/doc'
import type { NostrEvent } from 'posthorn/protocol'
import { testMesh } from 'posthorn/testing'
import { afterEach, expect, test } from 'vitest'
import { STATE_SNAPSHOT } from '#dist/protocol/kinds.js'
import { turnOf } from '#dist/sdk/state/log/turn.js'
import { during as duringOn, type Mesh } from './mesh.ts'

let mesh: Mesh
afterEach(() => mesh.close())

/** Enough for a snapshot is due, of each of them at the same moment. */
async function write(documents: readonly SharedDoc[]): Promise<void> {
  for (let step = 0; step < 8; step += 1) {
    for (const [who, { doc }] of documents.entries()) doc.getMap('m').set(`k${who}`, `${step}`.repeat(1_800))
    await mesh.advance(300)
  }
}

test('members who all have much that no snapshot covers: one of them takes it, and that is enough for all', async () => {
  const snapshots: NostrEvent[] = []
  mesh = await testMesh({
    keys: 'stand-in',
    onSigned: event => void (event.kind === STATE_SNAPSHOT && snapshots.push(event)),
  })
  const during = <T>(promise: Promise<T>) => duringOn(mesh, promise)
  const [alice, bob, carol] = [await mesh.agent('alice'), await mesh.agent('bob'), await mesh.agent('carol')]
  const hers = await during(openDoc(alice, 'plan'))
  for (const who of ['bob', 'carol']) await during(hers.invite(who))
  const all = [hers]
  for (const agent of [bob, carol]) all.push(await during(openDoc(agent, 'alice/plan')))
  for (const shared of all) await during(shared.whenSynced())
  await write(all)
  // Shorter than resting takes, longer than a round: nobody has a reason any more.
  await mesh.advance(29_000)
  expect(snapshots).toHaveLength(1)
  expect(new Set(all.map(({ digest }) => digest())).size).toBe(1)
  const first = [alice, bob, carol].find(({ pubkey }) => pubkey === snapshots[0]?.pubkey)

  // Whose turn it is sleeps, and the next one does it.
  if (first) await mesh.kill(first === alice ? 'alice' : first === bob ? 'bob' : 'carol')
  const awake = all.filter((_, index) => [alice, bob, carol][index] !== first)
  await write(awake)
  await mesh.advance(29_000)
  expect(snapshots).toHaveLength(2)
})

test('turns: the same order for everybody, each after the other, all within half a minute', () => {
  const authors = new Set(Array.from({ length: 40 }, (_, index) => `author ${index}`))
  const turns = [...authors].map(author => turnOf(author, authors, 'doc.0')).sort((a, b) => a - b)
  expect(turns).toEqual(turns.map((_, index) => expect.closeTo((index * 30_000) / 39)))
  const few = new Set(['a', 'b', 'c'])
  expect([...few].map(author => turnOf(author, few, 'doc.0')).sort()).toEqual([0, 3_000, 6_000])
  expect(turnOf('a', new Set(['a']), 'doc.0')).toBe(0)
})
