import { expect, test } from 'vitest'
import { createPipeline } from '#dist/platform/pipeline.js'
import { seededRandom } from '#dist/platform/random.js'
import { testSeed } from '../helpers/seed.ts'

/** A pipeline whose batches are finished by hand. */
function bench(width: number, batch: number) {
  const started: { items: readonly number[]; finish: (error?: Error) => void }[] = []
  const out: (number | string)[] = []
  const errors: unknown[] = []
  let atOnce = 0
  let most = 0
  const pipeline = createPipeline<number, readonly number[]>({
    width,
    batch,
    work: items =>
      new Promise((resolve, reject) => {
        atOnce += 1
        most = Math.max(most, atOnce)
        const finish = (error?: Error) => {
          atOnce -= 1
          if (error === undefined) resolve(items.map(item => item * 10))
          else reject(error)
        }
        started.push({ items, finish })
      }),
    done: (items, result) => {
      if (items.includes(13)) throw new Error('thirteen')
      out.push(...result)
    },
    failed: (items, error) => out.push(...items.map(item => `${item} ${(error as Error).message}`)),
    onError: error => errors.push(error),
  })
  return { pipeline, started, out, errors, most: () => most }
}
const turn = () => new Promise<void>(resolve => setImmediate(resolve))

test('one turn is one batch; while all places are taken, what comes gathers', async () => {
  const { pipeline, started, out } = bench(2, 3)
  for (const item of [1, 2]) pipeline.push(item)
  await turn()
  pipeline.push(3)
  await turn()
  for (const item of [4, 5, 6, 7]) pipeline.push(item)
  await turn()
  expect(started.map(({ items }) => items)).toEqual([[1, 2], [3]])
  started[0]?.finish()
  await turn()
  expect(started.map(({ items }) => items)).toEqual([[1, 2], [3], [4, 5, 6]])
  started[1]?.finish()
  await turn()
  expect(started.at(-1)?.items).toEqual([7])
  for (const { finish } of started.slice(2)) finish()
  await pipeline.idle()
  expect(out).toEqual([10, 20, 30, 40, 50, 60, 70])
})

test('results are handed on in order, failures among them', async () => {
  const { pipeline, started, out } = bench(3, 1)
  for (const item of [1, 2, 3]) pipeline.push(item)
  await turn()
  started[2]?.finish()
  started[1]?.finish(new Error('broke'))
  await turn()
  expect(out).toEqual([])
  started[0]?.finish()
  await pipeline.idle()
  expect(out).toEqual([10, '2 broke', 30])
})

test('what handing on throws is told and ends nothing', async () => {
  const { pipeline, started, out, errors } = bench(1, 1)
  for (const item of [13, 14]) pipeline.push(item)
  await turn()
  started[0]?.finish()
  await turn()
  started[1]?.finish()
  await pipeline.idle()
  expect(errors).toEqual([new Error('thirteen')])
  expect(out).toEqual([140])
})

test('clear forgets what is not being worked on; idle then waits for the rest', async () => {
  const { pipeline, started, out } = bench(1, 1)
  for (const item of [1, 2, 3]) pipeline.push(item)
  await turn()
  pipeline.clear()
  let idle = false
  const rest = pipeline.idle().then(() => {
    idle = true
  })
  await turn()
  expect(idle).toBe(false)
  started[0]?.finish()
  await rest
  expect([out, started.length]).toEqual([[10], 1])
  await pipeline.idle()
})

test('any schedule: every item once, in order, never more at once than the width', async () => {
  const random = seededRandom(testSeed('pipeline'))
  const byte = () => random.bytes(1)[0] ?? 0
  for (let round = 0; round < 20; round += 1) {
    const width = 1 + (byte() % 4)
    const { pipeline, started, out, most } = bench(width, 1 + (byte() % 5))
    const unfinished = new Set<number>()
    let pushed = 0
    let seen = 0
    while (pushed < 100 || out.length < 100) {
      for (let n = byte() % 8; n > 0 && pushed < 100; n -= 1) pipeline.push(++pushed * 100)
      if (byte() % 2 === 0) await turn()
      for (; seen < started.length; seen += 1) unfinished.add(seen)
      const waiting = [...unfinished]
      const pick = waiting[byte() % Math.max(1, waiting.length)]
      if (pick === undefined) continue
      unfinished.delete(pick)
      started[pick]?.finish()
    }
    expect(out).toEqual(Array.from({ length: 100 }, (_, n) => (n + 1) * 1000))
    expect(most()).toBeLessThanOrEqual(width)
  }
})
