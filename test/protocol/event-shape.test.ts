import { encodeEvent, expirationOf, parseEvent, tagValue, tagValues, verifyEvent } from 'posthorn/protocol'
import { describe, expect, test } from 'vitest'
import { exceedsBytes } from '#dist/protocol/event.js'
import { corrupt, person } from '../helpers/events.ts'

const alice = person('alice')
const GOOD = alice.sign({
  content: 'hello',
  tags: [
    ['t', 'a', 'b'],
    ['p', alice.pubkey],
  ],
})
const JSON_TEXT = encodeEvent(GOOD)

/** The event's JSON with one field replaced by raw JSON text, as a peer could send it. */
const withField = (field: string, raw: string): unknown => {
  const fields = Object.entries(GOOD).map(
    ([name, value]) => `"${name}":${name === field ? raw : JSON.stringify(value)}`,
  )
  return JSON.parse(`{${fields.join(',')}}`)
}
const withoutField = (field: string): unknown =>
  Object.fromEntries(Object.entries(GOOD).filter(([name]) => name !== field))
const errorOf = (value: unknown): string | undefined => {
  const result = parseEvent(value)
  return result.ok ? undefined : result.error
}

describe('parseEvent', () => {
  test('rebuilds a frozen object of exactly the seven fields', () => {
    const result = parseEvent({ ...JSON.parse(JSON_TEXT), extra: 1, toJSON: 'x' })
    if (!result.ok) throw new Error(result.error)
    expect(Object.keys(result.value).sort()).toEqual(['content', 'created_at', 'id', 'kind', 'pubkey', 'sig', 'tags'])
    expect(result.value).toEqual(GOOD)
    expect(verifyEvent(result.value)).toBe(true)
    expect(Object.isFrozen(result.value)).toBe(true)
    expect(Object.isFrozen(result.value.tags)).toBe(true)
    expect(result.value.tags.every(Object.isFrozen)).toBe(true)
  })

  test('keeps nothing of the sender’s object', () => {
    const sent = JSON.parse(JSON_TEXT)
    const result = parseEvent(sent)
    sent.content = 'changed'
    sent.tags[0][1] = 'changed'
    sent.tags.push(['x'])
    expect(result).toEqual({ ok: true, value: GOOD })
  })

  test.each([null, undefined, 1, 'x', true, [], [GOOD]])('%j is not an event', value => {
    expect(errorOf(value)).toBe('event is not an object')
  })

  test.each(['id', 'pubkey', 'created_at', 'kind', 'tags', 'content', 'sig'])('%s is required', field => {
    expect(errorOf(withoutField(field))).toContain(`event.${field}`)
    expect(errorOf(withField(field, 'null'))).toContain(`event.${field}`)
  })

  test.each([
    ['id', 64],
    ['pubkey', 64],
    ['sig', 128],
  ])('%s is exactly %i lowercase hex characters', (field, length) => {
    const bad = ['', 'a'.repeat(length - 1), 'a'.repeat(length + 1), 'A'.repeat(length), 'g'.repeat(length)]
    bad.push(
      `${'a'.repeat(length - 1)}\n`,
      `${'a'.repeat(length)}\n`,
      `0x${'a'.repeat(length - 2)}`,
      'ａ'.repeat(length),
    )
    for (const value of bad) expect(errorOf(withField(field, JSON.stringify(value)))).toContain(`event.${field}`)
    expect(errorOf(withField(field, '1'))).toContain(`event.${field}`)
    expect(errorOf(withField(field, `["${'a'.repeat(length)}"]`))).toContain(`event.${field}`)
    expect(errorOf(withField(field, `"${'a'.repeat(length)}"`))).toBeUndefined()
  })

  test.each([
    ['0', 0],
    ['-0', 0],
    ['1.0', 1],
    ['1e3', 1000],
    ['9007199254740991', 2 ** 53 - 1],
  ])('created_at %s is read as %i', (raw, expected) => {
    const result = parseEvent(withField('created_at', raw))
    expect(result.ok && Object.is(result.value.created_at, expected)).toBe(true)
  })

  test.each(['1.5', '-1', '9007199254740992', '1e400', '-1e400', '1e-7', '"1"', 'true', '[1]', '{}'])(
    'created_at %s is refused',
    raw => {
      expect(errorOf(withField('created_at', raw))).toContain('event.created_at')
    },
  )

  test.each([
    ['0', 0],
    ['-0', 0],
    ['1e3', 1000],
    ['65535', 65_535],
  ])('kind %s is read as %i', (raw, expected) => {
    const result = parseEvent(withField('kind', raw))
    expect(result.ok && Object.is(result.value.kind, expected)).toBe(true)
  })

  test.each(['65536', '-1', '1.5', '1e5', '9007199254740993', '"1"', 'false'])('kind %s is refused', raw => {
    expect(errorOf(withField('kind', raw))).toContain('event.kind')
  })

  test.each([
    '{}',
    '"t"',
    '[1]',
    '["t"]',
    '[[]]',
    '[["t"],[]]',
    '[["t",1]]',
    '[["t",null]]',
    '[["t",["x"]]]',
    '[["t",{}]]',
    '[["t",true]]',
    '[null]',
  ])('tags %s are refused', raw => {
    expect(errorOf(withField('tags', raw))).toContain('event.tags')
  })

  test.each(['[]', '[[""]]', '[["t"]]', '[["t","","x"]]'])('tags %s are fine', raw => {
    expect(errorOf(withField('tags', raw))).toBeUndefined()
  })

  test.each([String.raw`\ud800`, String.raw`\udc00`, String.raw`a\udbffb`, String.raw`\udc00\ud800`])(
    'the lone surrogate %s is refused in content, tag names and tag values',
    lone => {
      expect(errorOf(withField('content', `"${lone}"`))).toContain('lone surrogate')
      expect(errorOf(withField('tags', `[["t","${lone}"]]`))).toContain('lone surrogate')
      expect(errorOf(withField('tags', `[["${lone}"]]`))).toContain('lone surrogate')
    },
  )

  test('a surrogate pair written as escapes is one character', () => {
    expect(errorOf(withField('content', String.raw`"\ud83d\ude00"`))).toBeUndefined()
  })

  test('of a duplicate key the last one counts, and the id decides whether that is the signed one', () => {
    const spoofed = JSON_TEXT.replace('"content":"hello"', '"content":"evil","content":"hello"')
    const result = parseEvent(JSON.parse(spoofed))
    expect(result.ok && verifyEvent(result.value)).toBe(true)
    const reversed = parseEvent(
      JSON.parse(JSON_TEXT.replace('"content":"hello"', '"content":"hello","content":"evil"')),
    )
    expect(reversed.ok && reversed.value.content).toBe('evil')
    expect(reversed.ok && verifyEvent(reversed.value)).toBe(false)
  })

  test('__proto__ and inherited fields never answer', () => {
    expect(errorOf(JSON.parse(`{"__proto__":${JSON_TEXT}}`))).toContain('event.id')
    expect(errorOf(Object.create(GOOD))).toContain('event.id')
    const polluting = JSON.parse(
      JSON_TEXT.replace('{', '{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}},'),
    )
    const result = parseEvent(polluting)
    expect(result).toEqual({ ok: true, value: GOOD })
    expect('polluted' in (result.ok ? result.value : {})).toBe(false)
    expect('polluted' in {}).toBe(false)
  })

  test('100,000 levels of nesting in any field are an error, not a stack overflow', () => {
    const deep = '['.repeat(100_000) + ']'.repeat(100_000)
    for (const field of ['id', 'pubkey', 'created_at', 'kind', 'tags', 'content', 'sig'])
      expect(errorOf(withField(field, deep))).toContain(`event.${field}`)
    expect(errorOf(JSON.parse(JSON_TEXT.replace('{', `{"x":${deep},`)))).toBeUndefined()
  })
})

