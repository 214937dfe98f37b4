import { createHash } from 'node:crypto'
import { schnorr } from '@noble/curves/secp256k1.js'
import { bytesToHex, type EventTemplate, hexToBytes, type NostrEvent } from 'posthorn/protocol'
import { expect } from 'vitest'
import { corrupt, type Person } from '../helpers/events.ts'
import { connect, endOf, idsOf, isFor } from '../relay/wire.ts'
import { nip, STANDARD_PREFIX } from './rules.ts'

const { rule } = nip('01')

/** NIP-01's seven escapes; everything else verbatim, control characters too. */
const ESCAPES: Record<string, string> = {
  '\n': '\\n',
  '"': '\\"',
  '\\': '\\\\',
  '\r': '\\r',
  '\t': '\\t',
  '\b': '\\b',
  '\f': '\\f',
}
const quote = (text: string) => `"${[...text].map(char => ESCAPES[char] ?? char).join('')}"`

/** Signs over the specification's bytes as they are written there, independent of our own code. */
function signVerbatim(who: Person, { created_at, kind, tags, content }: EventTemplate): NostrEvent {
  const tagText = tags.map(tag => `[${tag.map(quote).join(',')}]`).join(',')
  const text = `[0,"${who.pubkey}",${created_at},${kind},[${tagText}],${quote(content)}]`
  const id = createHash('sha256').update(text, 'utf8').digest('hex')
  const sig = bytesToHex(schnorr.sign(hexToBytes(id), who.secretKey))
  return { id, pubkey: who.pubkey, created_at, kind, tags, content, sig }
}

rule(
  'an id is the sha256 of the compact array in UTF-8: seven characters are escaped, everything else is verbatim',
  async ({ open, alice, now }) => {
    const client = await open()
    const contents = [
      '\n"\\\r\t\b\f',
      'é ß 漢字 😀 \u2028 \u2029 / < > & \u007f',
      'noncharacters \ufffe \uffff \ufdd0 \u{1fffe}',
      'other control characters \u0001\u001f\u0000',
      'what only looks escaped \\u0001 \\n',
      '',
    ]
    for (const content of contents) {
      const event = signVerbatim(alice, { kind: 1, created_at: now, tags: [['t', content]], content })
      await client.store(event)
      expect((await client.request('s', { ids: [event.id] }))[0]).toEqual(['EVENT', 's', event])
    }
  },
)

rule('an id over JSON, where other control characters are \\u00xx, is accepted too', async ({ open, alice, now }) => {
  const event = alice.sign({ created_at: now, content: 'a\u0001b\u001f' })
  const verbatim = signVerbatim(alice, event)
  expect(verbatim.id).not.toBe(event.id)
  await (await open()).store(event, verbatim)
})

rule('values are hashed as parsed, never the text that was received', async ({ open, alice, now }) => {
  const client = await open()
  const { id, pubkey, created_at, kind, tags, content, sig } = alice.sign({
    created_at: now,
    content: 'AZ',
    tags: [['t', 'x']],
  })
  const text = JSON.stringify({ content, tags, sig, extra: [1], kind, id, created_at, pubkey }, undefined, 2)
  client.sendText(`["EVENT", ${text.replace('"AZ"', '"\\u0041\\u005a"')}]`)
  expect((await client.find(isFor('OK', id)))[2]).toBe(true)
  // What is served has the seven fields, whatever came with them.
  expect((await client.request('s', { ids: [id] }))[0]).toEqual([
    'EVENT',
    's',
    { id, pubkey, created_at, kind, tags, content, sig },
  ])
})

rule('an event whose id or signature does not fit is refused', async ({ open, alice, bob, now }) => {
  const client = await open()
  const event = alice.sign({ created_at: now, content: 'mine' })
  const forged = [corrupt(event, 'id'), corrupt(event, 'sig'), { ...event, pubkey: bob.pubkey }]
  for (const bad of [...forged, { ...event, content: 'theirs' }])
    expect(await client.refused(bad)).toMatch(/^invalid: /)
  expect(await client.ids({ authors: [alice.pubkey, bob.pubkey] })).toEqual([])
})

