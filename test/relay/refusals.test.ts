import { REASON_PREFIXES } from 'posthorn/protocol'
import { describe, expect, test } from 'vitest'
import { corrupt, nowSeconds, person } from '../helpers/events.ts'
import { startRelay } from './relay-on-test.ts'
import { hex64 } from './unsigned.ts'
import { unverified } from './unverified.ts'
import { endOf, type Frame, isFor } from './wire.ts'

const alice = person('alice')
const note = (content = 'hello', tags: string[][] = []) => alice.sign({ created_at: nowSeconds(), content, tags })

const small = {
  contentBytes: 100,
  tagValueBytes: 80,
  tags: 3,
  eventBytes: 600,
  createdAtFuture: 60,
  createdAtPast: 600,
}

describe('EVENT is always answered by OK', () => {
  const now = nowSeconds()
  const verdicts: [name: string, event: unknown, accepted: boolean, reason: RegExp][] = [
    ['a good one', note(), true, /^seq: 1$/],
    ['a wrong signature', corrupt(note('sig'), 'sig'), false, /^invalid: .*signature/],
    ['a wrong id', corrupt(note('id'), 'id'), false, /^invalid: .*hash/],
    ['another’s pubkey', { ...note('mine'), pubkey: person('bob').pubkey }, false, /^invalid: /],
    ['changed content', { ...note('before'), content: 'after' }, false, /^invalid: /],
    ['kind out of range', { ...note(), kind: 65_536 }, false, /^invalid: event.kind/],
    ['tags that are no arrays of strings', { ...note(), tags: [[1]] }, false, /^invalid: event.tags/],
    ['a lone surrogate', { ...note(), content: '\ud800' }, false, /^invalid: .*surrogate/],
    ['content at the limit', note('x'.repeat(100)), true, /^seq: /],
    ['content above the limit', note('x'.repeat(101)), false, /^invalid: content/],
    ['content above the limit in bytes', note('é'.repeat(51)), false, /^invalid: content/],
    ['tags at the limit', note('', [['a'], ['b'], ['c']]), true, /^seq: /],
    ['a tag too many', note('', [['a'], ['b'], ['c'], ['d']]), false, /^invalid: more than 3 tags/],
    ['a tag value at the limit', note('', [['t', 'x'.repeat(80)]]), true, /^seq: /],
    ['a tag value above it', note('', [['t', 'x'.repeat(81)]]), false, /^invalid: a tag value/],
    [
      'an event above its limit',
      note('x'.repeat(90), [
        ['t', 'y'.repeat(80), 'z'.repeat(80)],
        ['u', 'y'.repeat(80)],
      ]),
      false,
      /^invalid: the event is longer/,
    ],
    ['from the future', alice.sign({ created_at: now + 120 }), false, /^invalid: .*future/],
    ['from just ahead', alice.sign({ created_at: now + 30 }), true, /^seq: /],
    ['from long ago', alice.sign({ created_at: now - 900 }), false, /^invalid: .*past/],
    ['a gift wrap from long ago', alice.sign({ created_at: now - 900, kind: 1059 }), true, /^seq: /],
    ['expired', note('', [['expiration', String(now - 1)]]), false, /^invalid: expired/],
  ]
  test('with its verdict', async () => {
    const { connect } = await startRelay({ limits: small })
    const wire = await connect()
    for (const [name, event, accepted, reason] of verdicts) {
      wire.send('EVENT', event)
      const ok = await wire.next()
      expect(ok.slice(0, 3), name).toEqual(['OK', (event as { id: string }).id, accepted])
      expect(ok[3], name).toMatch(reason)
      expect(ok, name).toHaveLength(4)
    }
  })

  test('a second copy is a duplicate with the seq of the first, also while the first is in flight, and from elsewhere', async () => {
    const { connect } = await startRelay()
    const [wire, other] = [await connect(), await connect()]
    const event = note()
    wire.send('EVENT', event)
    wire.send('EVENT', event)
    expect(await wire.next()).toEqual(['OK', event.id, true, 'seq: 1'])
    expect(await wire.next()).toEqual(['OK', event.id, true, 'duplicate: seq 1'])
    expect(await other.publish(event)).toEqual(['OK', event.id, true, 'duplicate: seq 1'])
    expect(await wire.count({})).toEqual(['COUNT', expect.anything(), { count: 1 }])
  })

  test('a forged copy of a stored event cannot take its place', async () => {
    const { connect } = await startRelay()
    const wire = await connect()
    const event = note('true words')
    await wire.publish(event)
    expect((await wire.publish({ ...event, content: 'other words' }))[2]).toBe(false)
    const [frame] = await wire.request('all', {})
    expect(frame?.[2]).toEqual(event)
  })

  test('an old version and a deleted event are refused with a standard prefix', async () => {
    const { connect } = await startRelay()
    const wire = await connect()
    const at = nowSeconds() - 10
    const version = (created_at: number) => alice.sign({ kind: 10_002, created_at })
    await wire.publish(version(at + 1))
    expect((await wire.publish(version(at)))[3]).toMatch(/^invalid: outdated/)
    const event = note('to be deleted')
    await wire.publish(event)
    await wire.publish(alice.sign({ kind: 5, created_at: at, tags: [['e', event.id]] }))
    expect((await wire.publish(event)).slice(2)).toEqual([false, 'blocked: deleted by its author'])
  })

  test('without a readable id there is nobody to answer but NOTICE', async () => {
    const { connect } = await startRelay()
    const wire = await connect()
    for (const text of [
      '["EVENT",{}]',
      '["EVENT"]',
      '["EVENT",{"id":"short"}]',
      'not json',
      '{}',
      '[]',
      '["HELLO"]',
      'null',
      '["CLOSE"]',
      '["REQ"]',
      '["REQ",7,{}]',
      '["REQ","",{}]',
    ]) {
      wire.sendText(text)
      const frame = await wire.next()
      expect(frame[0], text).toBe('NOTICE')
    }
  })
})