describe('encodeEvent', () => {
  test('writes NIP-01’s order and reads back the same', () => {
    expect(Object.keys(JSON.parse(JSON_TEXT))).toEqual(['id', 'pubkey', 'created_at', 'kind', 'tags', 'content', 'sig'])
    expect(parseEvent(JSON.parse(JSON_TEXT))).toEqual({ ok: true, value: GOOD })
  })
})

describe('verifyEvent', () => {
  test.each(['id', 'pubkey', 'sig'] as const)('one wrong digit in %s is enough to fail', field => {
    expect(verifyEvent(GOOD)).toBe(true)
    expect(verifyEvent(corrupt(GOOD, field))).toBe(false)
  })

  test('a copy changed after verification does not stay verified', () => {
    expect(verifyEvent({ ...GOOD, content: 'other' })).toBe(false)
    expect(verifyEvent({ ...GOOD, tags: [...GOOD.tags, ['x']] })).toBe(false)
  })
})

describe('tags', () => {
  const tags = [['d'], ['d', 'second'], ['p', 'x'], ['p', 'y', 'z'], ['P', 'upper'], ['p']]

  test('tagValue takes the first tag of that exact name, even without a value', () => {
    expect(tagValue({ tags }, 'd')).toBeUndefined()
    expect(tagValue({ tags }, 'p')).toBe('x')
    expect(tagValue({ tags }, 'P')).toBe('upper')
    expect(tagValue({ tags }, 'missing')).toBeUndefined()
  })

  test('tagValues takes first values only', () => {
    expect(tagValues({ tags }, 'p')).toEqual(['x', 'y'])
    expect(tagValues({ tags }, 'missing')).toEqual([])
  })

  test.each([
    ['1700000000', 1_700_000_000],
    ['0', 0],
    ['', undefined],
    ['-1', undefined],
    ['1.5', undefined],
    ['1e3', undefined],
    [' 1', undefined],
    ['0x10', undefined],
    ['soon', undefined],
    ['9999999999999999', undefined],
  ])('expiration %j is %j', (value, expected) => {
    expect(expirationOf({ tags: [['expiration', value]] })).toBe(expected)
  })

  test('no expiration tag is no deadline', () => {
    expect(expirationOf({ tags: [] })).toBeUndefined()
    expect(expirationOf({ tags: [['expiration']] })).toBeUndefined()
  })
})