rule('kind is 0 to 65535', async ({ open, alice, now }) => {
  const client = await open()
  await client.store(alice.sign({ created_at: now, kind: 65_535 }), alice.sign({ created_at: now, kind: 0 }))
  const event = alice.sign({ created_at: now })
  for (const kind of [-1, 65_536, 1.5, '1', null]) {
    client.send('EVENT', { ...event, kind })
    expect(await client.find(isFor('OK', event.id))).toEqual([
      'OK',
      event.id,
      false,
      expect.stringMatching(/^invalid: /),
    ])
  }
})

rule('every tag is an array of strings, never null', async ({ open, alice, now }) => {
  const client = await open()
  const event = alice.sign({ created_at: now })
  for (const tags of [null, {}, [null], ['t'], [['t', null]], [['t', 1]], [['t', ['x']]]]) {
    client.send('EVENT', { ...event, tags })
    expect((await client.find(isFor('OK', event.id))).slice(2)).toEqual([false, expect.stringMatching(/^invalid: /)])
  }
})

rule('hex is lowercase and of exact length: id and pubkey 64, sig 128', async ({ open, alice, now }) => {
  const client = await open()
  const event = alice.sign({ created_at: now, content: 'hex' })
  for (const field of ['pubkey', 'sig'] as const)
    for (const value of [event[field].toUpperCase(), event[field].slice(1), `${event[field]}0`, `0x${event[field]}`]) {
      client.send('EVENT', { ...event, [field]: value })
      expect((await client.find(isFor('OK', event.id)))[2]).toBe(false)
    }
  // Without a readable id there is nobody to answer.
  client.send('EVENT', { ...event, id: event.id.toUpperCase() })
  expect((await client.next())[0]).toBe('NOTICE')
  expect(await client.ids({ authors: [alice.pubkey] })).toEqual([])
})

rule('text that UTF-8 cannot carry (lone surrogates) is refused', async ({ open, alice, now }) => {
  const client = await open()
  const event = alice.sign({ created_at: now, content: 'x' })
  client.sendText(`["EVENT",${JSON.stringify(event).replace('"x"', '"\\ud800"')}]`)
  expect((await client.find(isFor('OK', event.id))).slice(2)).toEqual([false, expect.stringMatching(/^invalid: /)])
})

rule('ids, authors, #e and #p take whole 64 hex values only, no prefixes', async ({ open, alice, now }) => {
  const client = await open()
  const event = alice.sign({ created_at: now })
  await client.store(event)
  for (const field of ['ids', 'authors', '#e', '#p'])
    for (const value of [event.id.slice(0, 8), event.id.toUpperCase(), `${event.id}0`, ''])
      expect(await client.closedFor({ [field]: [value] })).toMatch(/^invalid: /)
})

rule(
  'single-letter tags a–z and A–Z are indexed, case-sensitive, by their first value only',
  async ({ open, alice, now }) => {
    const client = await open()
    const word = alice.pubkey.slice(0, 12)
    const [lower, upper, second] = [
      alice.sign({ created_at: now, tags: [['x', word]] }),
      alice.sign({ created_at: now, tags: [['X', word]] }),
      alice.sign({ created_at: now, tags: [['x', 'other', word]] }),
    ]
    const long = alice.sign({ created_at: now, tags: [['xx', word]] })
    await client.store(lower, upper, second, long)
    expect(await client.ids({ '#x': [word] })).toEqual([lower.id])
    expect(await client.ids({ '#X': [word] })).toEqual([upper.id])
    expect(await client.ids({ '#x': [word.toUpperCase()] })).toEqual([])
    for (const letter of 'abcdfghijklmnoqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ')
      expect(await client.ids({ [`#${letter}`]: ['nowhere'] })).toEqual([])
  },
)

rule('a condition that the relay does not know is refused, not passed over', async ({ open }) => {
  const client = await open()
  for (const field of ['#xx', '#1', '&t', 'author', 'unknown'])
    expect(await client.closedFor({ [field]: ['x'] })).toMatch(/^unsupported: /)
})

