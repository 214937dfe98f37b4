import { defaultLimits, encode, encodeEvent, encodeHints, parseClientFrame, parseRelayFrame } from 'posthorn/protocol'
import { describe, expect, test } from 'vitest'
import { person } from '../helpers/events.ts'

const alice = person('alice')
const NOTE = alice.sign({ content: 'hi', tags: [['t', 'x']] })
const NOTE_JSON = encodeEvent(NOTE)
const EPOCH = '0123456789abcdef'
const client = (text: string, limits = defaultLimits) => parseClientFrame(text, limits)
const refusal = (text: string, limits = defaultLimits) => {
  const result = client(text, limits)
  return result.ok ? undefined : result.error
}

describe('parseClientFrame', () => {
  test('reads what encode writes', () => {
    expect(client(encode.publish(NOTE))).toEqual({ ok: true, value: { type: 'EVENT', event: NOTE } })
    const filters = [{ kinds: new Set([1]) }, { limit: 0 }]
    expect(client(encode.req('s', { kinds: [1] }, { limit: 0 }))).toEqual({
      ok: true,
      value: { type: 'REQ', sub: 's', filters },
    })
    expect(client(encode.countReq('s', { kinds: [1] }, { limit: 0 }))).toEqual({
      ok: true,
      value: { type: 'COUNT', sub: 's', filters },
    })
    expect(client(encode.close('s'))).toEqual({ ok: true, value: { type: 'CLOSE', sub: 's' } })
  })

  test('more elements than needed are ignored in EVENT and CLOSE', () => {
    expect(client(`["EVENT",${NOTE_JSON},1,{}]`).ok).toBe(true)
    expect(client('["CLOSE","s",1]').ok).toBe(true)
  })

  test.each(['', ' ', '{}', 'null', '1', '"EVENT"', '[', '["REQ"', '[]x', '["REQ",]', 'EVENT', '\ufeff[]', '\0'])(
    '%j is addressed to nobody: not a frame',
    text => {
      expect(refusal(text)).toEqual({ to: undefined, reason: 'invalid: a frame is a JSON array' })
    },
  )

  test.each([
    '[]',
    '[1]',
    '[null]',
    '[["REQ"]]',
    '[{}]',
    '["event",{}]',
    '["AUTHX","s"]',
    '["NEG-OPENED","s",{},"00"]',
  ])('%s is addressed to nobody: unknown, and the reason does not echo it', text => {
    expect(refusal(text)).toEqual({ to: undefined, reason: expect.stringMatching(/^unsupported: unknown frame/) })
  })

  test('a refused EVENT with a readable id gets its OK', () => {
    const bad = NOTE_JSON.replace('"kind":1', '"kind":"1"')
    expect(refusal(`["EVENT",${bad}]`)).toEqual({
      to: { ok: NOTE.id },
      reason: expect.stringMatching(/^invalid: event\.kind/),
    })
    expect(refusal(`["EVENT",{"id":"${NOTE.id}"}]`)?.to).toEqual({ ok: NOTE.id })
  })

  test.each([
    '["EVENT"]',
    '["EVENT",null]',
    '["EVENT",[]]',
    '["EVENT","x"]',
    '["EVENT",{}]',
    '["EVENT",{"id":1}]',
    `["EVENT",{"id":"${NOTE.id.toUpperCase()}"}]`,
    `["EVENT",{"__proto__":{"id":"${NOTE.id}"}}]`,
    `["EVENT","s",${NOTE_JSON}]`,
  ])('%s has no id to answer to', text => {
    expect(refusal(text)).toEqual({ to: undefined, reason: expect.stringMatching(/^invalid: event/) })
  })

  describe.each(['REQ', 'COUNT'] as const)('%s', type => {
    test('every refusal with a readable subscription id is a CLOSED for it', () => {
      const texts = [
        `["${type}","s"]`,
        `["${type}","s",null]`,
        `["${type}","s",[]]`,
        `["${type}","s",{},1]`,
        `["${type}","s",{"kinds":"1"}]`,
        `["${type}","s",{"query":"x"}]`,
        JSON.stringify([type, 's', ...Array.from({ length: 11 }, () => ({}))]),
      ]
      for (const text of texts) {
        const error = refusal(text)
        expect(error?.to).toEqual({ closed: 's' })
        expect(error?.reason).toMatch(text.includes('query') ? /^unsupported: / : /^invalid: /)
      }
    })

    test('a subscription id is 1 to n characters; a longer one still gets its CLOSED', () => {
      const limits = { ...defaultLimits, subscriptionIdChars: 3 }
      expect(client(`["${type}","abc",{}]`, limits).ok).toBe(true)
      expect(refusal(`["${type}","abcd",{}]`, limits)).toEqual({
        to: { closed: 'abcd' },
        reason: 'invalid: a subscription id is 1 to 3 characters',
      })
      expect(refusal(`["${type}","a",{}]`, { ...limits, subscriptionIdChars: 0 })?.to).toEqual({ closed: 'a' })
      for (const id of ['""', '1', 'null', '{}', '["s"]'])
        expect(refusal(`["${type}",${id},{}]`)).toEqual({ to: undefined, reason: expect.stringMatching(/^invalid: /) })
      expect(refusal(`["${type}"]`)?.to).toBeUndefined()
    })

    test('a subscription id is opaque text, quotes and control characters included', () => {
      for (const sub of ['"', '\\', '\n', '\u0000', '😀', '__proto__', ' '])
        expect(client(JSON.stringify([type, sub, {}]))).toEqual({ ok: true, value: { type, sub, filters: [{}] } })
      expect(refusal(`["${type}","\\ud800",{}]`)?.reason).toMatch(/^invalid: /)
    })

    test('filters at n, n+1 and 0', () => {
      const limits = { ...defaultLimits, filters: 2 }
      expect(client(`["${type}","s",{},{}]`, limits).ok).toBe(true)
      expect(refusal(`["${type}","s",{},{},{}]`, limits)).toEqual({
        to: { closed: 's' },
        reason: 'invalid: more than 2 filters',
      })
      expect(refusal(`["${type}","s",{}]`, { ...limits, filters: 0 })?.reason).toBe('invalid: more than 0 filters')
    })
  })

  test.each(['["CLOSE"]', '["CLOSE",""]', '["CLOSE",1]', '["CLOSE",null]', `["CLOSE","${'x'.repeat(65)}"]`])(
    '%s names no subscription',
    text => {
      expect(refusal(text)).toEqual({ to: undefined, reason: 'invalid: CLOSE needs a subscription id' })
    },
  )
})