describe('a refused REQ or COUNT is always answered by CLOSED', () => {
  const bad: [name: string, filters: unknown[], reason: RegExp][] = [
    ['no filter', [], /^invalid: /],
    ['a filter that is no object', ['x'], /^invalid: /],
    ['an unknown field', [{ '&t': ['x'] }], /^unsupported: /],
    ['a tag of more than a letter', [{ '#tt': ['x'] }], /^unsupported: /],
    ['short ids', [{ ids: ['abc'] }], /^invalid: /],
    ['upper case', [{ authors: [alice.pubkey.toUpperCase()] }], /^invalid: /],
    ['#e that is no id', [{ '#e': ['x'] }], /^invalid: /],
    ['kinds as strings', [{ kinds: ['1'] }], /^invalid: /],
    ['a negative limit', [{ limit: -1 }], /^invalid: /],
    ['a fractional since', [{ since: 1.5 }], /^invalid: /],
    ['too many values', [{ kinds: Array.from({ length: 501 }, (_, n) => n) }], /^invalid: .*500/],
    ['too many tag conditions', [{ '#a': ['x'], '#b': ['x'], '#c': ['x'], '#d': ['x'] }], /^invalid: /],
    ['too many filters', Array.from({ length: 11 }, () => ({})), /^invalid: .*10 filters/],
    ['a good filter beside a bad one', [{}, { ids: 7 }], /^invalid: /],
    ['only restricted kinds', [{ kinds: [4] }, { kinds: [1059, 34_707] }], /^auth-required: /],
  ]
  test.each(['REQ', 'COUNT'])('%s', async type => {
    const { connect, relay } = await startRelay()
    const wire = await connect()
    for (const [name, filters, reason] of bad) {
      wire.send(type, name, ...filters)
      const frame = await wire.next()
      expect(frame.slice(0, 2), name).toEqual(['CLOSED', name])
      expect(frame[2], name).toMatch(reason)
      expect(REASON_PREFIXES, name).toContain(String(frame[2]).split(':')[0])
    }
    expect(relay.load.subscriptions).toBe(0)
    // At the limits themselves all is well.
    const good = [
      { kinds: Array.from({ length: 500 }, (_, n) => n), '#a': ['x'], '#b': ['x'], '#c': ['x'] },
      ...Array.from({ length: 9 }, () => ({ limit: 1 })),
    ]
    wire.send(type, 'good', ...good)
    expect((await wire.next())[0]).toBe(type === 'REQ' ? 'EOSE' : 'COUNT')
  })

  test('in log order', async () => {
    const { connect, relay } = await startRelay()
    const wire = await connect()
    const { epoch } = relay.head
    const cases: [unknown[], RegExp][] = [
      [[{ since_seq: 1 }], /^invalid: .*epoch/],
      [[{ since_seq: 0, limit: 0 }], /^invalid: .*limit/],
      [[{ since_seq: 0, ids: [hex64('x')] }], /^invalid: .*ids/],
      [[{ since_seq: 0, search: 'x' }], /^invalid: a search has no log order/],
      [[{ since_seq: 0 }, {}], /^invalid: all filters/],
      [[{}, { since_seq: 0 }], /^invalid: all filters/],
      [[{ since_seq: 0 }, { since_seq: 1, epoch }], /^invalid: all filters/],
      [
        [
          { since_seq: 0, limit: 5 },
          { since_seq: 0, limit: 6 },
        ],
        /^invalid: all filters/,
      ],
      [
        [
          { since_seq: 1, epoch },
          { since_seq: 1, epoch: '0'.repeat(16) },
        ],
        /^invalid: all filters/,
      ],
      [[{ epoch }], /^invalid: epoch and gone/],
      [[{ gone: true }], /^invalid: epoch and gone/],
      [[{ since_seq: 0, epoch: 'x' }], /^invalid: filter.epoch/],
      [[{ since_seq: -1 }], /^invalid: filter.since_seq/],
      [[{ since_seq: 0, gone: 1 }], /^invalid: filter.gone/],
      [[{ since_seq: 0, kinds: [4] }], /^auth-required: /],
    ]
    for (const [filters, reason] of cases) {
      wire.send('REQ', 's', ...filters)
      const frame = await wire.next()
      expect(frame, JSON.stringify(filters)).toEqual(['CLOSED', 's', expect.stringMatching(reason)])
    }
    expect(relay.load.subscriptions).toBe(0)
  })
})