rule('an empty list matches nothing', async ({ open, alice, now }) => {
  const client = await open()
  const event = alice.sign({ created_at: now, tags: [['t', 'x']] })
  await client.store(event)
  for (const field of ['ids', 'authors', 'kinds', '#t']) {
    const filter = { ids: [event.id], [field]: [] }
    expect(await client.ids(filter)).toEqual([])
    expect(await client.ids(filter, { ids: [event.id] })).toEqual([event.id])
  }
})

rule('since and until are both inclusive', async ({ open, alice, now }) => {
  const client = await open()
  const [a, b, c] = [3, 2, 1].map(ago => alice.sign({ created_at: now - ago }))
  if (!a || !b || !c) throw new Error('three')
  await client.store(a, b, c)
  const authors = [alice.pubkey]
  expect(await client.ids({ authors, since: now - 2 })).toEqual([c.id, b.id])
  expect(await client.ids({ authors, until: now - 2 })).toEqual([b.id, a.id])
  expect(await client.ids({ authors, since: now - 2, until: now - 2 })).toEqual([b.id])
  expect(await client.ids({ authors, since: now - 1, until: now - 2 })).toEqual([])
})

rule(
  'conditions of a filter are ANDed, filters of a REQ are ORed, an event that fits two is sent once',
  async ({ open, alice, bob, now }) => {
    const client = await open()
    const [one, two, three] = [
      alice.sign({ created_at: now - 3, kind: 1, tags: [['t', 'x']] }),
      alice.sign({ created_at: now - 2, kind: 7, tags: [['t', 'x']] }),
      bob.sign({ created_at: now - 1, kind: 1, tags: [['t', 'x']] }),
    ]
    await client.store(one, two, three)
    const authors = [alice.pubkey]
    expect(await client.ids({ authors, kinds: [1], '#t': ['x'] })).toEqual([one.id])
    expect(await client.ids({ authors, kinds: [1], '#t': ['y'] })).toEqual([])
    const filters = [{ authors }, { kinds: [7], authors }, { ids: [three.id, one.id] }]
    expect(await client.ids(...filters)).toEqual([three.id, two.id, one.id])
    await client.request('live', ...filters)
    const live = alice.sign({ created_at: now, kind: 7 })
    await (await open()).store(live)
    expect(await client.next()).toEqual(['EVENT', 'live', live])
    await client.quiet()
    expect(client.rest()).toEqual([])
  },
)

rule(
  'limit governs the stored query only, for each filter by itself: the newest, then everything live',
  async ({ open, alice, bob, now }) => {
    const client = await open()
    const [old, newer] = [alice.sign({ created_at: now - 9 }), alice.sign({ created_at: now - 8 })]
    const bobs = bob.sign({ created_at: now - 20 })
    await client.store(old, newer, bobs)
    const frames = await client.request('s', { authors: [alice.pubkey], limit: 1 }, { authors: [bob.pubkey], limit: 1 })
    expect(idsOf(frames)).toEqual([newer.id, bobs.id])
    const live = [1, 2, 3].map(n => alice.sign({ created_at: now - n }))
    await (await open()).store(...live)
    for (const event of live) expect(await client.next()).toEqual(['EVENT', 's', event])
  },
)

rule('stored events come newest first, of one second the lowest id first', async ({ open, alice, now }) => {
  const client = await open()
  const events = Array.from({ length: 8 }, (_, n) => alice.sign({ created_at: now - (n >> 2), content: `${n}` }))
  await client.store(...events)
  const wanted = events.sort((a, b) => b.created_at - a.created_at || (a.id < b.id ? -1 : 1)).map(event => event.id)
  expect(await client.ids({ authors: [alice.pubkey] })).toEqual(wanted)
  expect(await client.ids({ authors: [alice.pubkey], limit: 2 })).toEqual(wanted.slice(0, 2))
})

rule('limit 0: no stored events, EOSE, then live', async ({ open, alice, now }) => {
  const client = await open()
  await client.store(alice.sign({ created_at: now - 1 }))
  const frames = await client.request('s', { authors: [alice.pubkey], limit: 0 })
  expect(frames.map(([type]) => type)).toEqual(['EOSE'])
  const live = alice.sign({ created_at: now })
  await (await open()).store(live)
  expect(await client.next()).toEqual(['EVENT', 's', live])
})

