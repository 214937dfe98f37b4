import fc from 'fast-check'
import { defaultLimits, type Filter, type Matchable, matchFilter, matchFilters, parseFilter } from 'posthorn/protocol'
import { describe, expect, test } from 'vitest'
import { matchesNothing } from '#dist/protocol/filter.js'
import { person } from '../helpers/events.ts'
import { testSeed } from '../helpers/seed.ts'

const alice = person('alice')
const HEX_A = 'a'.repeat(64)
const HEX_B = 'b'.repeat(64)
const read = (value: unknown, limits = defaultLimits) => parseFilter(value, limits)
const filterOf = (value: unknown): Filter => {
  const result = read(value)
  if (!result.ok) throw new Error(result.error.text)
  return result.value
}
const refusal = (value: unknown, limits = defaultLimits) => {
  const result = read(value, limits)
  return result.ok ? undefined : `${result.error.prefix}: ${result.error.text}`
}
const event = (fields: Partial<Matchable>): Matchable => ({
  id: HEX_A,
  pubkey: HEX_B,
  created_at: 100,
  kind: 1,
  tags: [],
  ...fields,
})

describe('parseFilter', () => {
  test('reads every field', () => {
    const filter = filterOf({
      ids: [HEX_A],
      authors: [HEX_B, HEX_B],
      kinds: [1, 65_535, 0],
      '#e': [HEX_A],
      '#p': [HEX_B],
      '#T': ['Topic'],
      since: 1,
      until: 2,
      limit: 3,
      since_seq: 4,
      epoch: '0123456789abcdef',
      gone: true,
    })
    expect(filter).toEqual({
      ids: new Set([HEX_A]),
      authors: new Set([HEX_B]),
      kinds: new Set([1, 65_535, 0]),
      tags: new Map([
        ['e', new Set([HEX_A])],
        ['p', new Set([HEX_B])],
        ['T', new Set(['Topic'])],
      ]),
      since: 1,
      until: 2,
      limit: 3,
      since_seq: 4,
      epoch: '0123456789abcdef',
      gone: true,
    })
    expect(Object.isFrozen(filter)).toBe(true)
  })

  test('an absent field stays absent', () => {
    expect(filterOf({})).toEqual({})
  })

  test.each([null, undefined, 1, 'x', true, [], [{}]])('%j is not a filter', value => {
    expect(refusal(value)).toBe('invalid: a filter is not an object')
  })

  test.each([
    ['ids', [HEX_A.slice(1)]],
    ['ids', [HEX_A.toUpperCase()]],
    ['ids', [1]],
    ['ids', [[HEX_A]]],
    ['ids', HEX_A],
    ['ids', null],
    ['ids', { 0: HEX_A }],
    ['authors', [`${HEX_A}a`]],
    ['authors', [`${HEX_A.slice(1)}\n`]],
    ['kinds', [-1]],
    ['kinds', [65_536]],
    ['kinds', [1.5]],
    ['kinds', ['1']],
    ['kinds', [null]],
    ['kinds', 1],
    ['#e', ['short']],
    ['#p', [HEX_A.toUpperCase()]],
    ['#t', [1]],
    ['#t', [null]],
    ['#t', 'x'],
    ['since', 1.5],
    ['since', -1],
    ['since', '1'],
    ['since', null],
    ['since', 2 ** 53],
    ['until', []],
    ['limit', -1],
    ['limit', Number.POSITIVE_INFINITY],
    ['since_seq', 0.5],
    ['epoch', '0123456789ABCDEF'],
    ['epoch', '0123456789abcde'],
    ['epoch', 1],
    ['gone', 1],
    ['gone', 'true'],
  ])('%s: %j is invalid', (field, value) => {
    expect(refusal({ [field]: value })).toMatch(new RegExp(`^invalid: filter\\.${field} `))
  })

  test.each(['query', '#', '#tt', '#1', '#é', '# t', 'Ids', 'IDS', '', 'constructor', 'toString', '&t'])(
    'the unknown field %j is told as unsupported, never ignored',
    field => {
      expect(refusal({ [field]: ['x'] })).toMatch(/^unsupported: /)
    },
  )

  test('__proto__ is a field like any other, and pollutes nothing', () => {
    expect(refusal(JSON.parse('{"__proto__":{"kinds":[1]}}'))).toMatch(/^unsupported: .*__proto__/)
    expect(Object.keys(filterOf(Object.create({ kinds: ['bad'] })))).toEqual([])
  })

  test('an unknown field of any length gives a short, well-formed reason', () => {
    const reason = refusal({ [`${'x'.repeat(31)}😀${'y'.repeat(100_000)}`]: 1 })
    expect(reason?.length).toBeLessThan(120)
    expect(reason?.isWellFormed()).toBe(true)
  })

  test('of a duplicate key the last one counts', () => {
    expect(filterOf(JSON.parse('{"kinds":[1],"kinds":[2]}'))).toEqual({ kinds: new Set([2]) })
  })

  test('-0, 1.0 and 1e3 are whole numbers', () => {
    const filter = filterOf(JSON.parse('{"since":-0,"until":1.0,"limit":1e3,"kinds":[-0,1e1]}'))
    expect(Object.is(filter.since, 0)).toBe(true)
    expect(filter.until).toBe(1)
    expect(filter.limit).toBe(1000)
    expect([...(filter.kinds ?? [])].map(kind => Object.is(kind, 0) || kind)).toEqual([true, 10])
  })

  describe('limits at n, n+1 and 0', () => {
    const small = { ...defaultLimits, filterValues: 2, filterTags: 2, tagValueBytes: 4 }
    const none = { ...defaultLimits, filterValues: 0 }
    test.each(['ids', 'authors', '#e', '#p', '#t'])('values of %s', field => {
      expect(refusal({ [field]: [HEX_A, HEX_B].slice(0, field === '#t' ? 0 : 2) }, small)).toBeUndefined()
      expect(refusal({ [field]: [HEX_A, HEX_B, HEX_A] }, small)).toContain('more than 2 values')
      expect(refusal({ [field]: [] }, none)).toBeUndefined()
      expect(refusal({ [field]: [HEX_A] }, none)).toContain('more than 0 values')
    })
    test('values of kinds', () => {
      expect(refusal({ kinds: [1, 2] }, small)).toBeUndefined()
      expect(refusal({ kinds: [1, 2, 3] }, small)).toContain('more than 2 values')
      expect(refusal({ kinds: [1] }, none)).toContain('more than 0 values')
    })
    test('tag conditions', () => {
      expect(refusal({ '#a': ['x'], '#b': ['x'] }, small)).toBeUndefined()
      expect(refusal({ '#a': ['x'], '#b': ['x'], '#c': ['x'] }, small)).toContain('more than 2 tag conditions')
      expect(refusal({ '#a': [] }, { ...none, filterTags: 0 })).toContain('more than 0 tag conditions')
    })
    test('tag values, in bytes', () => {
      expect(refusal({ '#t': ['abcd'] }, small)).toBeUndefined()
      expect(refusal({ '#t': ['éé'] }, small)).toBeUndefined()
      expect(refusal({ '#t': ['abcde'] }, small)).toMatch(/^invalid: filter\.#t/)
      expect(refusal({ '#t': ['ééé'] }, small)).toMatch(/^invalid: filter\.#t/)
      expect(refusal({ '#t': [''] }, { ...small, tagValueBytes: 0 })).toBeUndefined()
      expect(refusal({ '#t': ['x'] }, { ...small, tagValueBytes: 0 })).toMatch(/^invalid: filter\.#t/)
    })
  })
})

describe('matchFilter', () => {
  test('an empty filter matches everything', () => {
    expect(matchFilter(filterOf({}), event({}))).toBe(true)
  })

  test.each(['ids', 'authors', 'kinds', '#e', '#t'])('an empty %s list matches nothing', field => {
    const filter = filterOf({ [field]: [] })
    expect(
      matchFilter(
        filter,
        event({
          tags: [
            ['e', HEX_A],
            ['t', ''],
          ],
        }),
      ),
    ).toBe(false)
    expect(matchesNothing(filter)).toBe(true)
  })

  test('since above until matches nothing, equal ones match their second', () => {
    expect(matchesNothing(filterOf({ since: 101, until: 100 }))).toBe(true)
    expect(matchesNothing(filterOf({ since: 100, until: 100 }))).toBe(false)
    expect(matchFilter(filterOf({ since: 100, until: 100 }), event({}))).toBe(true)
    expect(matchesNothing(filterOf({}))).toBe(false)
  })

  test('since and until are inclusive', () => {
    for (const [since, until, expected] of [
      [100, 200, true],
      [101, 200, false],
      [0, 100, true],
      [0, 99, false],
    ] as const)
      expect(matchFilter(filterOf({ since, until }), event({}))).toBe(expected)
  })

  test('tag letters and values are case-sensitive', () => {
    const tagged = event({
      tags: [
        ['t', 'Nostr'],
        ['E', HEX_A],
      ],
    })
    expect(matchFilter(filterOf({ '#t': ['Nostr'] }), tagged)).toBe(true)
    expect(matchFilter(filterOf({ '#t': ['nostr'] }), tagged)).toBe(false)
    expect(matchFilter(filterOf({ '#T': ['Nostr'] }), tagged)).toBe(false)
    expect(matchFilter(filterOf({ '#E': [HEX_A] }), tagged)).toBe(true)
    expect(matchFilter(filterOf({ '#e': [HEX_A] }), tagged)).toBe(false)
  })

  test('only the first value of a tag counts, and a tag without a value matches nothing', () => {
    const tagged = event({ tags: [['t', 'first', 'second'], ['x']] })
    expect(matchFilter(filterOf({ '#t': ['second'] }), tagged)).toBe(false)
    expect(matchFilter(filterOf({ '#t': ['second', 'first'] }), tagged)).toBe(true)
    expect(matchFilter(filterOf({ '#x': ['', 'undefined'] }), tagged)).toBe(false)
    expect(matchFilter(filterOf({ '#x': [''] }), event({ tags: [['x', '']] }))).toBe(true)
  })

  test('any tag of a name may answer; conditions of different names all must', () => {
    const tagged = event({
      tags: [
        ['t', 'a'],
        ['t', 'b'],
        ['r', 'c'],
      ],
    })
    expect(matchFilter(filterOf({ '#t': ['b', 'z'] }), tagged)).toBe(true)
    expect(matchFilter(filterOf({ '#t': ['b'], '#r': ['c'] }), tagged)).toBe(true)
    expect(matchFilter(filterOf({ '#t': ['b'], '#r': ['z'] }), tagged)).toBe(false)
  })

  test('limit and the SEQ fields are no conditions', () => {
    expect(matchFilter(filterOf({ limit: 0, since_seq: 9, epoch: '0123456789abcdef', gone: true }), event({}))).toBe(
      true,
    )
  })

  test('filters are alternatives; none matches nothing', () => {
    const filters = [filterOf({ kinds: [2] }), filterOf({ authors: [HEX_B] })]
    expect(matchFilters(filters, event({}))).toBe(true)
    expect(matchFilters(filters, event({ pubkey: HEX_A }))).toBe(false)
    expect(matchFilters([], event({}))).toBe(false)
  })

  test('a signed event is something a filter can look at', () => {
    const note = alice.sign({ tags: [['t', 'x']] })
    expect(matchFilter(filterOf({ ids: [note.id], authors: [alice.pubkey], '#t': ['x'] }), note)).toBe(true)
  })
})

describe('differential', () => {
  // The naive matcher reads the JSON a client wrote, condition by condition, straight from NIP-01.
  function naive(filter: Record<string, unknown>, e: Matchable): boolean {
    for (const [key, value] of Object.entries(filter)) {
      const list = value as unknown[]
      if (key === 'ids' && !list.includes(e.id)) return false
      if (key === 'authors' && !list.includes(e.pubkey)) return false
      if (key === 'kinds' && !list.includes(e.kind)) return false
      if (key === 'since' && e.created_at < (value as number)) return false
      if (key === 'until' && e.created_at > (value as number)) return false
      if (key.startsWith('#')) {
        let found = false
        for (const tag of e.tags) if (tag.length > 1 && `#${tag[0]}` === key && list.includes(tag[1])) found = true
        if (!found) return false
      }
    }
    return true
  }

  // A small universe, so that filters and events meet often.
  const hex = fc.constantFrom(HEX_A, HEX_B, 'c'.repeat(64))
  const kind = fc.constantFrom(0, 1, 5, 4700, 30_000)
  const second = fc.integer({ min: 98, max: 102 })
  const word = fc.constantFrom('', 'a', 'A', 'b')
  const tag = fc.oneof(
    fc.tuple(fc.constantFrom('t', 'T', 'r', 'toString'), word),
    fc.tuple(fc.constantFrom('e', 'p'), hex),
    fc.tuple(fc.constantFrom('t', 'e'), word, word),
    fc.tuple(fc.constantFrom('t', 'e', 'p')),
  )
  const anEvent = fc.record({
    id: hex,
    pubkey: hex,
    kind,
    created_at: second,
    tags: fc.array(tag, { maxLength: 4 }),
  })
  const few = <T>(value: fc.Arbitrary<T>) => fc.array(value, { maxLength: 3 })
  const conditions = {
    ids: few(hex),
    authors: few(hex),
    kinds: few(kind),
    since: second,
    until: second,
    limit: fc.nat(3),
    '#t': few(word),
    '#T': few(word),
    '#e': few(hex),
  }
  const names = fc.subarray(Object.keys(conditions), { maxLength: 3 })
  const aFilter = fc
    .tuple(fc.record(conditions), names)
    .map(([all, chosen]) => Object.fromEntries(Object.entries(all).filter(([name]) => chosen.includes(name))))

  test('agrees with a naive matcher on random filters and events', () => {
    const seed = testSeed('filter differential')
    let matched = 0
    fc.assert(
      fc.property(aFilter, fc.array(anEvent, { minLength: 5, maxLength: 20 }), (json, events) => {
        const filter = filterOf(JSON.parse(JSON.stringify(json)))
        for (const e of events) {
          const expected = naive(json, e)
          expect(matchFilter(filter, e)).toBe(expected)
          if (expected) {
            matched += 1
            expect(matchesNothing(filter)).toBe(false)
          }
        }
      }),
      { seed, numRuns: 3_000 },
    )
    // Otherwise the universe is too large for the comparison to mean anything.
    expect(matched).toBeGreaterThan(1_000)
  })
})
