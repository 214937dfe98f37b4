import { join } from 'node:path'
import { createProfile, openAgent, problemsOf } from 'posthorn'
import { testMesh } from 'posthorn/testing'
import { expect, test } from 'vitest'
import { systemClock } from '#dist/platform/clock.js'
import { startRelay } from '../helpers/start-relay.ts'
import { tempDir } from '../helpers/temp-dir.ts'
import { bob, memoryAgent } from './agents.ts'
import { passing } from './state/passing.ts'

const HOUR = 3_600_000
const YEAR = 365 * 24 * HOUR
const LAX = { createdAtFuture: 2 * 366 * 24 * 3_600 }
const SKEWS = { 'an hour': HOUR, 'a day': 24 * HOUR, 'a year': YEAR }

test.each(Object.entries(SKEWS))(
  'mail written while the clock was %s ahead arrives once it is right',
  async (_, ahead) => {
    const on = await testMesh({ seed: 61 })
    let ada = await on.agent('ada')
    const bob = await on.agent('bob')
    bob.handle('request', ({ text }) => `answer to ${text}`)
    await on.advance(5_000)
    on.skew('ada', ahead)
    const id = await ada.send('bob', 'early')
    const wraps = [
      await ada.send('bob', 'in a wrap', { wrap: true }),
      await ada.send('bob', 'as chat', { wrap: 'chat' }),
    ]
    const asking = ada.ask('bob', 'how?', { timeout: 600_000 })
    await on.advance(60_000)
    expect(ada.delivery(id)?.state).toBe('queued')
    expect(ada.status().relays[0]?.clock).toContain('in the future')
    expect(problemsOf(ada.status()).map(({ code }) => code)).toContain('clock-off')
    on.skew('ada', 0)
    await on.advance(60_000)
    expect(
      bob
        .inbox()
        .map(({ text }) => text)
        .sort(),
    ).toEqual(['as chat', 'early', 'how?', 'in a wrap'])
    expect(ada.delivery(id)?.state).toBe('received')
    for (const wrap of wraps) expect(ada.delivery(wrap)?.state).toMatch(/stored|received/)
    expect(ada.receipts(id).length).toBeGreaterThan(0)
    expect((await passing(on, asking)).text).toBe('answer to how?')
    expect(ada.deadLetters.list()).toEqual([])
    expect(ada.status().relays[0]?.clock).toBeUndefined()
    // Across a restart, too.
    on.skew('ada', ahead)
    const later = await ada.send('bob', 'later')
    await ada.send('bob', 'later', { wrap: true })
    await on.advance(1_000)
    await on.kill('ada')
    on.skew('ada', 0)
    ada = await on.wake('ada')
    await on.advance(60_000)
    expect(bob.inbox().filter(({ text }) => text === 'later')).toHaveLength(2)
    expect(ada.delivery(later)?.state).toBe('received')
    await on.close()
  },
)

test('where one relay takes what is dated ahead and another does not, it arrives once', async () => {
  const on = await testMesh({ seed: 62, relays: 2, relayLimits: index => (index === 1 ? LAX : {}) })
  const [ada, bob] = [await on.agent('ada'), await on.agent('bob')]
  await on.advance(5_000)
  on.skew('ada', YEAR)
  await ada.send('bob', 'early')
  await on.advance(60_000)
  on.skew('ada', 0)
  await on.advance(120_000)
  expect(bob.inbox().map(({ text }) => text)).toEqual(['early'])
  await on.close()
})

test('a clock that is behind, or jumps, keeps no mail and no receipt back', async () => {
  const on = await testMesh({ seed: 63, keys: 'stand-in' })
  const [ada, bob] = [await on.agent('ada'), await on.agent('bob')]
  for (const [n, ahead] of [-24 * HOUR, YEAR, -HOUR, 24 * HOUR, 0].entries()) {
    on.skew('ada', ahead)
    on.skew('bob', -ahead)
    await ada.send('bob', `to bob ${n}`)
    await bob.send('ada', `to ada ${n}`)
    await on.advance(30_000)
  }
  await on.advance(120_000)
  const texts = (who: string) => [0, 1, 2, 3, 4].map(n => `to ${who} ${n}`)
  expect(
    bob
      .inbox()
      .map(({ text }) => text)
      .sort(),
  ).toEqual(texts('bob'))
  expect(
    ada
      .inbox()
      .map(({ text }) => text)
      .sort(),
  ).toEqual(texts('ada'))
  expect([ada.status().queue, bob.status().queue, ada.deadLetters.list()]).toEqual([0, 0, []])
  await on.close()
})

