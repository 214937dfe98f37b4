import { expect, test } from 'vitest'
import { RowCache } from '#dist/relay/log/sqlite/row-cache.js'

const row = (seq: number, chars = 10) => ({
  seq,
  created_at: 1,
  kind: 1,
  expires_at: null,
  json: 'x'.repeat(chars),
  intact: true,
})
const kept = (cache: RowCache, seqs: readonly number[]) => seqs.filter(seq => cache.get(seq) !== undefined)

test('keeps what is asked for, within its characters', () => {
  const cache = new RowCache(100)
  for (let seq = 1; seq <= 100; seq += 1) {
    cache.add(row(seq))
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
])('a row of %d characters in a cache of 100 is kept: %s', (chars, is) => {
  const cache = new RowCache(100)
  cache.add(row(1, chars))
  expect(cache.get(1) !== undefined).toBe(is)
})

test('a cache of nothing keeps nothing', () => {
  const cache = new RowCache(0)
  cache.add(row(1))
  expect(cache.get(1)).toBeUndefined()
})
