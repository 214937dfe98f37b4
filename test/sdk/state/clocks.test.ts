import { openDoc } from 'posthorn/doc'
import { type TestMesh, testMesh } from 'posthorn/testing'
import { expect, test } from 'vitest'
import { passing } from './passing.ts'

const HOUR = 3_600_000
const YEAR = 365 * 24 * HOUR
const SKEWS = { 'an hour': HOUR, 'a day': 24 * HOUR, 'a year': YEAR }

const start = (seed: number, how: Parameters<typeof testMesh>[0] = {}) => testMesh({ seed, keys: 'stand-in', ...how })

/** One state set with the clock ahead, then the clock is right: a reader has that, and all that follows; nothing is left. */
async function rightsItself(on: TestMesh, ahead: number, between: () => Promise<void> = async () => {}): Promise<void> {
  let ada = await on.agent('ada')
  const bob = await on.agent('bob')
  const view = await bob.openState('ada')
  await ada.state.set('early', 'before')
  expect(await passing(on, ada.state.flush())).toBe(true)
  on.skew('ada', ahead)
  await ada.state.set('while', 'the clock is ahead')
  await ada.state.count('seen', 3)
  await passing(on, ada.state.flush(3_000))
  on.skew('ada', 0)
  await between()
  if (!on.isAwake('ada')) ada = await on.wake('ada')
  for (const n of [1, 2, 3]) {
    await ada.state.set('early', `after ${n}`)
    await ada.state.count('seen', 2)
    expect(await passing(on, ada.state.flush(20_000))).toBe(true)
    await on.advance(2_000)
    expect([view.get('early'), view.get('while'), view.counter('seen')]).toEqual([
      `after ${n}`,
      'the clock is ahead',
      3 + 2 * n,
    ])
    expect(view.status.behind).toBe(false)
  }
  await on.advance(120_000)
  const { status } = (await ada.state.open()).view
  expect(status).toMatchObject({ unwritten: 0, unacknowledged: 0 })
  expect(status.error).toBeUndefined()
  expect(await passing(on, ada.close())).toEqual({ unsent: 0, untold: 0 })
}

test.each(Object.entries(SKEWS))('a clock that was %s ahead costs nothing once it is right', async (_, ahead) => {
  const on = await start(51)
  await rightsItself(on, ahead)
  await on.close()
})

test('nor with a restart, a kill or a week between', async () => {
  for (const [seed, between] of [
    async (on: TestMesh) => on.kill('ada'),
    async (on: TestMesh) => on.advance(7 * 24 * HOUR),
  ].entries()) {
    const on = await start(52 + seed)
    await rightsItself(on, YEAR, () => between(on))
    await on.close()
  }
})

test.each(Object.entries(SKEWS))('nor where one of two relays has taken what was %s ahead', async (_, ahead) => {
  const on = await start(54, {
    relays: 2,
    relayLimits: index => (index === 1 ? { createdAtFuture: 2 * 366 * 24 * 3_600 } : {}),
  })
  await rightsItself(on, ahead)
  await on.close()
})

test('nor where the only relay has taken it, however much is written afterwards', async () => {
  const on = await start(55, { relayLimits: () => ({ createdAtFuture: 2 * 366 * 24 * 3_600 }) })
  const ada = await on.agent('ada')
  const bob = await on.agent('bob')
  const value = (n: number) => `${n}`.padEnd(600, 'x')
  const large = Object.fromEntries([0, 1, 2, 3].map(n => [`fixed${n}`, value(n)]))
  await ada.state.update(large)
  on.skew('ada', YEAR)
  for (let n = 0; n < 150; n += 1) {
    await ada.state.set('count', n)
    expect(await passing(on, ada.state.flush(20_000))).toBe(true)
  }
  on.skew('ada', 0)
  for (let n = 0; n < 150; n += 1) {
    await ada.state.set('count', value(n))
    expect([n, await passing(on, ada.state.flush(60_000))]).toEqual([n, true])
  }
  const view = await bob.openState('ada')
  await on.advance(5_000)
  expect(view.content().values).toEqual({ ...large, count: value(149) })
  await on.advance(120_000)
  expect((await ada.state.open()).view.status).toMatchObject({ unacknowledged: 0, unwritten: 0 })
  await on.close()
})