for (const [name, lax] of [
  ['strict', false],
  ['lax', true],
] as const)
  test.each(Object.entries(SKEWS))(
    `card, presence and relay lists of a clock that was %s ahead, at a ${name} relay`,
    async (_, ahead) => {
      const on = await testMesh({ seed: 64, keys: 'stand-in', ...(lax ? { relayLimits: () => LAX } : {}) })
      let ada = await on.agent('ada', { presence: true })
      const bob = await on.agent('bob')
      await on.advance(10_000)
      on.skew('ada', ahead)
      await passing(on, ada.card.set({ description: 'ahead' }))
      void ada.presence.set({ mood: 'ahead' })
      await on.advance(60_000)
      on.skew('ada', 0)
      // The card that was set last is told, whether or not another one follows.
      await on.advance(120_000)
      expect((await passing(on, bob.card.get('ada')))?.card.description).toBe('ahead')
      expect((await passing(on, bob.presence.get('ada')))?.mood).toBe('ahead')
      await passing(on, ada.card.set({ description: 'right' }))
      void ada.presence.set({ mood: 'right' })
      await on.advance(120_000)
      expect((await passing(on, bob.card.get('ada')))?.card.description).toBe('right')
      expect(await passing(on, bob.presence.get('ada'))).toMatchObject({ state: 'online', mood: 'right' })
      // Announced anew under a wrong clock, and again under the right one.
      await on.kill('ada')
      on.skew('ada', ahead)
      ada = await on.wake('ada', { presence: true, relays: [on.url, 'ws://elsewhere.test'] })
      await on.advance(60_000)
      await on.kill('ada')
      on.skew('ada', 0)
      ada = await on.wake('ada', { presence: true, relays: [on.url] })
      await on.advance(180_000)
      expect(await passing(on, bob.presence.get('ada'))).toMatchObject({ state: 'online' })
      const id = await bob.send('ada', 'still there?')
      await on.advance(30_000)
      expect(bob.delivery(id)?.state).toBe('received')
      await on.close()
    },
  )

test('a home whose clock was a year ahead for one change and one message, at a real relay', async () => {
  await using relay = await startRelay()
  const reader = await memoryAgent(bob, relay.url)
  const home = join(tempDir(), 'ada')
  let ahead = YEAR
  const clock = { ...systemClock, now: () => systemClock.now() + ahead }
  const open = () =>
    openAgent({
      home,
      name: 'ada',
      relays: [relay.url],
      presence: false,
      host: { clock, contacts: () => [{ name: 'bob', pubkey: bob.pubkey }] },
    })
  let ada = await open()
  await ada.state.set('mood', 'ahead')
  expect(await ada.state.flush(1_500)).toBe(false)
  const { status } = (await ada.state.open()).view
  expect(status.unacknowledged).toBe(1)
  expect(status.error).toContain('check your clock')
  const id = await ada.send('bob', 'ahead')
  const left = await ada.close({ timeoutMs: 1_000 })
  expect(left).toMatchObject({ unsent: 1, state: { unacknowledged: 1 } })
  ahead = 0
  ada = await open()
  await ada.state.set('mood', 'right')
  expect(await ada.state.flush(20_000)).toBe(true)
  const view = await reader.openState(ada.pubkey)
  expect(await view.ready()).toBe(true)
  await expect.poll(() => view.get('mood'), { timeout: 15_000 }).toBe('right')
  expect(view.status.behind).toBe(false)
  await expect.poll(() => ada.delivery(id)?.state, { timeout: 15_000 }).toMatch(/stored|received/)
  expect(await ada.close()).toEqual({ unsent: 0, untold: 0 })
})

