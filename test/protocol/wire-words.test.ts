import fc from 'fast-check'
import {
  addressOf,
  audienceOf,
  CLOSE,
  commonOfCursorUnknown,
  defaultLimits,
  encodeHints,
  isEpoch,
  isOutdated,
  KINDS,
  kindClass,
  LIMITS,
  makeEpoch,
  parseHints,
  parseReason,
  REASON_PREFIXES,
  REASONS,
  reason,
  restrictedKinds,
  seqOfOk,
  supersedes,
} from 'posthorn/protocol'
import { describe, expect, test } from 'vitest'
import { testSeed } from '../helpers/seed.ts'

const EPOCH = '0123456789abcdef'

describe('hints', () => {
  test('written in NIP-67’s manner, absent ones left out', () => {
    expect(encodeHints({})).toEqual([])
    expect(encodeHints({ complete: 'finish', seq: 0, epoch: EPOCH, scope: 'ab', floor: 0, withheld: true })).toEqual([
      'finish',
      'seq:0',
      `epoch:${EPOCH}`,
      'scope:ab',
      'floor:0',
      'withheld',
    ])
    expect(encodeHints({ withheld: false, complete: 'more' })).toEqual(['more'])
  })

  test.each([undefined, null, 'finish', 1, {}, { 0: 'finish' }])('%j tells nothing', value => {
    expect(parseHints(value)).toEqual({})
  })

  test.each([
    'seq:',
    'seq:-1',
    'seq:1.5',
    'seq:1e3',
    'seq: 1',
    'seq:9007199254740992',
    'seq:99999999999999999',
    'SEQ:1',
    'epoch:xyz',
    'epoch:0123456789ABCDEF',
    'epoch:0123456789abcde',
    'scope:',
    'scope:XYZ',
    `scope:${'a'.repeat(65)}`,
    'floor:x',
    'Finish',
    'withheld:1',
    '__proto__',
  ])('the malformed hint %j is as if absent', hint => {
    expect(parseHints(['more', hint, 1, null, {}])).toEqual({ complete: 'more' })
  })

  test('read back as written', () => {
    const seed = testSeed('hints')
    fc.assert(
      fc.property(
        fc.record(
          {
            complete: fc.constantFrom('finish' as const, 'more' as const),
            seq: fc.maxSafeNat(),
            epoch: fc.bigInt(0n, 2n ** 64n - 1n).map(n => n.toString(16).padStart(16, '0')),
            scope: fc.bigInt(0n, 2n ** 256n - 1n).map(n => n.toString(16)),
            floor: fc.maxSafeNat(),
            withheld: fc.constant(true),
          },
          { requiredKeys: [] },
        ),
        hints => {
          expect(parseHints(JSON.parse(JSON.stringify(encodeHints(hints))))).toEqual({ ...hints })
        },
      ),
      { seed, numRuns: 500 },
    )
  })
})

describe('epochs', () => {
  test('48 bits of start time, then 16 random bits', () => {
    expect(makeEpoch(0, 0, [])).toBe('0000000000000000')
    expect(makeEpoch(1_700_000_000_000, 0xabcd, [])).toBe('018bcfe56800abcd')
    expect(makeEpoch(1.9, 0x12345, [])).toBe('0000000000012345')
    expect(makeEpoch(-5, 1, [])).toBe('0000000000000001')
    expect(makeEpoch(2 ** 60, 0, [])).toBe('ffffffffffff0000')
  })

  test('above every known one, in any order, though the clock stood still or was set back', () => {
    const known = [makeEpoch(5_000, 0xffff, []), makeEpoch(9_000, 0xffff, []), makeEpoch(7_000, 0, [])]
    for (const now of [0, 8_999, 9_000, 9_001, 1_000_000]) {
      const epoch = makeEpoch(now, 0, known)
      expect(isEpoch(epoch)).toBe(true)
      for (const old of known) expect(epoch > old).toBe(true)
    }
    expect(makeEpoch(10_000, 3, known)).toBe(makeEpoch(10_000, 3, []))
  })

  test('a chain of starts at any clock readings is strictly ascending as text', () => {
    const seed = testSeed('epochs')
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(2 ** 31), fc.nat(0xffff)), { minLength: 2, maxLength: 20 }), starts => {
        const chain: string[] = []
        for (const [now, random] of starts) chain.push(makeEpoch(now, random, chain))
        expect([...chain].sort()).toEqual(chain)
        expect(new Set(chain).size).toBe(chain.length)
        expect(chain.every(isEpoch)).toBe(true)
      }),
      { seed, numRuns: 500 },
    )
  })

  test.each([EPOCH.slice(1), `${EPOCH}0`, EPOCH.toUpperCase(), '', 1, null, `${EPOCH.slice(1)}\n`])(
    '%j is no epoch',
    value => {
      expect(isEpoch(value)).toBe(false)
    },
  )
})