test('a clock that is behind costs nothing, nor one that jumps while it runs', async () => {
  const on = await start(56)
  const ada = await on.agent('ada')
  const bob = await on.agent('bob')
  const view = await bob.openState('ada')
  for (const [n, ahead] of [0, -24 * HOUR, 0, 12 * HOUR, -HOUR, YEAR, -24 * HOUR, 0].entries()) {
    on.skew('ada', ahead)
    await ada.state.set('n', n)
    const done = await passing(on, ada.state.flush(3_000))
    if (ahead <= 0) expect([n, done]).toEqual([n, true])
    await on.advance(2_000)
    if (ahead <= 0) expect(view.get('n')).toBe(n)
  }
  await on.close()
})

test('gauges and counters of a clock that was ahead go on with the right one', async () => {
  const on = await start(57)
  let ada = await on.agent('ada')
  on.skew('ada', YEAR)
  // More slots than are told apart, all of a later time than those to come.
  for (let life = 0; life < 10; life += 1) {
    await ada.state.count('seen')
    await (await ada.state.open()).setGauge('heat', 8, { halfLifeMs: HOUR })
    await passing(on, ada.state.flush(1_000))
    await on.kill('ada')
    ada = await on.wake('ada')
  }
  on.skew('ada', 0)
  for (let life = 0; life < 10; life += 1) {
    await ada.state.count('seen')
    expect(await passing(on, ada.state.flush(20_000))).toBe(true)
    await on.kill('ada')
    ada = await on.wake('ada')
  }
  const own = await ada.state.open()
  expect(own.view.counter('seen')).toBe(20)
  await on.advance(HOUR)
  expect(own.view.gauge('heat')).toBeCloseTo(4, 1)
  const view = await (await on.agent('bob')).openState('ada')
  await on.advance(5_000)
  expect(view.counter('seen')).toBe(20)
  expect(view.gauge('heat')).toBeCloseTo(4, 1)
  await on.close()
})

test('a document that was made, and members invited, while the clock was ahead: others have it once the clock is right', async () => {
  for (const restarts of [false, true]) {
    const on = await start(61, { keys: 'real' })
    let ada = await on.agent('ada')
    const bob = await on.agent('bob')
    on.skew('ada', YEAR)
    let hers = await passing(on, openDoc(ada, 'plan'))
    await passing(on, hers.invite('bob', 'write'))
    hers.doc.getText('t').insert(0, 'one ')
    await passing(on, hers.flush())
    expect(hers.status).toMatchObject({ unacknowledgedControls: 2, error: expect.stringContaining('invalid:') })
    if (restarts) {
      await on.kill('ada')
      on.skew('ada', 0)
      ada = await on.wake('ada')
      hers = await passing(on, openDoc(ada, 'plan'))
    } else on.skew('ada', 0)
    hers.doc.getText('t').insert(4, 'two ')
    await on.advance(120_000)
    expect(await passing(on, hers.flush())).toBe(true)
    const his = await passing(on, openDoc(bob, 'ada/plan'))
    await on.advance(10_000)
    his.doc.getText('t').insert(8, 'three ')
    expect(await passing(on, his.flush())).toBe(true)
    await on.advance(10_000)
    expect([hers, his].map(({ doc }) => doc.getText('t').toString())).toEqual(Array(2).fill('one two three '))
    for (const { status } of [hers, his])
      expect(status).toMatchObject({
        synced: true,
        behind: false,
        alerts: [],
        unacknowledged: 0,
        unacknowledgedControls: 0,
      })
    await on.close()
  }
})

test('a document that was edited while the clock was ahead goes on, too', async () => {
  for (const ahead of Object.values(SKEWS)) {
    const on = await start(58, { keys: 'real' })
    const [ada, bob] = [await on.agent('ada'), await on.agent('bob')]
    const hers = await passing(on, openDoc(ada, 'plan'))
    await passing(on, hers.invite('bob', 'write'))
    const his = await passing(on, openDoc(bob, 'ada/plan'))
    hers.doc.getText('t').insert(0, 'one ')
    expect(await passing(on, hers.flush())).toBe(true)
    on.skew('ada', ahead)
    hers.doc.getText('t').insert(4, 'two ')
    await passing(on, hers.flush())
    on.skew('ada', 0)
    await on.advance(120_000)
    hers.doc.getText('t').insert(8, 'three ')
    expect(await passing(on, hers.flush())).toBe(true)
    await on.advance(10_000)
    expect(his.doc.getText('t').toString()).toBe('one two three ')
    expect(his.status).toMatchObject({ synced: true, behind: false, alerts: [] })
    expect(hers.status).toMatchObject({ unwritten: false, unacknowledged: 0, alerts: [] })
    await on.close()
  }
})
