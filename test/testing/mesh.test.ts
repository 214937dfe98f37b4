import { testMesh } from 'posthorn/testing'
import { expect, test } from 'vitest'

test('an agent is killed, mail arrives, it wakes and has everything once, in order', async () => {
  const mesh = await testMesh({ seed: 7 })
  const ada = await mesh.agent('ada')
  await mesh.agent('bob')
  await mesh.kill('bob')
  for (let n = 1; n <= 20; n++) await ada.send('bob', `letter ${n}`)
  await mesh.advance(1_000)
  expect(ada.status().queue).toBe(0)
  const bob = await mesh.wake('bob')
  await mesh.advance(1_000)
  expect(bob.inbox().map(mail => mail.text)).toEqual(Array.from({ length: 20 }, (_, n) => `letter ${n + 1}`))
  expect(bob.inbox().every(mail => mail.private && mail.known && mail.fromName === 'ada')).toBe(true)
  await mesh.close()
})

test('the relay is killed and returns: what was queued goes out, what it had is still there', async () => {
  const mesh = await testMesh({ seed: 8 })
  const ada = await mesh.agent('ada')
  const bob = await mesh.agent('bob')
  await ada.send('bob', 'before')
  await mesh.settle()
  await mesh.killRelay()
  const id = await ada.send('bob', 'while it was down')
  await mesh.advance(10_000)
  expect(ada.delivery(id)?.state).toBe('queued')
  expect(ada.status().relays[0]?.state).toBe('offline')
  await mesh.startRelay()
  await mesh.advance(60_000)
  expect(ada.delivery(id)?.state).toBe('received')
  expect(bob.inbox().map(mail => mail.text)).toEqual(['before', 'while it was down'])
  expect(bob.status().relays[0]?.state).toBe('live')
  await mesh.close()
})

test('a dead agent neither runs nor writes: its handler is not called again until it wakes', async () => {
  const mesh = await testMesh({ seed: 9 })
  const ada = await mesh.agent('ada')
  const bob = await mesh.agent('bob')
  const seen: string[] = []
  bob.handle('request', ({ text }) => {
    seen.push(`first life: ${text}`)
    return 'done'
  })
  await mesh.kill('bob')
  const answer = ada.ask('bob', 'sum', { timeout: 86_400_000 })
  await mesh.advance(3_600_000)
  expect(seen).toEqual([])
  const again = await mesh.wake('bob')
  again.handle('request', ({ text }) => {
    seen.push(`second life: ${text}`)
    return 'forty-two'
  })
  await mesh.advance(5_000)
  expect((await answer).text).toBe('forty-two')
  expect(seen).toEqual(['second life: sum'])
  await mesh.close()
})

test('time moves only when told to, and the same seed is the same run', async () => {
  const run = async () => {
    const mesh = await testMesh({ seed: 3 })
    const ada = await mesh.agent('ada')
    await mesh.agent('bob')
    const id = await ada.send('bob', 'hello')
    await mesh.cut('ada')
    await mesh.advance(90_000)
    const state = ada.delivery(id)?.state
    const { now } = mesh
    await mesh.close()
    return { id, state, now }
  }
  const first = await run()
  expect(first.state).toBe('received')
  expect(first.now).toBe(Date.UTC(2026, 0, 1) + 90_000)
  expect(await run()).toEqual(first)
})

test('what died leaves nothing behind: no timer of it waits, of however many lives', async () => {
  const mesh = await testMesh({ seed: 10, keys: 'stand-in' })
  await mesh.agent('ada')
  await mesh.advance(1_000)
  await mesh.kill('ada')
  const before = mesh.timers
  for (let life = 0; life < 3; life += 1) {
    const ada = await mesh.wake('ada')
    void ada.state.set('life', life)
    await mesh.advance(1_000)
    expect(mesh.timers).toBeGreaterThan(before)
    if (life === 2) {
      mesh.killAt('ada', { at: 'send' })
      void ada.send('ada', 'last words')
      await mesh.advance(1_000)
    } else await mesh.kill('ada')
    expect(mesh.isAwake('ada')).toBe(false)
    expect(mesh.timers).toBe(before)
  }
  await mesh.close()
})

test('relays that keep no journal go on from their log, and cannot be put back', async () => {
  const mesh = await testMesh({ seed: 11, keys: 'stand-in', rewindable: false })
  const [ada, bob] = [await mesh.agent('ada'), await mesh.agent('bob')]
  await ada.send('bob', 'hello')
  await mesh.advance(1_000)
  const { last } = mesh.relays[0] ?? {}
  await mesh.killRelay()
  await mesh.startRelay()
  expect(mesh.relays[0]?.last).toBe(last)
  await mesh.advance(60_000)
  expect(bob.inbox().map(({ text }) => text)).toEqual(['hello'])
  expect(() => mesh.relays[0]?.snapshot()).toThrow('rewindable: true')
  await mesh.close()
})
