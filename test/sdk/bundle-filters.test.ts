import { defaultLimits, type FilterJson, matchFilters, parseFilter } from 'posthorn/protocol'
import { expect, test } from 'vitest'
import { bundleFilters } from '#dist/sdk/link/bundle-filters.js'
import { person } from '../helpers/events.ts'

const key = (n: number) => n.toString(16).padStart(64, '0')
const state = (author: number, o = 's'): FilterJson => ({ kinds: [34_701, 34_702], authors: [key(author)], '#o': [o] })
const asked = (filters: readonly FilterJson[]) => filters.map((filter, of) => ({ filter, of }))

test('what differs in its author alone is one question, and asks for nothing else', () => {
  const [one, ...others] = bundleFilters(asked([1, 2, 3, 2].map(n => state(n))))
  expect(others).toEqual([])
  expect(one?.filters).toEqual([{ kinds: [34_701, 34_702], authors: [1, 2, 3].map(key), '#o': ['s'] }])
  expect(one?.of).toEqual([0, 1, 2, 3])
})

test('hundreds of questions stay within what a relay takes, and whatever one of them matches is asked for', () => {
  const filters = Array.from({ length: 700 }, (_, n) => state(n % 130, n % 3 === 0 ? 's' : `doc-${n % 90}`))
  const bundles = bundleFilters(asked(filters))
  expect(bundles.length).toBeLessThanOrEqual(2)
  expect(bundles.flatMap(({ of }) => of).sort((a, b) => a - b)).toEqual(filters.map((_, n) => n))
  for (const { filters: together, of } of bundles) {
    expect(together.length).toBeLessThanOrEqual(8)
    const parsed = together.map(filter => {
      const result = parseFilter(filter, defaultLimits)
      if (!result.ok) throw new Error(result.error.text)
      return result.value
    })
    const event = person('somebody').sign({ kind: 34_701 })
    for (const n of of) {
      const { authors = [], '#o': o = [] } = filters[n] ?? {}
      const one = { ...event, pubkey: authors[0] ?? '', tags: [['o', o[0] ?? '']] }
      expect(matchFilters(parsed, one)).toBe(true)
    }
  }
})

test('what is asked for in another way is no part of it: other fields, other limits, more values than one question holds', () => {
  const many = (from: number) => ({ authors: Array.from({ length: 300 }, (_, n) => key(from + n)) })
  const bundles = bundleFilters(asked([many(0), many(1_000), { kinds: [1] }, { authors: [key(1)], limit: 0 }]))
  expect(bundles).toEqual([
    { filters: [many(0), many(1_000), { kinds: [1] }, { authors: [key(1)], limit: 0 }], of: [0, 1, 2, 3] },
  ])
})
