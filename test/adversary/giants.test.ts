import { encode, type NostrEvent } from 'posthorn/protocol'
import { describe, expect, test } from 'vitest'
import { nowSeconds } from '../helpers/events.ts'
import { connectRaw, type RawClient } from './raw-client.ts'
import { ATTACKER, from, heldBytes, honestTraffic, mallory, publicRelay, publish } from './scene.ts'

const FRAME_BYTES = 131_072
const MB = 1_048_576
const UNREADABLE = 'invalid: a frame is a JSON array'

const told = async (client: RawClient, frame: string): Promise<unknown[]> => {
  client.send(frame)
  return client.next('NOTICE', 'OK', 'CLOSED', 'EOSE', 'COUNT', 'NEG-ERR', 'NEG-MSG')
}
const by = (tags: string[][], content = '', kind = 1): NostrEvent =>
  mallory.sign({ kind, created_at: nowSeconds(), tags, content })

describe('giant and deep JSON', () => {
  const nested = (open: string, close: string, room: number) => {
    const depth = Math.floor(room / (open.length + close.length))
    return open.repeat(depth) + close.repeat(depth)
  }
  const ROOM = FRAME_BYTES - 1_000
  const deepArray = nested('[', ']', ROOM)
  const deepObject = `${'{"a":'.repeat(ROOM / 6)}1${'}'.repeat(ROOM / 6)}`
  const event = by([])
  const id = event.id

  test('is answered where it can be and forgotten; others go on and memory does not grow', async () => {
    await using relay = await publicRelay({ limits: { malformedFrames: 1_000 } })
    const check = await honestTraffic(relay)
    const client = await connectRaw(relay.url, from(ATTACKER))
    const attacks: [frame: string, answer: unknown[]][] = [
      [deepArray, ['NOTICE', expect.stringMatching(/^unsupported: unknown frame/)]],
      [deepArray.slice(0, -1), ['NOTICE', UNREADABLE]],
      ['['.repeat(FRAME_BYTES), ['NOTICE', UNREADABLE]],
      [deepObject, ['NOTICE', UNREADABLE]],
      [`[${'"x",'.repeat(ROOM / 4)}"x"]`, ['NOTICE', expect.stringMatching(/^unsupported: unknown frame/)]],
      [`"${'x'.repeat(ROOM)}"`, ['NOTICE', UNREADABLE]],
      ['1'.repeat(ROOM), ['NOTICE', UNREADABLE]],
      ['\u0000'.repeat(ROOM), ['NOTICE', UNREADABLE]],
      [`["EVENT",${deepArray}]`, ['NOTICE', 'invalid: event is not an object']],
      [`["EVENT",${deepObject}]`, ['NOTICE', 'invalid: event.id is not 64 lowercase hex characters']],
      [
        `["EVENT",{"id":"${id}","pubkey":"${event.pubkey}","created_at":1,"kind":1,"content":"","sig":"${event.sig}","tags":${deepArray}}]`,
        ['OK', id, false, 'invalid: event.tags holds something other than non-empty arrays of strings'],
      ],
      [
        `["EVENT",{"id":"${id}","content":${deepObject}}]`,
        ['OK', id, false, 'invalid: event.pubkey is not 64 lowercase hex characters'],
      ],
      [`["REQ","q",${deepArray}]`, ['CLOSED', 'q', 'invalid: a filter is not an object']],
      [`["REQ","q",${deepObject}]`, ['CLOSED', 'q', 'unsupported: this relay has no filter field "a"']],
      [
        `["REQ","q",{"ids":${deepArray}}]`,
        ['CLOSED', 'q', 'invalid: filter.ids holds something other than 64 lowercase hex characters'],
      ],
      [`["COUNT","q",{"limit":${deepObject}}]`, ['CLOSED', 'q', 'invalid: filter.limit is not a whole number']],
      [`["NEG-OPEN","q",${deepArray},"61"]`, ['NEG-ERR', 'q', 'invalid: a filter is not an object']],
      [`["AUTH",${deepArray}]`, ['NOTICE', 'invalid: event is not an object']],
      [`["WILL",${deepObject}]`, ['NOTICE', 'invalid: event.id is not 64 lowercase hex characters']],
      [`["CLOSE",${deepArray}]`, ['NOTICE', 'invalid: CLOSE needs a subscription id']],
    ]
    const round = async () => {
      for (const [frame, answer] of attacks) expect(await told(client, frame), frame.slice(0, 60)).toEqual(answer)
    }
    await round()
    const before = heldBytes()
    for (let n = 0; n < 5; n++) await round()
    // Kept, it would be 5 × 20 × 128 KiB, and much more as objects.
    expect(heldBytes() - before).toBeLessThan(6 * MB)
    expect(client.isClosed).toBe(false)
    await check()
  })

  test('inside a valid event it is text like any other, also where the relay looks into it', async () => {
    await using relay = await publicRelay()
    const check = await honestTraffic(relay)
    const client = await connectRaw(relay.url, from(ATTACKER))
    const deep = nested('[', ']', 49_000)
    const objects = `${'{"tags":'.repeat(5_000)}1${'}'.repeat(5_000)}`
    // Profiles are searched inside, reposts are looked into for protected events.
    for (const event of [by([], deep, 0), by([], objects, 6), by([['k', '1']], deep, 16), by([], objects, 14_705)]) {
      expect(await publish(client, event)).toEqual([true, expect.stringMatching(/^seq: /)])
      client.send(encode.req('back', { ids: [event.id] }))
      expect((await client.next('EVENT'))[2]).toEqual({ ...event })
    }
    client.send(encode.req('words', { search: 'tags', kinds: [0] }))
    expect((await client.next('EVENT', 'EOSE'))[0]).toBe('EOSE')
    await check()
  })

  test('unreadable frames are counted: the hundredth is closed 1008; others go on', async () => {
    await using relay = await publicRelay()
    const check = await honestTraffic(relay)
    const client = await connectRaw(relay.url, from(ATTACKER))
    const deep = nested('[', ']', 4_000)
    for (let n = 1; n < 100; n++) expect((await told(client, `["EVENT",${deep}]`))[0]).toBe('NOTICE')
    client.send(deep)
    expect(await client.closed).toEqual({ code: 1008, reason: 'too many frames that cannot be read' })
    await check()
  })
})