rule('a subscription id is not empty and has at most 64 characters', async ({ open }) => {
  const client = await open()
  expect((await client.request('x'.repeat(64), { limit: 0 })).at(-1)?.[0]).toBe('EOSE')
  const [closed] = await client.request('x'.repeat(65), { limit: 0 })
  expect(closed).toEqual(['CLOSED', 'x'.repeat(65), expect.stringMatching(/^invalid: /)])
  for (const sub of ['', 5, null, {}]) {
    client.send('REQ', sub, { limit: 0 })
    expect(await client.next()).toEqual(['NOTICE', expect.stringMatching(/^invalid: /)])
  }
})

rule('a subscription id belongs to its connection', async ({ open, alice, bob, now }) => {
  const [one, two] = [await open(), await open()]
  await one.request('s', { authors: [alice.pubkey] })
  await two.request('s', { authors: [bob.pubkey] })
  two.send('CLOSE', 's')
  const event = alice.sign({ created_at: now })
  await two.store(event)
  expect(await one.next()).toEqual(['EVENT', 's', event])
  expect(two.received.filter(isFor('EVENT'))).toEqual([])
})

rule('a REQ with a known id takes the place of that subscription', async ({ open, alice, bob, now }) => {
  const client = await open()
  await client.request('s', { authors: [alice.pubkey] })
  await client.request('s', { authors: [bob.pubkey] })
  const [old, fresh] = [alice.sign({ created_at: now }), bob.sign({ created_at: now })]
  await (await open()).store(old, fresh)
  expect(await client.next()).toEqual(['EVENT', 's', fresh])
})

rule('after CLOSE nothing more comes, and CLOSE of an unknown id is no matter', async ({ open, alice, now }) => {
  const client = await open()
  await client.request('s', { authors: [alice.pubkey] })
  client.send('CLOSE', 's')
  client.send('CLOSE', 'unknown')
  // A later EOSE of the same connection shows that the CLOSE has taken effect.
  await client.request('after', { limit: 0, authors: ['0'.repeat(64)] })
  await (await open()).store(alice.sign({ created_at: now }))
  await client.quiet()
  expect(client.rest()).toEqual([])
})

rule('kinds 1, 2, 5–44 and 1000–9999 are regular: all are kept', async ({ open, alice, now }) => {
  const client = await open()
  for (const kind of [1, 2, 5, 44, 1000, 9999]) {
    const pair = [0, 1].map(n => alice.sign({ kind, created_at: now - n }))
    await client.store(...pair)
    expect(await client.ids({ authors: [alice.pubkey], kinds: [kind] })).toEqual(pair.map(({ id }) => id))
  }
})

rule(
  'kinds 0, 3 and 10000–19999 are replaceable: the newest of an author is kept',
  async ({ open, alice, bob, now }) => {
    const client = await open()
    for (const kind of [0, 3, 10_000, 19_999]) {
      const old = alice.sign({ kind, created_at: now - 2, tags: [['d', 'x']] })
      const newer = alice.sign({ kind, created_at: now - 1, tags: [['d', 'y']] })
      const others = bob.sign({ kind, created_at: now - 3 })
      await client.store(old, others, newer)
      expect(await client.ids({ kinds: [kind], authors: [alice.pubkey, bob.pubkey] })).toEqual([newer.id, others.id])
    }
  },
)

rule('kinds 20000–29999 are ephemeral: passed on, never stored', async ({ open, alice, now }) => {
  const [client, writer] = [await open(), await open()]
  await client.request('s', { authors: [alice.pubkey] })
  for (const kind of [20_000, 29_999]) {
    const event = alice.sign({ kind, created_at: now })
    await writer.store(event)
    expect(await client.next()).toEqual(['EVENT', 's', event])
    expect(await writer.ids({ ids: [event.id] })).toEqual([])
  }
})

