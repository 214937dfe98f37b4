import { expect, test } from 'vitest'
import { type Asker, AskerLeftError } from '#dist/relay/log/asker.js'
import { FairTurns, type Turn } from '#dist/relay/log/sqlite/fair-turns.js'
import { handClock } from '../helpers/hand-clock.ts'

const BUDGET = { burstMs: 100, perSecondMs: 10 }

/** A reader of one turn at a time, as the thread is: `step` ends the turn that runs. */
function createReader() {
  const clock = handClock()
  const turns = new FairTurns(clock, BUDGET)
  const served: string[] = []
  const running: (() => void)[] = []
  const ask = (name: string, asker: Asker, ms: number) =>
    turns.take(
      asker,
      () =>
        new Promise<Turn<string>>(resolve => {
          running.push(() => {
            served.push(name)
            resolve({ value: name, ms })
          })
        }),
    )
  const step = async () => {
    running.shift()?.()
    // What the answer leads to comes in microtasks.
    for (let n = 0; n < 8; n += 1) await Promise.resolve()
  }
  const drain = async () => {
    while (running.length > 0) await step()
  }
  return { clock, turns, served, ask, step, drain }
}

const asker = (origin: string, connection: object = {}, owner = origin): Asker => ({
  connection,
  owner,
  origin,
  peer: 'address',
  left: () => false,
  readerMs: 0,
})
const count = <T>(list: readonly T[], value: T) => list.filter(each => each === value).length

test('a newcomer is served next, however many questions others have waiting', async () => {
  const { ask, step, served } = createReader()
  const flood = asker('attacker')
  for (let n = 0; n < 100; n += 1) void ask('flood', flood, 10)
  for (let n = 0; n < 4; n += 1) await step()
  void ask('honest', asker('honest'), 1)
  while (!served.includes('honest')) await step()
  // One was with the reader already.
  expect(count(served, 'flood')).toBeLessThanOrEqual(5)
})

test('keys and connections are free, so an address with many has one share', async () => {
  const { ask, step, served } = createReader()
  for (let key = 0; key < 40; key += 1)
    for (let n = 0; n < 5; n += 1) void ask('flood', asker('attacker', {}, `key ${key}`), 5)
  for (let n = 0; n < 40; n += 1) void ask('honest', asker('honest'), 5)
  for (let n = 0; n < 40; n += 1) await step()
  expect(count(served, 'honest')).toBeGreaterThanOrEqual(18)
})

test('within an address keys share alike, within a key connections', async () => {
  const { ask, step, served } = createReader()
  const [one, two, other] = [{}, {}, {}]
  for (let n = 0; n < 50; n += 1) {
    void ask('a one', asker('proxy', one, 'a'), 3)
    void ask('a one', asker('proxy', one, 'a'), 3)
    void ask('a two', asker('proxy', two, 'a'), 3)
    void ask('b', asker('proxy', other, 'b'), 3)
  }
  for (let n = 0; n < 40; n += 1) await step()
  expect(count(served, 'b')).toBeGreaterThanOrEqual(18)
  expect(count(served, 'a two')).toBeGreaterThanOrEqual(8)
})

test('what a turn took decides, not how many there were', async () => {
  const { ask, step, served } = createReader()
  for (let n = 0; n < 200; n += 1) {
    void ask('dear', asker('a', asker), 20)
    void ask('cheap', asker('b', asker), 2)
  }
  for (let n = 0; n < 110; n += 1) await step()
  expect(count(served, 'cheap') / count(served, 'dear')).toBeGreaterThan(5)
})

test('a question whose asker has left is not asked, and the next one is', async () => {
  const { ask, turns, drain, served } = createReader()
  let gone = false
  const leaving = { ...asker('a'), left: () => gone }
  const answers = [ask('first', leaving, 1), ask('second', leaving, 1), ask('third', leaving, 1)]
  const other = ask('other', asker('b'), 1)
  gone = true
  const settled = Promise.allSettled(answers)
  await drain()
  expect(await other).toBe('other')
  const left = (await settled).filter(({ status }) => status === 'rejected')
  expect(left.length).toBeGreaterThanOrEqual(1)
  for (const one of left) expect((one as PromiseRejectedResult).reason).toBeInstanceOf(AskerLeftError)
  expect(served.length + left.length).toBe(4)
  expect(turns.counts.get('address')).toMatchObject({ dropped: left.length })
  expect(turns.waiting).toBe(0)
})

test('above its budget an address waits behind others but for every eighth turn, until the budget comes back', async () => {
  const { ask, step, drain, served, clock, turns } = createReader()
  const spender = asker('spender')
  // An address may spend four times the budget of a key.
  for (let n = 0; n < 9; n += 1) {
    void ask('spent', spender, 50)
    await drain()
  }
  served.length = 0
  const others = Array.from({ length: 5 }, (_, n) => asker(`other ${n}`))
  for (let n = 0; n < 40; n += 1) {
    void ask('late', spender, 1)
    for (const one of others) void ask('other', one, 1)
  }
  for (let n = 0; n < 80; n += 1) await step()
  expect(count(served, 'late')).toBeLessThanOrEqual(11)
  expect(count(served, 'late')).toBeGreaterThanOrEqual(8)
  await drain()
  expect(turns.counts.get('address')?.late).toBeGreaterThan(8)
  const before = turns.counts.get('address')?.late
  clock.advance(60_000)
  void ask('again', spender, 1)
  await drain()
  expect(turns.counts.get('address')?.late).toBe(before)
})

test('this machine and the relay itself have a share and no budget', async () => {
  const { ask, drain, turns } = createReader()
  const local = { ...asker('local'), peer: 'local' } as const
  for (let n = 0; n < 100; n += 1) void ask('local', local, 50)
  await drain()
  expect(turns.counts.get('local')).toEqual({ turns: 100, ms: 5_000, dropped: 0, late: 0 })
  expect(local.readerMs).toBe(5_000)
})