describe('tag bombs', () => {
  const topics = (count: number, bytes = 4) =>
    Array.from({ length: count }, (_, n) => ['t', `${n}`.padStart(bytes, 'x')])

  test('each way of one is refused by its name, before its signature costs anything; others go on', async () => {
    // With one forged signature the connection would be gone: none of these is looked at that far.
    await using relay = await publicRelay({ limits: { invalidSignatures: 1 } })
    const check = await honestTraffic(relay)
    const client = await connectRaw(relay.url, from(ATTACKER))
    const unsigned = (tags: string[][]) => ({ ...by(tags), sig: '0'.repeat(128) })
    const bombs: [tags: string[][], reason: string][] = [
      [topics(257), 'invalid: more than 256 tags'],
      [topics(8_000, 1), 'invalid: more than 256 tags'],
      [[['t', 'x'.repeat(1_025)]], 'invalid: a tag value is longer than 1024 bytes'],
      [[['t', 'é'.repeat(513)]], 'invalid: a tag value is longer than 1024 bytes'],
      [[['x'.repeat(1_025), 'y']], 'invalid: a tag value is longer than 1024 bytes'],
      [[['t', ...new Array<string>(100).fill('x'.repeat(1_000))]], 'invalid: the event is longer than 65536 bytes'],
      [[new Array<string>(30_000).fill('')], 'invalid: the event is longer than 65536 bytes'],
      [topics(100, 1_000), 'invalid: the event is longer than 65536 bytes'],
    ]
    for (const [tags, reason] of bombs) {
      const event = unsigned(tags)
      expect(await told(client, encode.publish(event))).toEqual(['OK', event.id, false, reason])
    }
    await check()
  })

  test('the largest that is allowed is stored, found by every tag, told once, and costs others nothing', async () => {
    await using relay = await publicRelay()
    const check = await honestTraffic(relay)
    const client = await connectRaw(relay.url, from(ATTACKER))
    const reader = await connectRaw(relay.url, from(ATTACKER))
    const tags = topics(256, 200)
    const all = tags.map(([, value = '']) => value)
    reader.send(encode.req('all', { '#t': all }, { '#t': all.slice(0, 100) }, { '#t': all.slice(50) }))
    await reader.next('EOSE')
    const event = by(tags)
    expect((await publish(client, event))[0]).toBe(true)
    // The same topic 256 times is one row of the index.
    const same = by(new Array<string[]>(256).fill(['t', 'again']))
    expect((await publish(client, same))[0]).toBe(true)
    expect((await reader.next('EVENT'))[2]).toMatchObject({ id: event.id })
    for (const value of [all[0], all[255], 'again']) {
      client.send(encode.req('one', { '#t': [String(value)] }))
      expect((await client.next('EVENT', 'EOSE'))[0]).toBe('EVENT')
      expect((await client.next('EVENT', 'EOSE'))[0]).toBe('EOSE')
    }
    reader.send(encode.req('end', { limit: 0 }))
    expect((await reader.next('EVENT', 'EOSE'))[0]).toBe('EOSE')
    await check()
  })
})