rule(
  'kinds 30000–39999 are addressable by kind, author and d; a missing d is the empty one',
  async ({ open, alice, now }) => {
    const client = await open()
    for (const kind of [30_000, 39_999]) {
      const at = (ago: number, ...tags: string[][]) => alice.sign({ kind, created_at: now - ago, tags })
      const [x, y, x2, none, empty] = [at(9, ['d', 'x']), at(8, ['d', 'y']), at(7, ['d', 'x']), at(6), at(5, ['d', ''])]
      await client.store(x, y, x2, none, empty)
      expect(await client.ids({ kinds: [kind], authors: [alice.pubkey] })).toEqual([empty.id, x2.id, y.id])
    }
  },
)

rule('of two versions of one second the one with the lowest id is kept, whichever comes first', async scene => {
  const { open, alice, now } = scene
  const client = await open()
  for (const [kind, lowFirst] of [
    [10_001, true],
    [10_002, false],
  ] as const) {
    const pair = ['a', 'b'].map(content => alice.sign({ kind, created_at: now, content }))
    const [low, high] = pair.sort((a, b) => (a.id < b.id ? -1 : 1))
    if (!low || !high) throw new Error('two')
    if (lowFirst) {
      await client.store(low)
      expect(await client.refused(high)).toMatch(/^invalid: /)
    } else await client.store(high, low)
    expect(await client.ids({ kinds: [kind], authors: [alice.pubkey] })).toEqual([low.id])
  }
})

rule('a late older version gets OK false with a standard prefix', async ({ open, alice, now }) => {
  const client = await open()
  const version = (kind: number, ago: number) => alice.sign({ kind, created_at: now - ago, tags: [['d', 'x']] })
  for (const kind of [0, 10_001, 30_001]) {
    const newest = version(kind, 1)
    await client.store(newest)
    expect(await client.refused(version(kind, 2))).toMatch(/^invalid: /)
    expect(await client.ids({ kinds: [kind], authors: [alice.pubkey] })).toEqual([newest.id])
  }
})

rule('the address of a plain replaceable event ends with a colon', async ({ open, alice, now }) => {
  const client = await open()
  const event = alice.sign({ kind: 10_001, created_at: now - 2 })
  const removal = (a: string) => alice.sign({ kind: 5, created_at: now - 1, tags: [['a', a]] })
  await client.store(event, removal(`10001:${alice.pubkey}`))
  expect(await client.ids({ ids: [event.id] })).toEqual([event.id])
  await client.store(removal(`10001:${alice.pubkey}:`))
  expect(await client.ids({ ids: [event.id] })).toEqual([])
})

rule('every EVENT is answered by an OK of four elements', async ({ open, alice, now }) => {
  const client = await open()
  const good = alice.sign({ created_at: now })
  const bad = [
    corrupt(alice.sign({ content: 'bad', created_at: now }), 'sig'),
    alice.sign({ created_at: now + 99_999 }),
  ]
  for (const event of [good, good, ...bad]) {
    client.send('EVENT', event)
    const ok = await client.next()
    expect(ok).toEqual(['OK', event.id, !bad.includes(event), expect.any(String)])
    if (ok[2] === false) expect(ok[3]).toMatch(STANDARD_PREFIX)
  }
})

rule('a known event is OK true with `duplicate:`', async ({ open, alice, now }) => {
  const event = alice.sign({ created_at: now })
  await (await open()).store(event)
  expect(await (await open()).publish(event)).toEqual(['OK', event.id, true, expect.stringMatching(/^duplicate: /)])
})

rule(
  'every refusal has a standard prefix and is told where the client can act on it: OK or CLOSED, never NOTICE',
  async ({ open, alice, now }) => {
    const client = await open()
    const sign = (of: object) => alice.sign({ created_at: now, ...of })
    const events = [
      sign({ created_at: now + 99_999 }),
      sign({ created_at: 1 }),
      sign({ kind: 22_242 }),
      sign({ tags: [['-']] }),
      sign({ tags: [['expiration', '1']] }),
      sign({ content: 'x'.repeat(60_000) }),
      { ...sign({}), tags: null },
      { ...sign({}), sig: 'zz' },
    ]
    for (const event of events) {
      client.send('EVENT', event)
      const [type, id, accepted, reason] = await client.next()
      expect([type, id, accepted]).toEqual(['OK', event.id, false])
      expect(reason).toMatch(STANDARD_PREFIX)
    }
    const filters = [
      [],
      [null],
      [[]],
      [{ kinds: [4] }],
      [{ kinds: ['1'] }],
      [{ kinds: [70_000] }],
      [{ authors: 'x' }],
      [{ limit: -1 }],
      [{ since: 1.5 }],
      [{ nothing: 1 }],
      [{ since_seq: 5 }],
      Array(11).fill({}),
    ]
    for (const verb of ['REQ', 'COUNT'])
      for (const list of filters.filter(([one]) => verb === 'REQ' || one?.since_seq === undefined)) {
        client.send(verb, 's', ...list)
        const [type, sub, reason] = await client.next()
        expect([type, sub]).toEqual(['CLOSED', 's'])
        expect(reason).toMatch(STANDARD_PREFIX)
      }
  },
)