describe('limits of a connection', () => {
  test('subscription ids: 64 characters and no more', async () => {
    const { connect } = await startRelay()
    const wire = await connect()
    expect((await wire.request('x'.repeat(64), {})).at(-1)?.[0]).toBe('EOSE')
    expect((await wire.request('x'.repeat(65), {})).at(-1)).toEqual([
      'CLOSED',
      'x'.repeat(65),
      expect.stringMatching(/^invalid: /),
    ])
  })

  test('subscriptions: n and no more, a taken id counts once, CLOSE frees', async () => {
    const { connect, relay } = await startRelay({ limits: { subscriptions: 3 } })
    const wire = await connect()
    for (const sub of ['a', 'b', 'c', 'a']) expect((await wire.request(sub, {})).at(-1)?.[0]).toBe('EOSE')
    expect((await wire.request('d', {})).at(-1)).toEqual(['CLOSED', 'd', expect.stringMatching(/^rate-limited: /)])
    wire.send('CLOSE', 'b')
    expect((await wire.request('d', {})).at(-1)?.[0]).toBe('EOSE')
    expect(relay.load).toEqual({ connections: 1, subscriptions: 3 })
    // A page that says `more` is idle afterwards and takes no place.
    await wire.publish(note('1'))
    await wire.publish(note('2'))
    wire.send('CLOSE', 'a')
    expect((await wire.request('page', { since_seq: 0, limit: 1 })).at(-1)?.[2]).toContain('more')
    expect((await wire.request('a', {})).at(-1)?.[0]).toBe('EOSE')
    await wire.close()
    await expect.poll(() => relay.load).toEqual({ connections: 0, subscriptions: 0 })
  })

  test('frames: n bytes pass, n+1 close with 1009', async () => {
    const { connect } = await startRelay({ limits: { frameBytes: 2_000 } })
    const text = (bytes: number) => `["REQ","s",{}]${' '.repeat(bytes - 14)}`
    const wire = await connect()
    wire.sendText(text(2_000))
    expect((await wire.find(endOf('s')))[0]).toBe('EOSE')
    wire.sendText(text(2_001))
    expect((await wire.closed).code).toBe(1009)
    const other = await connect()
    other.sendText(`["REQ","é",{}]${' '.repeat(2_000 - 14)}`) // one byte more than characters
    expect((await other.closed).code).toBe(1009)
  })

  test('a binary frame closes with 1003', async () => {
    const { connect } = await startRelay()
    const wire = await connect()
    wire.socket.send(Buffer.from('["REQ","s",{}]'))
    expect((await wire.closed).code).toBe(1003)
  })

  test('more than 64 unanswered events wait in the client’s socket, and all are answered in order', async () => {
    let waiting = 0
    let most = 0
    const gates: (() => void)[] = []
    const verifier = {
      tier: 'held back',
      async verify(events: readonly unknown[]) {
        waiting += events.length
        most = Math.max(most, waiting)
        await new Promise<void>(resolve => gates.push(resolve))
        waiting -= events.length
        return events.map(() => true)
      },
      close: async () => {},
    }
    const { connect } = await startRelay({ verifier })
    const wire = await connect()
    const burst = Array.from({ length: 200 }, () => unverified())
    for (const event of burst) wire.send('EVENT', event)
    const answered: Frame[] = []
    let opened = 0
    while (answered.length < burst.length) {
      await expect.poll(() => gates.length, { interval: 2 }).toBeGreaterThan(0)
      await wire.quiet()
      gates.shift()?.()
      opened += 1
      await expect.poll(() => wire.received.length - answered.length, { interval: 2 }).toBeGreaterThan(0)
      await wire.quiet()
      answered.push(...wire.rest())
      if (wire.received.length >= burst.length) break
    }
    expect(answered.map(frame => frame[1])).toEqual(burst.map(event => event.id))
    expect(most).toBeLessThan(burst.length)
    expect(opened).toBeGreaterThan(1)
  })
})

test('CLOSE of an unknown id is no matter', async () => {
  const { connect } = await startRelay()
  const wire = await connect()
  wire.send('CLOSE', 'nothing')
  expect((await wire.request('s', {})).map(frame => frame[0])).toEqual(['EOSE'])
  expect(wire.rest().filter(isFor('NOTICE'))).toEqual([])
})
