import { testMesh } from 'posthorn/testing'
import { expect, test } from 'vitest'

const texts = (agent: { inbox(): { text: string }[] }) => agent.inbox().map(({ text }) => text)

test('three relays, two of them dead: mail still comes, and each relay has its copy once it is back', async () => {
  const mesh = await testMesh({ seed: 11, relays: 3 })
  const [one, two, three] = mesh.relays
  const ada = await mesh.agent('ada')
  const bob = await mesh.agent('bob')
  await one?.kill()
  await two?.kill()
  await ada.send('bob', 'through the third')
  await mesh.advance(5_000)
  expect(texts(bob)).toEqual(['through the third'])
  // A receipt would end the wait of the other copies.
  await mesh.kill('bob')
  const id = await ada.send('bob', 'for later')
  await mesh.advance(5_000)
  expect(ada.copies(id).map(({ state }) => state)).toEqual(['waiting', 'waiting', 'stored'])
  await one?.start()
  await two?.start()
  await mesh.advance(60_000)
  expect(ada.copies(id).map(({ state }) => state)).toEqual(['stored', 'stored', 'stored'])
  expect(await Promise.all([one, two, three].map(relay => relay?.has(id)))).toEqual([true, true, true])
  const woken = await mesh.wake('bob')
  await mesh.advance(5_000)
  expect(texts(woken)).toEqual(['through the third', 'for later'])
  await mesh.close()
})

test('a relay put back to an older log loses what it had; the sender offers it again', async () => {
  const mesh = await testMesh({ seed: 12 })
  const [relay] = mesh.relays
  const ada = await mesh.agent('ada')
  const before = relay?.snapshot()
  const id = await ada.send('ada', 'note to self')
  await mesh.advance(1_000)
  expect([await relay?.has(id), ada.delivery(id)?.state]).toEqual([true, 'stored'])
  if (before) await relay?.rewind(before)
  expect(await relay?.has(id)).toBe(false)
  await mesh.advance(60_000)
  expect([await relay?.has(id), ada.delivery(id)?.state]).toEqual([true, 'stored'])
  expect(texts(ada)).toEqual(['note to self'])
  await mesh.close()
})

test('relays that lie: an honest one beside them is enough; a seed tells the same lies again', async () => {
  const run = async () => {
    const mesh = await testMesh({ seed: 13, relays: 3 })
    mesh.relays[0]?.lie({ forge: 0.5, replay: 0.3 })
    mesh.relays[1]?.lie({ drop: 0.5, withhold: 0.5 })
    const ada = await mesh.agent('ada')
    const bob = await mesh.agent('bob')
    const sent: string[] = []
    for (let n = 0; n < 10; n += 1) {
      sent.push(`letter ${n}`)
      await ada.send('bob', `letter ${n}`)
      await mesh.advance(500)
    }
    await mesh.advance(120_000)
    const { invalid } = await Promise.race([bob.sync({ maxMs: 1 }), mesh.advance(10).then(() => bob.sync())])
    const inbox = texts(bob)
    await mesh.close()
    return { inbox, sent, invalid }
  }
  const first = await run()
  expect(first.inbox.toSorted()).toEqual(first.sent.toSorted())
  expect(first.invalid).toBeGreaterThan(0)
  expect(await run()).toEqual(first)
})

test('an agent restored from older mail, and a clone of it, have everything again, once', async () => {
  const mesh = await testMesh({ seed: 14, relays: 2 })
  const ada = await mesh.agent('ada')
  await mesh.agent('bob')
  await ada.send('bob', 'one')
  await mesh.advance(1_000)
  const backup = mesh.snapshot('bob')
  await ada.send('bob', 'two')
  await mesh.advance(1_000)
  const bob = await mesh.restore('bob', backup)
  const twin = await mesh.clone('bob', 'bob2')
  await mesh.advance(5_000)
  expect(texts(bob)).toEqual(['one', 'two'])
  expect(texts(twin)).toEqual(['one', 'two'])
  expect(twin.pubkey).toBe(bob.pubkey)
  const id = await twin.send('ada', 'from the clone')
  await mesh.advance(1_000)
  expect(texts(ada)).toEqual(['from the clone'])
  expect(bob.delivery(id)).toBeUndefined()
  await mesh.close()
})

test('an agent cut off from one relay goes on over the other', async () => {
  const mesh = await testMesh({ seed: 15, relays: 2 })
  const [one, two] = mesh.relays.map(({ url }) => url)
  const ada = await mesh.agent('ada', { relays: [one ?? ''] })
  const bob = await mesh.agent('bob')
  await mesh.block('bob', one ?? '')
  await ada.send('bob', 'only at the first')
  await mesh.advance(60_000)
  expect(bob.status().relays.map(({ url, state }) => [url, state])).toEqual([
    [one, 'offline'],
    [two, 'live'],
  ])
  expect(texts(bob)).toEqual([])
  mesh.unblock('bob', one ?? '')
  await mesh.advance(60_000)
  expect(texts(bob)).toEqual(['only at the first'])
  await mesh.close()
})