describe('subscription and filter bombs', () => {
  const hex = (n: number) => n.toString(16).padStart(64, '0')
  const many = (count: number) => Array.from({ length: count }, (_, n) => n)

  test('ids that are none are refused by CLOSED or NEG-ERR where they can be named, and echo no more than came', async () => {
    await using relay = await publicRelay()
    const check = await honestTraffic(relay)
    const client = await connectRaw(relay.url, from(ATTACKER))
    const LONG = 'invalid: a subscription id is 1 to 64 characters'
    for (const sub of ['x'.repeat(65), 'x'.repeat(FRAME_BYTES - 100), '\\'.repeat(60_000), '\ud800'.repeat(10_000)]) {
      const frame = JSON.stringify(['REQ', sub, {}])
      const answer = await told(client, frame)
      expect(answer).toEqual(['CLOSED', sub, LONG])
      expect(JSON.stringify(answer).length).toBeLessThan(frame.length + 100)
    }
    expect(await told(client, JSON.stringify(['NEG-OPEN', 'x'.repeat(65), {}, '61']))).toEqual([
      'NEG-ERR',
      'x'.repeat(65),
      LONG,
    ])
    for (const sub of ['""', 'null', '1', '{}', '["x"]', '{"toString":1}'])
      expect(await told(client, `["REQ",${sub},{}]`), sub).toEqual(['NOTICE', LONG])
    await check()
  })

  test('too much of anything is refused by its name; the most that is allowed is answered; others go on', async () => {
    await using relay = await publicRelay()
    const check = await honestTraffic(relay)
    const client = await connectRaw(relay.url, from(ATTACKER))
    const refused: [filters: object[], reason: string][] = [
      [new Array<object>(11).fill({}), 'invalid: more than 10 filters'],
      [[{ ids: many(501).map(hex) }], 'invalid: filter.ids has more than 500 values'],
      [[{ kinds: many(501) }], 'invalid: filter.kinds has more than 500 values'],
      [[{ '#t': many(501).map(String) }], 'invalid: filter.#t has more than 500 values'],
      [[{ '#a': ['x'], '#b': ['x'], '#c': ['x'], '#d': ['x'] }], 'invalid: a filter has more than 3 tag conditions'],
      [[{ '#t': ['x'.repeat(1_025)] }], 'invalid: filter.#t holds something other than tag values'],
      [[{ search: 'x '.repeat(129) }], 'invalid: filter.search is not a text of at most 256 bytes'],
      [[{ ['#'.repeat(60_000)]: [] }], `unsupported: this relay has no filter field "${'#'.repeat(32)}"`],
    ]
    for (const type of ['REQ', 'COUNT'])
      for (const [filters, reason] of refused)
        expect(await told(client, JSON.stringify([type, 'q', ...filters])), reason).toEqual(['CLOSED', 'q', reason])
    for (const [[filter, ...others], reason] of refused)
      if (others.length === 0)
        expect(await told(client, JSON.stringify(['NEG-OPEN', 'q', filter, '61']))).toEqual(['NEG-ERR', 'q', reason])

    // About 20,000 values in one frame, each a parameter of one statement.
    const wide = {
      kinds: many(500),
      '#a': many(500).map(String),
      '#b': many(500).map(String),
      '#c': many(500).map(String),
    }
    const widest = new Array<object>(10).fill(wide)
    expect((await told(client, JSON.stringify(['REQ', 'q', ...widest]))).slice(0, 2)).toEqual(['EOSE', 'q'])
    expect(await told(client, JSON.stringify(['COUNT', 'q', ...widest]))).toEqual(['COUNT', 'q', { count: 0 }])
    const words = {
      search: many(60)
        .map(n => n.toString(36))
        .join(' '),
    }
    expect((await told(client, JSON.stringify(['REQ', 'q', ...new Array<object>(10).fill(words)])))[0]).toBe('EOSE')
    await check()
  })

  test('subscriptions in number are refused beyond the limit, and leave nothing behind when the connection goes', async () => {
    await using relay = await publicRelay()
    const check = await honestTraffic(relay)
    // A socket that says nothing for 10 s is closed, and a busy machine takes as long for what follows.
    await check()
    const before = heldBytes()
    for (let round = 0; round < 4; round++) {
      const client = await connectRaw(relay.url, from(ATTACKER))
      for (let n = 0; n < 32; n++) {
        const values = many(500).map(value => `${round} ${n} ${value}`)
        client.send(encode.req(`s${n}`, { '#t': values }, { '#t': values.map(value => `${value} more`) }))
        expect((await client.next('EOSE', 'CLOSED'))[0]).toBe('EOSE')
      }
      expect(await told(client, encode.req('one more', {}))).toEqual([
        'CLOSED',
        'one more',
        'rate-limited: 32 subscriptions are open; CLOSE one first',
      ])
      client.destroy()
      await expect.poll(() => relay.relay.load).toEqual({ connections: 2, subscriptions: 1 })
    }
    // Kept, it would be 4 × 32 × 1,000 names and their buckets.
    expect(heldBytes() - before).toBeLessThan(16 * MB)
    await check()
  })
})
