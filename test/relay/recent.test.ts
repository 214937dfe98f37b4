import { expect, test } from 'vitest'
import { Recent } from '#dist/relay/log/sqlite/recent.js'

const keeping = (weight: number) => new Recent<{ readonly weight: number }>(weight, one => one.weight)
const kept = (cache: ReturnType<typeof keeping>, seqs: readonly number[]) =>
  seqs.filter(seq => cache.get(seq) !== undefined)

test('keeps what is asked for, within its weight', () => {
  const cache = keeping(100)
  for (let seq = 1; seq <= 100; seq += 1) {
    cache.add(seq, { weight: 10 })
    expect(cache.get(1)).toBeDefined()
  }
  const seqs = kept(
    cache,
    Array.from({ length: 100 }, (_, index) => index + 1),
  )
  expect(seqs.length).toBeLessThanOrEqual(10)
  expect(seqs.length).toBeGreaterThanOrEqual(5)
  expect(seqs[0]).toBe(1)
  expect(seqs.at(-1)).toBe(100)
})

test.each([
  [50, true],
  [51, false],
])('what weighs %d in a cache of 100 is kept: %s', (chars, is) => {
  const cache = keeping(100)
  cache.add(1, { weight: chars })
  expect(cache.get(1) !== undefined).toBe(is)
})

test('a cache of nothing keeps nothing', () => {
  const cache = keeping(0)
  cache.add(1, { weight: 1 })
  expect(cache.get(1)).toBeUndefined()
})
