import type { NostrEvent } from 'posthorn/protocol'
import { defaultLimits } from 'posthorn/protocol'
import { createMemoryStore, type Store } from 'posthorn/relay'
import { expect, test } from 'vitest'
import { Ingest } from '#dist/relay/ingest.js'
import { unsigned } from './unsigned.ts'

/** Ingest over a store in memory; each batch gets its verdict when the test says so. */
async function startIngest() {
  const store = createMemoryStore()
  await store.startEpoch(1, 1)
  const commits: number[] = []
  const counting: Store = Object.assign(Object.create(store), {
    append(...batch: Parameters<Store['append']>) {
      commits.push(batch[0].length)
      return store.append(...batch)
    },
  })
  const batches: ((verdict: boolean) => void)[] = []
  const ingest = new Ingest({
    store: counting,
    verifier: {
      tier: 'held back',
      threads: 1,
      verify: events => new Promise(resolve => batches.push(verdict => resolve(events.map(() => verdict)))),
      close: async () => {},
    },
    clock: { now: () => 1_000_000, monotonic: () => 0 },
    terms: () => ({ limits: defaultLimits, urls: new Set(), now: 1_000, refuseWrite: () => undefined, retention: [] }),
    beforeCommit: async () => {},
    onCommit: () => {},
    onEphemeral: () => undefined,
    onRequest: async () => ({ accepted: false, message: '' }),
    isBanned: () => false,
    onError: (_, error) => {
      throw error
    },
  })
  const answers: boolean[] = []
  const sender = { keys: [], unthrottled: true }
  const push = (events: readonly NostrEvent[]) => {
    for (const event of events) ingest.push(event, sender, accepted => answers.push(accepted))
  }
  const settle = async (verdict: boolean) => {
    await expect.poll(() => batches.length, { interval: 1 }).toBeGreaterThan(0)
    batches.shift()?.(verdict)
    await new Promise(resolve => setImmediate(resolve))
  }
  return { ingest, commits, answers, push, settle }
}
const many = (count: number) => Array.from({ length: count }, () => unsigned())

test('under load a small batch waits once for the one that is being verified', async () => {
  const { ingest, commits, answers, push, settle } = await startIngest()
  push(many(64 + 64 + 64))
  await settle(true)
  expect(commits).toEqual([])
  await settle(true)
  expect(commits).toEqual([128])
  await settle(true)
  await ingest.idle()
  expect(commits).toEqual([128, 64])
  expect(answers).toEqual(Array(192).fill(true))
})

test('what waited is stored although what it waited for is refused', async () => {
  const { ingest, commits, answers, push, settle } = await startIngest()
  push(many(128))
  await settle(true)
  expect(commits).toEqual([])
  await settle(false)
  await ingest.idle()
  expect(commits).toEqual([64])
  expect(answers.filter(accepted => accepted)).toHaveLength(64)
  expect(answers).toHaveLength(128)
})

test('behind few nobody waits', async () => {
  const { ingest, commits, push, settle } = await startIngest()
  push(many(64 + 31))
  await settle(true)
  expect(commits).toEqual([64])
  await settle(true)
  await ingest.idle()
  expect(commits).toEqual([64, 31])
})
