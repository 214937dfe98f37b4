import { type TestMesh, testMesh } from 'posthorn/testing'
import { expect, it, onTestFinished } from 'vitest'
import { passing } from './passing.ts'

async function mesh(relays = 1): Promise<TestMesh> {
  const made = await testMesh({ keys: 'stand-in', relays })
  onTestFinished(() => made.close())
  return made
}

it('what is set is read at once here, and soon by others; sets, counters and gauges too', async () => {
  const on = await mesh()
  const [alice, bob] = [await on.agent('alice'), await on.agent('bob')]
  const own = await passing(on, alice.state.open())
  const view = await passing(on, bob.openState('alice'))
  // What they tell of themselves when they start.
  await on.advance(5_000)
  const heard: string[] = []
  view.subscribe(undefined, ({ kind, name }) => heard.push(`${kind} ${name}`))
  await own.set('mood', 'curious')
  expect(own.view.get('mood')).toBe('curious')
  await own.count('hits', 3)
  await own.add('skills', 'sum')
  await own.setGauge('energy', 120, { min: 0, max: 100, halfLifeMs: 60_000 })
  await own.set('gone', 1)
  await own.delete('gone')
  expect(await passing(on, own.flush())).toBe(true)
  expect(view.content()).toEqual({
    values: { mood: 'curious' },
    counters: { hits: 3 },
    sets: { skills: ['sum'] },
    gauges: { energy: expect.closeTo(100, 0) },
  })
  expect(heard.sort()).toEqual(['counter hits', 'gauge energy', 'set skills', 'value mood'])
  const before = on.relays[0]?.last
  await on.advance(60_000)
  expect(view.gauge('energy')).toBeCloseTo(50, 0)
  expect(on.relays[0]?.last).toBe(before)
  expect(view.digest).toBe(own.view.digest)
})

it('changes within a moment travel as one event, and a flood of them as few', async () => {
  const on = await mesh()
  const alice = await on.agent('alice')
  const own = await passing(on, alice.state.open())
  await passing(on, own.view.ready())
  // What it tells of itself when it starts.
  await on.advance(5_000)
  const before = on.relays[0]?.last ?? 0
  for (let index = 0; index < 500; index += 1) void own.set(`key${index % 8}`, index)
  await on.advance(5_000)
  expect((on.relays[0]?.last ?? 0) - before).toBe(1)
})

it('the private record says nothing to others', async () => {
  const on = await mesh()
  const alice = await on.agent('alice')
  await passing(on, alice.state.private.set('secret', 'xyzzy'))
  await passing(on, alice.state.private.flush())
  await on.kill('alice')
  const again = await on.wake('alice')
  expect(await passing(on, again.state.private.get('secret'))).toBe('xyzzy')
  expect(await passing(on, again.state.get('secret'))).toBeUndefined()
})