describe('encodeEvent', () => {
  const parsed = () => {
    const result = parseEvent(JSON.parse(JSON_TEXT))
    if (!result.ok) throw new Error(result.error)
    return result.value
  }

  test('writes a parsed event once', () => {
    const event = parsed()
    expect(encodeEvent(event)).toBe(JSON_TEXT)
    expect(encodeEvent(event)).toBe(JSON_TEXT)
  })

  test('a changed copy has a text of its own', () => {
    const event = parsed()
    encodeEvent(event)
    expect(encodeEvent({ ...event, content: 'changed' })).toBe(JSON_TEXT.replace('"hello"', '"changed"'))
    expect(encodeEvent({ ...event, tags: [] })).toContain('"tags":[]')
  })

  test('an event that may change is written anew each time', () => {
    const changing = { ...parsed(), tags: [['t', 'before']] }
    expect(encodeEvent(changing)).toContain('before')
    changing.tags[0] = ['t', 'after']
    expect(encodeEvent(changing)).toContain('after')
    const frozenOutside = Object.freeze({ ...changing, tags: Object.freeze([['t', 'before']]) })
    expect(encodeEvent(frozenOutside)).toContain('before')
    frozenOutside.tags[0]?.splice(1, 1, 'after')
    expect(encodeEvent(frozenOutside)).toContain('after')
  })
})

test.each([
  ['a', 1],
  ['ä', 2],
  ['€', 3],
  ['🙂', 4],
  ['abc€', 6],
])('exceedsBytes: %s has %d bytes', (text, bytes) => {
  expect(exceedsBytes(text, bytes)).toBe(false)
  expect(exceedsBytes(text, bytes - 1)).toBe(true)
  expect(exceedsBytes('', 0)).toBe(false)
})
