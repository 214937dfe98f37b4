import { type CrashPoint, testMesh } from 'posthorn/testing'
import { expect, test } from 'vitest'

const POINTS: readonly (readonly [string, CrashPoint, inOutbox: boolean, atRelay: boolean])[] = [
  ['before it is signed', { at: 'sign' }, false, false],
  ['before it is kept', { at: 'write' }, false, false],
  ['once it is kept', { at: 'write', after: true }, true, false],
  ['before its relay is chosen', { at: 'address' }, true, false],
  ['before it is sent', { at: 'send' }, true, false],
  ['once it is sent', { at: 'send', after: true }, true, true],
  ['before it hears the OK', { at: 'hear' }, true, true],
  ['before the OK is kept', { at: 'settle' }, true, true],
]

test.each(POINTS)('an agent that dies %s', async (_, point, inOutbox, atRelay) => {
  const mesh = await testMesh({ seed: 21, keys: 'stand-in' })
  const ada = await mesh.agent('ada')
  await mesh.agent('bob')
  // Relays and lists are known, so that a letter is all there is to do.
  await ada.send('bob', 'first')
  await mesh.advance(60_000)
  mesh.killAt('ada', point)
  const last = mesh.relays[0]?.last ?? 0
  await ada.send('bob', 'second')
  await mesh.settle()
  expect(mesh.isAwake('ada')).toBe(false)
  expect((mesh.relays[0]?.last ?? 0) > last).toBe(atRelay)
  const again = await mesh.wake('ada')
  await mesh.advance(10_000)
  expect(again.status().queue).toBe(0)
  await mesh.kill('bob')
  const bob = await mesh.wake('bob')
  await mesh.advance(10_000)
  expect(bob.inbox().map(({ text }) => text)).toEqual(inOutbox ? ['first', 'second'] : ['first'])
  await mesh.close()
})

test('stand-in keys: what a relay damages is found, what is sealed opens for its recipient alone', async () => {
  const mesh = await testMesh({ seed: 22, relays: 2, keys: 'stand-in' })
  mesh.relays[1]?.lie({ forge: 1 })
  const ada = await mesh.agent('ada')
  const bob = await mesh.agent('bob')
  await ada.send('bob', 'for bob')
  await mesh.advance(10_000)
  expect(bob.inbox().map(({ text }) => text)).toEqual(['for bob'])
  const synced = bob.sync()
  await mesh.advance(30_000)
  expect((await synced).invalid).toBeGreaterThan(0)
  expect(mesh.timers).toBeLessThan(60)
  await mesh.close()
})
