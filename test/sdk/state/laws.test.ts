import fc from 'fast-check'
import { expect, it } from 'vitest'
import { includes, joinCovers, type MutableCover, setEntry } from '#dist/sdk/state/log/cover.js'
import { decodeRecord, encodeRecord } from '#dist/sdk/state/owned/codec.js'
import { digestOf, type Entry, type Json, joinRecords, type OwnedRecord, rebase } from '#dist/sdk/state/owned/record.js'
import { counted, counterValue, entriesOf, foldCounters, gaugeAt } from '#dist/sdk/state/owned/typed.js'
import { testSeed } from '../../helpers/seed.ts'

const seed = testSeed('state laws')
const runs = { seed, numRuns: 100 }

const sessions = ['0000000000010000', '0000000000020000', '0000000000030000'] as const
const value = fc.oneof(
  fc.constant(null),
  fc.integer({ min: 0, max: 3 }),
  fc.constantFrom('a', 'b'),
  fc.constant([1, 2]),
  fc.record({ x: fc.integer({ min: 0, max: 2 }) }),
) as fc.Arbitrary<Json>
const entry: fc.Arbitrary<Entry> = fc.record({
  session: fc.constantFrom(...sessions),
  n: fc.integer({ min: 1, max: 3 }),
  value,
})
const key = fc.constantFrom('mood', 'energy', '+hits/000000000001aaaa', '*tags/000000000001aaaa.1', '~warmth')
const record: fc.Arbitrary<OwnedRecord> = fc
  .record({ base: fc.constantFrom('', ...sessions), entries: fc.array(fc.tuple(key, entry), { maxLength: 5 }) })
  // As a record is made: nothing below its base.
  .map(({ base, entries }) => joinRecords({ base, entries: new Map() }, { base: '', entries: new Map(entries) }))

function same(a: OwnedRecord, b: OwnedRecord): void {
  expect(digestOf(a)).toBe(digestOf(b))
}

it('the join of records is commutative, associative and idempotent, forks and bases included', () => {
  fc.assert(
    fc.property(record, record, record, (a, b, c) => {
      same(joinRecords(a, b), joinRecords(b, a))
      same(joinRecords(joinRecords(a, b), c), joinRecords(a, joinRecords(b, c)))
      same(joinRecords(a, a), a)
      same(joinRecords(joinRecords(a, b), b), joinRecords(a, b))
    }),
    runs,
  )
})

it('agrees with a naive model: the highest version of each key, and nothing below the highest base', () => {
  fc.assert(
    fc.property(fc.array(record, { minLength: 1, maxLength: 6 }), records => {
      const joined = records.reduce(joinRecords)
      const base =
        records
          .map(each => each.base)
          .sort()
          .at(-1) ?? ''
      const all = records.flatMap(each => [...each.entries]).filter(([, each]) => each.session >= base)
      for (const name of new Set(all.map(([each]) => each))) {
        const versions = all.filter(([each]) => each === name).map(([, { session, n }]) => `${session} ${n}`)
        const { session, n } = joined.entries.get(name) ?? expect.unreachable()
        expect(`${session} ${n}`).toBe(versions.sort().at(-1))
      }
      expect(joined.entries.size).toBe(new Set(all.map(([each]) => each)).size)
    }),
    runs,
  )
})

it('survives the wire', () => {
  fc.assert(
    fc.property(record, each => same(decodeRecord(encodeRecord(each)), each)),
    runs,
  )
})

it('a rebase keeps what lives, drops what is dead, and joins with what came before it to itself', () => {
  fc.assert(
    fc.property(record, each => {
      const at = { session: '0000000000040000', n: 2 }
      const anew = rebase(each, at, foldCounters)
      const live = (some: OwnedRecord) =>
        new Map([...some.entries].filter(([, { value: it }]) => it !== null).map(([name, { value: it }]) => [name, it]))
      expect(live(anew)).toEqual(live(each))
      expect([...anew.entries.values()].every(({ value: it }) => it !== null)).toBe(true)
      same(joinRecords(each, anew), anew)
    }),
    runs,
  )
})

it('counters: each process counts in a slot of its own, and folding changes no sum', () => {
  const slot = fc.integer({ min: 1, max: 14 }).map(at => `${at.toString(16).padStart(12, '0')}aaaa`)
  fc.assert(
    fc.property(fc.array(fc.tuple(slot, fc.integer({ min: -5, max: 9 })), { maxLength: 40 }), steps => {
      const entries = new Map<string, Entry>()
      let sum = 0
      for (const [at, by] of steps) {
        const [name, next] = counted(entriesOf(entries), 'hits', at, by)
        entries.set(name, { session: sessions[0], n: 1, value: next })
        sum += by
      }
      expect(counterValue(entriesOf(entries), 'hits')).toBe(sum)
      const once = rebase({ base: '', entries }, { session: sessions[1], n: 1 }, foldCounters)
      expect(counterValue(entriesOf(once.entries), 'hits')).toBe(sum)
      expect(once.entries.size).toBeLessThanOrEqual(9)
      const twice = rebase(once, { session: sessions[2], n: 1 }, foldCounters)
      expect(counterValue(entriesOf(twice.entries), 'hits')).toBe(sum)
      // Somebody who still has the old slots counts none of them twice.
      const stale = new Map([...entries, ...once.entries])
      expect(counterValue(entriesOf(stale), 'hits')).toBe(sum)
    }),
    runs,
  )
})

it('a gauge fades by half each half-life, wherever it is read, and stays within its ends', () => {
  const gauge = { value: 80, at: 1_000, halfLifeMs: 500, rest: 20, min: 0, max: 100 }
  expect(gaugeAt(gauge, 1_000)).toBe(80)
  expect(gaugeAt(gauge, 1_500)).toBe(50)
  expect(gaugeAt(gauge, 2_000)).toBe(35)
  expect(gaugeAt(gauge, 0)).toBe(80)
  expect(gaugeAt({ ...gauge, max: 60 }, 1_000)).toBe(60)
})

it('covers join to the least that has both', () => {
  const cover = fc
    .array(fc.tuple(fc.constantFrom('a', 'b'), fc.constantFrom(...sessions), fc.integer({ min: 1, max: 9 })))
    .map(entries => {
      const made: MutableCover = new Map()
      for (const [author, session, n] of entries) setEntry(made, author, session, { n, id: `${n}` })
      return made
    })
  fc.assert(
    fc.property(cover, cover, (a, b) => {
      const joined = joinCovers(a, b)
      expect(joinCovers(b, a)).toEqual(joined)
      expect(includes(joined, a) && includes(joined, b)).toBe(true)
    }),
    runs,
  )
})