test('a relay whose clock is behind gets its mail once it is right, under the id it was sent with, though another relay has a copy', async () => {
  let passed = 0
  let behind = 24 * HOUR
  const timeOf = (off: () => number) => ({ ...systemClock, now: () => systemClock.now() + passed + off() })
  await using hub = await startRelay({ clock: timeOf(() => 0) })
  await using late = await startRelay({ clock: timeOf(() => -behind) })
  const root = tempDir()
  createProfile({ home: join(root, 'bob'), relays: [late.url] })
  const open = (name: string, relay: string) =>
    openAgent({ home: join(root, name), relays: [relay], presence: false, host: { clock: timeOf(() => 0) } })
  const copyAt = (agent: Awaited<ReturnType<typeof open>>, id: string, url: string) =>
    agent.copies(id).find(({ relay }) => relay === url)
  let ada = await open('ada', hub.url)
  const id = await ada.send('bob', 'to a late relay')
  for (const round of [1, 2]) {
    await expect.poll(() => copyAt(ada, id, hub.url)?.state, { timeout: 15_000 }).toBe('stored')
    await expect.poll(() => copyAt(ada, id, late.url)?.reason ?? '', { timeout: 15_000 }).toContain('in the future')
    expect(copyAt(ada, id, late.url)?.state).toBe('waiting')
    expect(ada.delivery(id)?.state).toBe('queued')
    await ada.close({ timeoutMs: 100 })
    if (round === 1) passed += 10 * 60_000
    else behind = 0
    ada = await open('ada', hub.url)
  }
  expect(await ada.stored(id, { timeout: 20_000 })).toMatchObject({ relay: late.url })
  const bob = await open('bob', late.url)
  await expect.poll(() => bob.inbox().map(mail => mail.id), { timeout: 15_000 }).toEqual([id])
  await Promise.all([ada.close(), bob.close()])
})

test.each([
  ['behind', -400 * 24 * HOUR],
  ['ahead', 400 * 24 * HOUR],
])('what was given up, and what waits, outlives a clock that was far %s', async (_, off) => {
  let isRefusing = true
  await using relay = await startRelay({
    policy: { write: ({ kind }) => (isRefusing && kind === 4700 ? 'blocked: not today' : undefined) },
    limits: { createdAtFuture: 2 * 400 * 24 * 3_600 },
  })
  const root = tempDir()
  let skew = 0
  const clock = { ...systemClock, now: () => systemClock.now() + skew }
  createProfile({ home: join(root, 'bob'), relays: [relay.url] })
  createProfile({ home: join(root, 'eve'), relays: ['ws://127.0.0.1:9'] })
  const open = () =>
    openAgent({ home: join(root, 'ada'), relays: [relay.url], presence: false, announce: false, host: { clock } })
  let ada = await open()
  const again = async (to: number) => {
    await ada.close({ timeoutMs: 100 })
    skew = to
    ada = await open()
  }
  const states = (ids: readonly string[]) => ids.map(id => ada.delivery(id)?.state)
  const refused: string[] = []
  const waiting: string[] = []
  // Refused before, and under the wrong clock, and after; in one run and in several.
  for (const [now, isNewRun] of [
    [0, true],
    [off, false],
    [off, true],
    [0, false],
  ] as const) {
    if (isNewRun) await again(now)
    skew = now
    const id = await ada.send('bob', 'refused')
    waiting.push(await ada.send('eve', 'waits'))
    refused.push(id)
    await expect.poll(() => ada.delivery(id)?.state, { timeout: 15_000 }).toBe('refused')
  }
  for (const now of [0, off, 0]) {
    await again(now)
    expect(states(refused)).toEqual(refused.map(() => 'refused'))
    expect(states(waiting)).toEqual(waiting.map(() => 'queued'))
  }
  isRefusing = false
  for (const id of refused) {
    expect(ada.deadLetters.retry(id)).toBe(true)
    await expect.poll(() => ada.delivery(id)?.state, { timeout: 15_000 }).toMatch(/stored|received/)
  }
  // Time that passes is counted all the same, asleep as well.
  await again(8 * 24 * HOUR)
  await expect.poll(() => states(waiting), { timeout: 15_000 }).toEqual(waiting.map(() => 'undeliverable'))
  expect(states(refused)).not.toContain(undefined)
  // A relay has to agree before anything is forgotten.
  await again(39 * 24 * HOUR)
  const last = await ada.send('bob', 'taken')
  await ada.stored(last, { timeout: 15_000 })
  await expect
    .poll(() => states([...refused, ...waiting]), { timeout: 15_000 })
    .toEqual([...refused, ...waiting].map(() => undefined))
  await ada.close({ timeoutMs: 100 })
})
