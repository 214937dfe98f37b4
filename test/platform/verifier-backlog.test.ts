import type { NostrEvent } from 'posthorn/protocol'
import { expect, test } from 'vitest'
import type { Timers } from '#dist/platform/timers.js'
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

function scene(open?: () => Promise<Verifier>) {
  const near = counting('near')
  const far = counting('far')
  const due: (() => void)[] = []
  const timers: Timers = {
    after(_, run) {
      due.push(run)
      return () => void due.splice(due.indexOf(run), 1)
    },
  }
  let opened = 0
  const verifier = createBacklogVerifier({
    near: near.verifier,
    open: async () => {
      opened += 1
      return open ? open() : far.verifier
    },
    timers,
    backlog: 100,
  })
  return { verifier, near: near.seen, far: far.seen, opened: () => opened, idle: () => due.splice(0).map(run => run()) }
}

test('a few are checked where they are, many on a thread, which is let go when nothing comes', async () => {
  const { verifier, near, far, opened, idle } = scene()
  expect(await verifier.verify(events(99))).toHaveLength(99)
  expect(await verifier.verify(events(99))).toHaveLength(99)
  expect([near.asked, opened(), verifier.tier]).toEqual([198, 0, 'near'])
  const both = await Promise.all([verifier.verify(events(60)), verifier.verify(events(40))])
  expect(both.map(({ length }) => length)).toEqual([60, 40])
  expect([near.asked, far.asked, opened(), verifier.tier]).toEqual([258, 40, 1, 'far'])
  await verifier.verify(events(1))
  expect([near.asked, far.asked]).toEqual([258, 41])
  idle()
  await verifier.verify(events(2))
  expect([near.asked, far.asked, far.closed, verifier.tier]).toEqual([260, 41, 1, 'near'])
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
  expect([near.asked, opened(), verifier.tier]).toEqual([300, 1, 'near'])
})

test('what a thread took with it when it died is checked again', async () => {
  const { verifier, near, far } = scene()
  far.fails = true
  expect(await verifier.verify(events(120))).toHaveLength(120)
  expect([near.asked, far.asked]).toEqual([120, 120])
})