rule('bytes that are no frame get a NOTICE and do not end the connection', async ({ open }) => {
  const client = await open()
  for (const text of ['', 'hello', '{}', '[]', '[1]', '["NOPE","x"]', '["REQ"]', '["EVENT"]', '[[[[']) {
    client.sendText(text)
    expect((await client.next())[0]).toBe('NOTICE')
  }
  expect((await client.request('s', { limit: 0 })).at(-1)?.[0]).toBe('EOSE')
})

rule(
  'EOSE comes once, after the stored events of all filters, and nothing written meanwhile is lost between stored and live',
  async ({ open, alice, now }) => {
    const events = Array.from({ length: 120 }, (_, n) => alice.sign({ created_at: now - 500 + n, content: `${n}` }))
    const [writer, reader] = [await open(), await open()]
    for (const event of events) writer.send('EVENT', event)
    const subs = ['a', 'b', 'c', 'd', 'e']
    for (const [index, sub] of subs.entries()) {
      await writer.find(isFor('OK', events[index * 20]?.id))
      reader.send('REQ', sub, { authors: [alice.pubkey] }, { authors: [alice.pubkey], kinds: [1] })
    }
    const all = events.map(({ id }) => id).sort()
    for (const sub of subs)
      await expect.poll(() => idsOf(reader.received.filter(isFor('EVENT', sub))).sort()).toEqual(all)
    expect(reader.received.filter(isFor('EOSE')).map(([, sub]) => sub)).toEqual(subs)
  },
)

rule(
  'EOSE has two elements: what a relay may add to it goes to clients that asked for it',
  async ({ open, alice, now }) => {
    const client = await open()
    await client.store(alice.sign({ created_at: now }))
    for (const filter of [{}, { limit: 0 }, { limit: 1 }, { authors: [alice.pubkey] }, { kinds: [7] }])
      expect((await client.request('s', filter)).at(-1)).toEqual(['EOSE', 's'])
  },
)

rule('a subscription that is refused sends no EOSE', async ({ open }) => {
  const client = await open()
  client.send('REQ', 'refused', { kinds: [4] })
  client.send('REQ', 'next', { limit: 0 })
  const frames = await client.until(endOf('next'))
  expect(frames.map(([type, sub]) => [type, sub])).toEqual([
    ['CLOSED', 'refused'],
    ['EOSE', 'next'],
  ])
})

rule('connections are accepted on one path only', async ({ url, httpUrl }) => {
  await expect(connect(`${url}/other`)).rejects.toThrow('404')
  await (await connect(`${url}/?any=query`)).close()
  expect((await fetch(`${httpUrl}/other`)).status).toBe(404)
})

rule('what got its OK is found from another connection at once', async ({ open, alice, now }) => {
  const event = alice.sign({ created_at: now })
  await (await open()).store(event)
  expect(await (await open()).ids({ ids: [event.id] })).toEqual([event.id])
})

rule('an ephemeral event that nobody listens to is OK false with `mute:`', async ({ open, alice, now }) => {
  const client = await open()
  expect(await client.refused(alice.sign({ kind: 20_000, created_at: now }))).toMatch(/^mute: /)
  await (await open()).request('s', { kinds: [20_000] })
  await client.store(alice.sign({ kind: 20_000, created_at: now, content: 'heard' }))
})