describe('reasons', () => {
  test('prefix, colon, space, text', () => {
    expect(reason('invalid', 'x')).toBe('invalid: x')
    expect(parseReason('invalid: x: y')).toEqual({ prefix: 'invalid', text: 'x: y' })
    expect(parseReason('auth-required:now')).toEqual({ prefix: 'auth-required', text: 'now' })
    expect(parseReason('something went wrong')).toEqual({ prefix: undefined, text: 'something went wrong' })
    expect(parseReason('Two words: x')).toEqual({ prefix: undefined, text: 'Two words: x' })
    expect(parseReason('')).toEqual({ prefix: undefined, text: '' })
  })

  test('every reason of ours begins with a known prefix', () => {
    for (const one of Object.values(REASONS)) {
      const text = typeof one === 'function' ? one(7) : one
      expect(REASON_PREFIXES).toContain(parseReason(text).prefix)
      expect(text.isWellFormed() && !text.includes('\n')).toBe(true)
    }
    for (const standard of ['duplicate', 'pow', 'blocked', 'rate-limited', 'invalid', 'restricted', 'mute', 'error'])
      expect(REASON_PREFIXES).toContain(standard)
  })

  test('an OK tells its seq, new or duplicate', () => {
    expect(seqOfOk(REASONS.stored(7))).toBe(7)
    expect(seqOfOk(REASONS.duplicate(7))).toBe(7)
    for (const message of ['', 'duplicate: already have it', 'seq: 0', 'seq: -1', 'seq: 1.5', 'seq: 1 x', 'x seq: 1'])
      expect(seqOfOk(message)).toBeUndefined()
    expect(seqOfOk('seq: 9007199254740991')).toBe(2 ** 53 - 1)
    expect(seqOfOk('seq: 9007199254740992')).toBeUndefined()
  })

  test('cursor-unknown tells the common position', () => {
    expect(commonOfCursorUnknown(REASONS.cursorUnknown(0))).toBe(0)
    expect(commonOfCursorUnknown(REASONS.cursorUnknown(42))).toBe(42)
    for (const message of ['', 'invalid: cursor-unknown', 'invalid: cursor-unknown common:-1', 'invalid: other'])
      expect(commonOfCursorUnknown(message)).toBeUndefined()
    expect(commonOfCursorUnknown('invalid: cursor-unknown common:9999999999999999')).toBeUndefined()
  })

  test('outdated is told from other refusals', () => {
    expect(isOutdated(REASONS.outdated)).toBe(true)
    expect(isOutdated(REASONS.deleted)).toBe(false)
    expect(isOutdated(REASONS.expired)).toBe(false)
  })
})

describe('kinds', () => {
  test.each([
    ['replaceable', [0, 3, 10_000, 14_705, 19_999]],
    ['ephemeral', [20_000, 21_059, 22_242, 24_700, 29_999]],
    ['addressable', [30_000, 34_706, 39_999]],
    ['regular', [1, 2, 4, 5, 44, 45, 999, 1_000, 4_700, 9_999, 40_000, 65_535]],
  ] as const)('%s', (expected, kinds) => {
    for (const kind of kinds) expect([kind, kindClass(kind)]).toEqual([kind, expected])
  })

  test('an address ends with the d value, or with the colon', () => {
    const at = (kind: number, ...tags: string[][]) => addressOf({ kind, pubkey: 'k', tags })
    expect(at(0, ['d', 'x'])).toBe('0:k:')
    expect(at(10_002)).toBe('10002:k:')
    expect(at(30_000, ['d', 'a:b'], ['d', 'second'])).toBe('30000:k:a:b')
    expect(at(30_000)).toBe('30000:k:')
    expect(at(30_000, ['d'])).toBe('30000:k:')
    expect(at(30_000, ['d', ''])).toBe('30000:k:')
    expect(at(1, ['d', 'x'])).toBeUndefined()
    expect(at(20_000, ['d', 'x'])).toBeUndefined()
  })

  test('the later wins; on a tie the lowest id; never itself', () => {
    const at = (created_at: number, id: string) => ({ created_at, id })
    expect(supersedes(at(2, 'b'), at(1, 'a'))).toBe(true)
    expect(supersedes(at(1, 'a'), at(2, 'b'))).toBe(false)
    expect(supersedes(at(1, 'a'), at(1, 'b'))).toBe(true)
    expect(supersedes(at(1, 'b'), at(1, 'a'))).toBe(false)
    expect(supersedes(at(1, 'a'), at(1, 'a'))).toBe(false)
  })

  test('private kinds are for the parties; the wake lease, AUTH and what is said to the relay alone for nobody', () => {
    expect([4, 1059, 21_059].map(audienceOf)).toEqual(['parties', 'parties', 'parties'])
    const forNobody = [22_242, 28_934, 28_935, 28_936, 34_707]
    expect(forNobody.map(audienceOf)).toEqual(Array(5).fill('nobody'))
    expect([0, 1, 4700, 4701, 65_535].map(audienceOf)).toEqual(Array(5).fill('anyone'))
    expect([...restrictedKinds].sort((a, b) => a - b)).toEqual([4, 1059, 21_059, ...forNobody])
  })

  test('every named kind is in range and tells its source', () => {
    for (const [kind, info] of Object.entries(KINDS)) {
      expect(Number(kind)).toBeLessThanOrEqual(65_535)
      expect(info.source).toMatch(/^(NIP-\d\d|docs\/protocol\.md)$/)
    }
  })
})

describe('tables', () => {
  test('limits are positive whole numbers with unit and reason', () => {
    for (const [name, limit] of Object.entries(LIMITS)) {
      expect(Number.isSafeInteger(limit.value) && limit.value > 0, name).toBe(true)
      expect(limit.unit && limit.stops, name).toBeTruthy()
      expect(defaultLimits).toHaveProperty(name, limit.value)
    }
    expect(Object.keys(defaultLimits)).toEqual(Object.keys(LIMITS))
  })

  test('an event within its limits fits a frame', () => {
    expect(LIMITS.contentBytes.value).toBeLessThan(LIMITS.eventBytes.value)
    expect(LIMITS.eventBytes.value + 1_024).toBeLessThan(LIMITS.frameBytes.value)
    expect(LIMITS.outboundHighBytes.value).toBeLessThan(LIMITS.outboundHardBytes.value)
  })

  test('close codes are ones that an endpoint may send', () => {
    for (const code of Object.values(CLOSE))
      expect(code >= 1000 && code <= 1014 && ![1004, 1005, 1006].includes(code)).toBe(true)
  })
})
