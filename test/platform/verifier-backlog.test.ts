import type { NostrEvent } from 'posthorn/protocol'
import { expect, test } from 'vitest'
import type { Timers } from '#dist/platform/timers.js'
import { nextTurn } from '#dist/platform/turn.js'
import type { Verifier } from '#dist/platform/verifier.js'
import { createBacklogVerifier } from '#dist/platform/verifier-backlog.js'

const events = (count: number) => Array.from({ length: count }, () => ({}) as NostrEvent)

/** Says yes to everything, and how much it was asked. */
function counting(tier: string) {
  const seen = { asked: 0, closed: 0, fails: false }
  const verifier: Verifier = {
    tier,
    async verify(batch) {
      seen.asked += batch.length
      if (seen.fails) throw new Error('the thread died')
      return batch.map(() => true)
    },
    async close() {
      seen.closed += 1
    },
  }
  return { seen, verifier }
}

/** The thread is of a faster tier: what is given to it, it does alone. */
function scene(open?: () => Promise<Verifier>, own?: Verifier) {
  const near = counting('wasm')
  const far = counting('native')
  const due: (() => void)[] = []
  const timers: Timers = {
    after(_, run) {
      due.push(run)
      return () => void due.splice(due.indexOf(run), 1)
    },
  }
  let opened = 0
  const verifier = createBacklogVerifier({
    near: own ?? near.verifier,
    open: async () => {
      opened += 1
      return open ? open() : far.verifier
    },
    breathe: nextTurn,
    timers,
    backlog: 100,
  })
  return { verifier, near: near.seen, far: far.seen, opened: () => opened, idle: () => due.splice(0).map(run => run()) }
}

test('a few are checked where they are, many on a thread, which is let go when nothing comes', async () => {
  const { verifier, near, far, opened, idle } = scene()
  expect(await verifier.verify(events(99))).toHaveLength(99)
  expect(await verifier.verify(events(99))).toHaveLength(99)
  expect([near.asked, opened(), verifier.tier]).toEqual([198, 0, 'wasm'])
  const both = await Promise.all([verifier.verify(events(60)), verifier.verify(events(40))])
  expect(both.map(({ length }) => length)).toEqual([60, 40])
  expect([near.asked, far.asked, opened(), verifier.tier]).toEqual([258, 40, 1, 'native'])
  await verifier.verify(events(1))
  expect([near.asked, far.asked]).toEqual([258, 41])
  idle()
  await verifier.verify(events(2))
  expect([near.asked, far.asked, far.closed, verifier.tier]).toEqual([260, 41, 1, 'wasm'])
  await verifier.verify(events(100))
  expect([far.asked, opened()]).toEqual([141, 2])
  await verifier.close()
  expect([near.closed, far.closed]).toEqual([1, 2])
})

test('where no thread can be had all is checked where it is, and nobody tries again', async () => {
  const { verifier, near, opened, idle } = scene(async () => {
    throw new Error('no threads here')
  })
  expect(await verifier.verify(events(150))).toHaveLength(150)
  idle()
  await verifier.verify(events(150))
  expect([near.asked, opened(), verifier.tier]).toEqual([300, 1, 'wasm'])
})

test('what a thread took with it when it died is checked again', async () => {
  const { verifier, near, far } = scene()
  far.fails = true
  expect(await verifier.verify(events(120))).toHaveLength(120)
  expect([near.asked, far.asked]).toEqual([120, 120])
})

/** Events whose verdict is told by their number, and who was given which. */
function gated(tier: string) {
  const given: number[] = []
  const open: (() => void)[] = []
  const verifier: Verifier = {
    tier,
    async verify(batch) {
      given.push(...batch.map(({ kind }) => kind))
      await new Promise<void>(resolve => open.push(resolve))
      return batch.map(({ kind }) => kind % 3 !== 0)
    },
    close: async () => {},
  }
  return { verifier, given, open }
}
const numbered = (count: number) => Array.from({ length: count }, (_, kind) => ({ kind }) as NostrEvent)
const range = (from: number, to: number) => Array.from({ length: to - from }, (_, n) => from + n)

test('a thread that is no faster is helped in free turns, from the end; each event gets its own verdict', async () => {
  const far = gated('wasm')
  const near = gated('wasm')
  const timers: Timers = { after: () => () => {} }
  const verifier = createBacklogVerifier({
    near: near.verifier,
    open: async () => far.verifier,
    breathe: nextTurn,
    timers,
    backlog: 100,
  })
  const verdicts = verifier.verify(numbered(600))
  await nextTurn()
  await nextTurn()
  // So much is with the thread that it never waits for us, and one piece, the last one, is here.
  expect(far.given).toEqual(range(0, 256))
  expect(near.given).toEqual(range(576, 600))
  near.open.shift()?.()
  await nextTurn()
  await nextTurn()
  expect(near.given.slice(24)).toEqual(range(544, 576))
  while (far.given.length + near.given.length < 600) {
    far.open.shift()?.()
    await nextTurn()
  }
  expect([...far.given, ...near.given].sort((a, b) => a - b)).toEqual(range(0, 600))
  for (const open of [...far.open, ...near.open]) open()
  expect(await verdicts).toEqual(range(0, 600).map(n => n % 3 !== 0))
})

test('a thread that is being started is waited for; one of a faster tier is left alone with everything', async () => {
  const far = gated('native')
  const near = gated('wasm')
  let started = (_: Verifier) => {}
  const { verifier } = scene(
    () =>
      new Promise<Verifier>(resolve => {
        started = resolve
      }),
    near.verifier,
  )
  const verdicts = verifier.verify(numbered(600))
  await nextTurn()
  await nextTurn()
  expect([near.given, far.given]).toEqual([[], []])
  started(far.verifier)
  await nextTurn()
  await nextTurn()
  expect([near.given, far.given]).toEqual([[], range(0, 600)])
  for (const open of far.open) open()
  expect(await verdicts).toEqual(range(0, 600).map(n => n % 3 !== 0))
})
