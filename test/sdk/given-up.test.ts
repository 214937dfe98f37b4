import { testMesh } from 'posthorn/testing'
import { expect, onTestFinished, test } from 'vitest'

const DAY_MS = 24 * 3_600_000

test('mail that no relay took for a week is a dead letter, and goes out when it is tried again', async () => {
  const mesh = await testMesh({ seed: 51 })
  onTestFinished(() => mesh.close())
  await mesh.agent('ben')
  const ada = await mesh.agent('ada')
  await mesh.advance(1_000)
  await mesh.kill('ben')
  await mesh.killRelay()
  const id = await ada.send('ben', 'is anybody there?')
  await mesh.kill('ada')
  // Asleep most of the week: it counts too.
  const early = await mesh.wake('ada')
  await mesh.advance(1_000)
  expect([early.delivery(id), early.deadLetters.list()]).toEqual([{ state: 'queued' }, []])
  await mesh.kill('ada')
  await mesh.advance(7 * DAY_MS)
  const late = await mesh.wake('ada')
  await mesh.advance(1_000)
  expect(late.delivery(id)).toEqual({ state: 'undeliverable', reason: expect.stringMatching(/^undeliverable: /) })
  expect(late.deadLetters.list()).toMatchObject([{ direction: 'out', id, reason: expect.stringMatching(/7 days/) }])
  expect(late.status().queue).toBe(0)
  await expect(late.stored(id)).rejects.toMatchObject({ code: 'refused' })

  await mesh.startRelay()
  expect(late.deadLetters.retry(id)).toBe(true)
  await mesh.advance(60_000)
  expect(late.delivery(id)).toMatchObject({ state: 'stored' })
  expect(late.deadLetters.list()).toEqual([])
})

test('a receipt ends the waiting of copies for a relay that is away', async () => {
  const mesh = await testMesh({ seed: 52, relays: 2 })
  onTestFinished(() => mesh.close())
  const [hub, away] = mesh.relays
  if (!hub || !away) throw new Error('no relays')
  const ben = await mesh.agent('ben')
  const ada = await mesh.agent('ada')
  await mesh.advance(5_000)
  await away.kill()
  const id = await ada.send('ben', 'hello')
  await mesh.settle()
  expect(
    ada
      .copies(id)
      .map(({ state }) => state)
      .sort(),
  ).toEqual(['stored', 'waiting'])
  await mesh.advance(5_000)
  expect(ben.inbox()).toHaveLength(1)
  expect(ada.receipts(id)).toMatchObject([{ state: 'received' }])
  expect(ada.copies(id)).toEqual([{ relay: hub.url, state: 'stored', seq: expect.any(Number) }])
  await away.start()
  await mesh.advance(90_000)
  expect(await away.has(id)).toBe(false)
})
