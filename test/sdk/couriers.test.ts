import { testMesh } from 'posthorn/testing'
import { expect, test } from 'vitest'

test('couriers: to many foreign relays a few at a time, each hung up when it has all, one that is dead in nobody’s way', async () => {
  const mesh = await testMesh({ seed: 41, relays: 11 })
  const [hub, dead, ...others] = mesh.relays
  if (!hub || !dead) throw new Error('no relays')
  const names = [dead, ...others].map((_, n) => `agent${n}`)
  for (const [n, relay] of [dead, ...others].entries())
    await mesh.agent(names[n] ?? '', { relays: [hub.url, relay.url] })
  // They stay up, so they say where they read.
  await mesh.advance(5_000)
  const ada = await mesh.agent('ada', { relays: [hub.url] })
  await dead.kill()
  // Its receipt would end the wait.
  await mesh.kill('agent0')
  const visitors = () => others.reduce((sum, { connections }) => sum + connections - 1, 0)

  const ids: string[] = []
  for (const name of names) ids.push(await ada.send(name, `for ${name}`))
  const seen: number[] = []
  for (let tick = 0; tick < 20; tick += 1) {
    await mesh.settle()
    seen.push(visitors())
    await mesh.advance(50)
  }
  await mesh.advance(5_000)
  expect(Math.max(...seen)).toBeGreaterThan(0)
  expect(Math.max(...seen)).toBeLessThanOrEqual(8)
  const [first = '', ...rest] = ids
  for (const [n, id] of rest.entries()) expect(await others[n]?.has(id)).toBe(true)
  expect(ada.copies(first)).toEqual([
    { relay: hub.url, state: 'stored', seq: expect.any(Number) },
    { relay: dead.url, state: 'waiting', reason: 'the relay was not reached' },
  ])
  await mesh.advance(30_000)
  expect(visitors()).toBe(0)
  expect(ada.status().relays.map(({ url }) => url)).toEqual([hub.url])

  await dead.start()
  await mesh.advance(90_000)
  expect(await dead.has(first)).toBe(true)
  await mesh.close()
})

test('a foreign relay that went back is offered again what it had acknowledged, the next time there is mail for it', async () => {
  const mesh = await testMesh({ seed: 42, relays: 2 })
  const [hub, theirs] = mesh.relays
  if (!hub || !theirs) throw new Error('no relays')
  const bob = await mesh.agent('bob')
  await mesh.advance(5_000)
  const ada = await mesh.agent('ada', { relays: [hub.url] })
  const before = theirs.snapshot()
  const first = await ada.send('bob', 'one')
  await mesh.advance(30_000)
  expect([await theirs.has(first), theirs.connections]).toEqual([true, 1])

  await theirs.rewind(before)
  expect(await theirs.has(first)).toBe(false)
  const second = await ada.send('bob', 'two')
  await mesh.advance(30_000)
  expect([await theirs.has(second), await theirs.has(first)]).toEqual([true, true])
  expect(bob.inbox().map(({ text }) => text)).toEqual(['one', 'two'])
  await mesh.close()
})

test('a foreign relay that went back is asked at the next start, though nothing else leads there; not at every start', async () => {
  const mesh = await testMesh({ seed: 43, relays: 2, keys: 'stand-in' })
  const [hub, theirs] = mesh.relays
  if (!hub || !theirs) throw new Error('no relays')
  await mesh.agent('bob')
  await mesh.advance(5_000)
  await mesh.kill('bob')
  const ada = await mesh.agent('ada', { relays: [hub.url] })
  const before = theirs.snapshot()
  const first = await ada.send('bob', 'one')
  await mesh.advance(30_000)
  expect(await theirs.has(first)).toBe(true)

  await mesh.kill('ada')
  await theirs.rewind(before)
  await mesh.wake('ada')
  await mesh.advance(2_000)
  expect([await theirs.has(first), theirs.connections]).toEqual([true, 1])
  await mesh.advance(30_000)
  expect(theirs.connections).toBe(0)

  await mesh.kill('ada')
  await mesh.wake('ada')
  await mesh.advance(2_000)
  expect(theirs.connections).toBe(0)
  await mesh.close()
})
