import type { Board } from 'posthorn'
import { testMesh } from 'posthorn/testing'
import { expect, it, onTestFinished } from 'vitest'
import { passing } from './passing.ts'

async function boards() {
  const on = await testMesh({ keys: 'stand-in' })
  onTestFinished(() => on.close())
  const opened: Board[] = []
  const agents = [await on.agent('ada'), await on.agent('bob')]
  for (const agent of agents) {
    opened.push(await passing(on, agent.openBoard('launch', { members: ['ada', 'bob'] })))
  }
  const [ada = expect.unreachable(), bob = expect.unreachable()] = opened
  for (const board of opened) await passing(on, board.ready())
  const sync = async () => {
    for (const board of opened) await passing(on, board.flush())
    await on.advance(3_000)
  }
  return { on, ada, bob, sync }
}

it('posts of all members stand side by side, counters add up', async () => {
  const { ada, bob, sync } = await boards()
  await ada.append('ideas', 'a parade')
  await bob.append('ideas', 'a picnic')
  await bob.append('ideas', 'a picnic')
  await ada.count('votes', 2)
  await bob.count('votes')
  await sync()
  expect(
    ada
      .posts('ideas')
      .map(({ value }) => value)
      .sort(),
  ).toEqual(['a parade', 'a picnic'])
  expect(bob.posts('ideas')).toEqual(ada.posts('ideas'))
  expect([ada.counter('votes'), bob.counter('votes')]).toEqual([3, 3])
})

it('two take a task at the same moment: both come to see that one of them has it', async () => {
  const { ada, bob, sync } = await boards()
  expect(await Promise.all([ada.take('invite'), bob.take('invite')])).toEqual([true, true])
  await sync()
  const holder = ada.claim('invite')?.by
  expect(bob.claim('invite')?.by).toBe(holder)
  const isAda = await ada.take('invite')
  expect(await bob.take('invite')).toBe(!isAda)
  const [held, other] = isAda ? [ada, bob] : [bob, ada]
  await held.release('invite')
  await sync()
  expect(await other.take('invite')).toBe(true)
})

it('a write that was decided on an older board is told so, or refused', async () => {
  const { ada, bob, sync } = await boards()
  const read = ada.read()
  await bob.set('date', 'Thursday')
  await sync()
  await expect(ada.setIf('date', 'Friday', read)).rejects.toMatchObject({ code: 'state-stale' })
  expect(ada.value('date')).toMatchObject({ value: 'Thursday', heads: 1 })
  expect(await ada.set('date', 'Friday', { read })).toEqual({ stale: true })
  expect(await ada.append('log', 'moved it', { read: ada.read() })).toEqual({ stale: false })
  await sync()
  expect([ada.value('date')?.value, bob.value('date')?.value]).toEqual(['Friday', 'Friday'])
  expect(await bob.setIf('date', 'Saturday', bob.read())).toEqual({ stale: false })
})

it('values written at the same moment: the same one for all, and that there were two is told', async () => {
  const { ada, bob, sync } = await boards()
  await Promise.all([ada.set('place', 'park'), bob.set('place', 'roof')])
  await sync()
  expect(ada.value('place')).toEqual(bob.value('place'))
  expect(ada.value('place')?.heads).toBe(2)
})