describe('parseRelayFrame', () => {
  test('reads what encode writes', () => {
    const hints = { complete: 'finish', seq: 9, epoch: EPOCH, scope: 'ab', floor: 1, withheld: true } as const
    for (const [text, value] of [
      [encode.event('"s"', NOTE_JSON), { type: 'EVENT', sub: 's', event: NOTE }],
      [encode.event('"s"', NOTE_JSON, 7), { type: 'EVENT', sub: 's', event: NOTE, seq: 7 }],
      [encode.ok(NOTE.id, true, 'seq: 7'), { type: 'OK', id: NOTE.id, accepted: true, message: 'seq: 7' }],
      [encode.eose('s', encodeHints(hints)), { type: 'EOSE', sub: 's', hints }],
      [encode.closed('s', 'error: x'), { type: 'CLOSED', sub: 's', message: 'error: x' }],
      [encode.notice('x'), { type: 'NOTICE', message: 'x' }],
      [encode.count('s', 3), { type: 'COUNT', sub: 's', count: 3 }],
      [encode.seq('s', 7, EPOCH), { type: 'SEQ', sub: 's', seq: 7, epoch: EPOCH }],
      [encode.gone('s', 7, NOTE.id, 'deleted'), { type: 'GONE', sub: 's', seq: 7, target: NOTE.id, cause: 'deleted' }],
    ] as const)
      expect(parseRelayFrame(text)).toEqual({ ok: true, value })
  })

  test('a plain relay’s shorter frames are read too', () => {
    expect(parseRelayFrame('["EOSE","s"]')).toEqual({ ok: true, value: { type: 'EOSE', sub: 's', hints: {} } })
    expect(parseRelayFrame('["CLOSED","s"]')).toEqual({ ok: true, value: { type: 'CLOSED', sub: 's', message: '' } })
    expect(parseRelayFrame('["OK","id",false]')).toEqual({
      ok: true,
      value: { type: 'OK', id: 'id', accepted: false, message: '' },
    })
  })

  test.each(['0', '-1', '1.5', '"7"', 'null', '9007199254740992'])('seq %s on an EVENT is as if absent', seq => {
    expect(parseRelayFrame(`["EVENT","s",${NOTE_JSON},${seq}]`)).toEqual({
      ok: true,
      value: { type: 'EVENT', sub: 's', event: NOTE },
    })
  })

  test.each([
    '',
    '{}',
    '[]',
    '["EOSE"]',
    '["EVENT","s"]',
    '["EVENT","s",{}]',
    '["OK","id"]',
    '["OK","id","true"]',
    '["COUNT","s"]',
    '["COUNT","s",{"count":-1}]',
    '["COUNT","s",{"__proto__":{"count":1}}]',
    '["SEQ","s",1]',
    `["SEQ","s",-1,"${EPOCH}"]`,
    '["SEQ","s",1,"x"]',
    `["GONE","s",1,"${NOTE.id}","lost"]`,
    '["GONE","s",1,"x","deleted"]',
    '["WHAT","s"]',
    '[1,"s"]',
    // Values that cannot become a string: String() throws on them.
    '[{"toString":1,"valueOf":1},"s"]',
    '[{"toString":null},1]',
    `[${'['.repeat(100_000)}${']'.repeat(100_000)},"s"]`,
    `[${'['.repeat(100_000)}${']'.repeat(100_000)}]`,
  ])('case %$ fails and does not throw', text => {
    const result = parseRelayFrame(text)
    expect(result.ok).toBe(false)
    if (!result.ok) expect(result.error.length).toBeLessThan(100)
  })

  test('an unknown frame is named, briefly', () => {
    expect(parseRelayFrame('["AUTHX","challenge"]')).toEqual({ ok: false, error: 'unknown frame AUTHX' })
    expect(parseRelayFrame(`["${'x'.repeat(1_000)}","s"]`)).toEqual({
      ok: false,
      error: `unknown frame ${'x'.repeat(16)}`,
    })
  })
})
