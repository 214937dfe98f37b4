import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { bytesToHex, hexToBytes, type NostrEvent } from 'posthorn/protocol'
import { createRelay, type RelayOptions } from 'posthorn/relay'
import { seededRandom } from 'posthorn/testing'
import { afterEach, describe, expect, test } from 'vitest'
import WebSocket from 'ws'
import { packStubs, RecordSet, respond } from '#dist/protocol/negentropy/index.js'
import { notes, nowSeconds, person } from '../helpers/events.ts'
import { testSeed } from '../helpers/seed.ts'
import { type RunningRelay, startRelay } from '../helpers/start-relay.ts'

// A client that is not ours; its package does not name this module among its exports.
type Nip77 = typeof import('../../node_modules/nostr-tools/lib/types/nip77.d.ts')
type Engine = InstanceType<Nip77['Negentropy']>
const nip77 = new URL('../../node_modules/nostr-tools/lib/esm/nip77.js', import.meta.url)
const { Negentropy, NegentropyStorageVector } = (await import(nip77.href)) as Nip77

interface Stub {
  id: string
  created_at: number
}
const newestFirst = (a: Stub, b: Stub) => b.created_at - a.created_at || (a.id < b.id ? -1 : 1)
const recordSet = (stubs: readonly Stub[], page = 10_000) => {
  const sorted = [...stubs].sort(newestFirst)
  const pages = []
  for (let at = 0; at < sorted.length; at += page) pages.push(packStubs(sorted.slice(at, at + page)))
  return new RecordSet(pages)
}
const client = (stubs: readonly Stub[], frameBytes = 60_000) => {
  const storage = new NegentropyStorageVector()
  for (const { created_at, id } of stubs) storage.insert(created_at, id)
  storage.seal()
  return new Negentropy(storage, frameBytes)
}

/** Runs a client of nostr-tools to its end against `answer`; resolves to what it learned. */
async function reconcile(engine: Engine, answer: (message: string) => Promise<string> | string) {
  const have = new Set<string>()
  const need = new Set<string>()
  let rounds = 0
  for (let message: string | null = engine.initiate(); message !== null; rounds += 1) {
    if (rounds > 500) throw new Error('no end')
    message = engine.reconcile(
      await answer(message),
      id => have.add(id),
      id => need.add(id),
    )
  }
  return { have, need, rounds }
}

describe('engine', () => {
  const seed = testSeed('negentropy sets')

  test('finds the difference of random sets, in messages within the bound', async () => {
    const random = seededRandom(seed)
    const below = (n: number) => new DataView(random.bytes(4).buffer as ArrayBuffer).getUint32(0) % n
    for (let round = 0; round < 40; round += 1) {
      const seconds = [1, 3, 50, 100_000][below(4)] ?? 1
      const stubs = Array.from({ length: below([5, 40, 400, 4_000][below(4)] ?? 5) }, () => ({
        id: bytesToHex(random.bytes(32)),
        created_at: 1_700_000_000 + below(seconds),
      }))
      const odds = [0, 1, 2, 50][below(4)] ?? 0
      const where = stubs.map(() => (below(100) < odds ? 1 : below(100) < odds ? 2 : 0))
      const theirs = stubs.filter((_, index) => where[index] !== 1)
      const ours = stubs.filter((_, index) => where[index] !== 2)
      const maxBytes = [4_096, 8_000, 60_000][below(3)] ?? 4_096
      const set = recordSet(ours, 1 + below(1_000))
      const { have, need } = await reconcile(client(theirs), message => {
        const answer = respond(set, hexToBytes(message), maxBytes)
        if (!answer.ok) throw new Error(answer.error)
        expect(answer.value.length).toBeLessThanOrEqual(maxBytes)
        return bytesToHex(answer.value)
      })
      const idsOf = (which: number) => stubs.filter((_, index) => where[index] === which).map(({ id }) => id)
      expect([...need].sort()).toEqual(idsOf(1).sort())
      expect([...have].sort()).toEqual(idsOf(2).sort())
    }
  })

  test('a fingerprint is that of the plain sum of its range, however long', () => {
    const random = seededRandom(seed)
    const size = 3_000
    const ids = Array.from({ length: size }, () => bytesToHex(random.bytes(32)))
    const set = recordSet(ids.map((id, n) => ({ id, created_at: n })))
    const little = (hex: string) => BigInt(`0x${bytesToHex(hexToBytes(hex).reverse())}`)
    const plain = (from: number, to: number) => {
      const sum = ids.slice(from, to).reduce((total, id) => total + little(id), 0n) % (1n << 256n)
      const bytes = hexToBytes(sum.toString(16).padStart(64, '0')).reverse()
      const count = to - from < 128 ? [to - from] : [((to - from) >> 7) | 0x80, (to - from) & 0x7f]
      return createHash('sha256').update(bytes).update(Uint8Array.from(count)).digest('hex').slice(0, 32)
    }
    const starts = [0, 1, 255, 256, 257, 1_000]
    for (const from of starts)
      for (const to of [from, from + 1, from + 511, from + 512, from + 513, from + 1_024, 2_816, size])
        expect(bytesToHex(set.fingerprint(from, to)), `${from}–${to}`).toBe(plain(from, to))
  })

  test('survives and bounds whatever bytes it is sent', () => {
    const random = seededRandom(seed)
    const stubs = Array.from({ length: 300 }, (_, n) => ({
      id: bytesToHex(random.bytes(32)),
      created_at: 1_700_000_000 + (n >> 3),
    }))
    const set = recordSet(stubs)
    const valid = hexToBytes(client(stubs.slice(0, 200)).initiate())
    for (let round = 0; round < 3_000; round += 1) {
      const bytes = round % 2 ? random.bytes(1 + (round % 90)) : valid.slice(0, 1 + (round % valid.length))
      bytes[0] = round % 5 ? 0x61 : (bytes[0] ?? 0)
      if (bytes.length > 8) bytes[2 + (round % (bytes.length - 3))] = round % 251
      const answer = respond(set, bytes, 8_000)
      if (answer.ok) expect(answer.value.length).toBeLessThanOrEqual(8_000)
    }
  })

  test.each([
    ['another version is answered with ours', '62aabb', '61'],
    ['nothing asked, nothing told', '61', '61'],
  ])('%s', (_, message, answer) => {
    const result = respond(recordSet([]), hexToBytes(message), 8_000)
    expect(result.ok && bytesToHex(result.value)).toBe(answer)
  })

  test.each([
    ['no version', '7f'],
    ['a bound without mode', '610000'],
    ['an unknown mode', '61000003'],
    ['a fingerprint cut short', `61000001${'00'.repeat(15)}`],
    ['more ids promised than sent', `6100000202${'00'.repeat(32)}`],
    ['a number without end', `61${'ff'.repeat(40)}`],
    ['an id prefix above 32 bytes', `610021${'00'.repeat(33)}00`],
  ])('malformed: %s', (_, message) => {
    expect(respond(recordSet([]), hexToBytes(message), 8_000)).toEqual({ ok: false, error: 'malformed' })
  })
})

/** A socket that hands out frames one by one. */
async function dial(url: string) {
  const socket = new WebSocket(url)
  const frames: unknown[][] = []
  const waiting: ((frame: unknown[]) => void)[] = []
  socket.on('message', data => {
    const frame = JSON.parse(String(data)) as unknown[]
    if (frame[0] === 'AUTH') {
      challenge = String(frame[1])
      return
    }
    const next = waiting.shift()
    if (next) next(frame)
    else frames.push(frame)
  })
  let challenge = ''
  await once(socket, 'open')
  const next = (): Promise<unknown[]> => {
    const frame = frames.shift()
    return frame ? Promise.resolve(frame) : new Promise(resolve => waiting.push(resolve))
  }
  const ask = (...frame: unknown[]) => {
    socket.send(JSON.stringify(frame))
    return next()
  }
  return {
    ask,
    next,
    send: (...frame: unknown[]) => socket.send(JSON.stringify(frame)),
    publish: async (events: readonly NostrEvent[]) => {
      for (const event of events) expect((await ask('EVENT', event)).slice(2)).toMatchObject([true, expect.any(String)])
    },
    async login(who: ReturnType<typeof person>) {
      while (challenge === '') await new Promise(resolve => setTimeout(resolve, 5))
      const event = who.sign({
        kind: 22_242,
        created_at: nowSeconds(),
        tags: [
          ['relay', url],
          ['challenge', challenge],
        ],
      })
      expect((await ask('AUTH', event))[2]).toBe(true)
    },
    sync: (filter: object, local: readonly NostrEvent[], sub = 'n') => {
      let opened = false
      return reconcile(client(local), async message => {
        const answer = await (opened ? ask('NEG-MSG', sub, message) : ask('NEG-OPEN', sub, filter, message))
        opened = true
        if (answer[0] !== 'NEG-MSG') throw new Error(String(answer[2]))
        return String(answer[2])
      })
    },
    close: () => socket.close(),
  }
}

const alice = person('alice')
const bob = person('bob')
const EMPTY = client([]).initiate()

describe.each(['sqlite', 'memory'])('relay on %s', kind => {
  const open: (() => Promise<void>)[] = []
  afterEach(async () => {
    for (const close of open.splice(0)) await close()
  })
  async function serve(options: Omit<RelayOptions, 'data' | 'store'> = {}) {
    let url: string
    if (kind === 'memory') {
      const relay = await createRelay(options)
      url = await relay.listen({ port: 0 })
      open.push(() => relay.close())
    } else {
      const relay: RunningRelay = await startRelay(options)
      url = relay.url
      open.push(async () => relay[Symbol.asyncDispose]())
    }
    return dial(url)
  }

  test('reconciles with a client of another library', async () => {
    const relay = await serve()
    const all = notes(alice, 120)
    await relay.publish(all.filter((_, n) => n % 7 !== 0))
    const local = all.filter((_, n) => n % 5 !== 0)
    const { have, need } = await relay.sync({ authors: [alice.pubkey] }, local)
    expect([...have].sort()).toEqual(
      local
        .filter(e => all.indexOf(e) % 7 === 0)
        .map(e => e.id)
        .sort(),
    )
    const expected = all.filter((_, n) => n % 7 !== 0 && n % 5 === 0).map(e => e.id)
    expect([...need].sort()).toEqual(expected.sort())
  })

  test('keeps to the filter, its limit, expiry and deletion', async () => {
    const relay = await serve()
    const now = nowSeconds()
    const [first, second, third] = [1, 2, 3].map(n => alice.sign({ created_at: now - 10 + n, tags: [['t', 'x']] }))
    const other = alice.sign({ created_at: now, tags: [['t', 'y']] })
    const dead = alice.sign({
      created_at: now,
      tags: [
        ['t', 'x'],
        ['expiration', String(now - 1)],
      ],
    })
    if (!first || !second || !third) throw new Error('unreachable')
    await relay.publish([first, second, third, other])
    await relay.ask('EVENT', dead)
    await relay.publish([alice.sign({ kind: 5, created_at: now, tags: [['e', second.id]] })])
    const need = async (filter: object) => [...(await relay.sync(filter, [])).need].sort()
    expect(await need({ '#t': ['x'] })).toEqual([first.id, third.id].sort())
    expect(await need({ '#t': ['x'], limit: 1 })).toEqual([third.id])
    expect(await need({ '#t': ['x'], limit: 0 })).toEqual([])
    expect(await need({ '#t': ['x', 'y'] })).toEqual([first.id, third.id, other.id].sort())
    expect(await need({ kinds: [] })).toEqual([])
  })

  test('private mail is invisible to all but its parties', async () => {
    const relay = await serve()
    const wrap = person('throwaway').sign({
      kind: 1059,
      created_at: nowSeconds(),
      tags: [['p', bob.pubkey]],
      content: 'x',
    })
    const note = alice.sign({ created_at: nowSeconds() })
    await relay.publish([wrap, note])
    expect([...(await relay.sync({}, [])).need]).toEqual([note.id])
    expect(await relay.ask('NEG-OPEN', 'a', { kinds: [1059] }, EMPTY)).toEqual([
      'NEG-ERR',
      'a',
      expect.stringMatching(/^auth-required: /),
    ])
    await relay.login(alice)
    expect([...(await relay.sync({}, [])).need]).toEqual([note.id])
    expect([...(await relay.sync({ kinds: [1059] }, [])).need]).toEqual([])
    expect(
      await relay.ask('NEG-OPEN', 'a', { kinds: [1059], '#p': [bob.pubkey], authors: [bob.pubkey] }, EMPTY),
    ).toEqual(['NEG-ERR', 'a', expect.stringMatching(/^restricted: /)])
    await relay.login(bob)
    expect([...(await relay.sync({ kinds: [1059] }, [])).need]).toEqual([wrap.id])
    expect([...(await relay.sync({}, [])).need].sort()).toEqual([wrap.id, note.id].sort())
  })

  test('records: the cap is served, one more is blocked and told', async () => {
    const relay = await serve({ limits: { negentropyRecords: 5 } })
    const events = notes(alice, 6)
    await relay.publish(events.slice(0, 5))
    expect((await relay.sync({}, [])).need.size).toBe(5)
    await relay.publish(events.slice(5))
    expect(await relay.ask('NEG-OPEN', 'n', {}, EMPTY)).toEqual([
      'NEG-ERR',
      'n',
      expect.stringMatching(/^blocked: /),
      5,
    ])
    expect((await relay.sync({ limit: 5 }, [])).need.size).toBe(5)
    expect((await relay.sync({ limit: 0 }, [])).need.size).toBe(0)
  })

  test('sessions: n are held, the next is refused, an id taken again is closed first', async () => {
    const relay = await serve({ limits: { negentropySessions: 2, negentropyRecordsTotal: 4 } })
    await relay.publish(notes(alice, 2))
    for (const sub of ['a', 'b', 'b', 'a']) expect((await relay.ask('NEG-OPEN', sub, {}, EMPTY))[0]).toBe('NEG-MSG')
    expect(await relay.ask('NEG-OPEN', 'c', {}, EMPTY)).toEqual([
      'NEG-ERR',
      'c',
      expect.stringMatching(/^rate-limited: /),
    ])
    relay.send('NEG-CLOSE', 'a')
    expect((await relay.ask('NEG-OPEN', 'c', {}, EMPTY))[0]).toBe('NEG-MSG')
    await relay.publish(notes(bob, 1))
    expect(await relay.ask('NEG-OPEN', 'c', {}, EMPTY)).toEqual([
      'NEG-ERR',
      'c',
      expect.stringMatching(/^rate-limited: /),
    ])
    relay.send('NEG-CLOSE', 'b')
    expect((await relay.ask('NEG-OPEN', 'c', {}, EMPTY))[0]).toBe('NEG-MSG')
  })

  test('ids are a namespace of their own', async () => {
    const relay = await serve()
    expect((await relay.ask('REQ', 'same', { limit: 0 }))[0]).toBe('EOSE')
    expect((await relay.ask('NEG-OPEN', 'same', {}, EMPTY))[0]).toBe('NEG-MSG')
    relay.send('CLOSE', 'same')
    expect((await relay.ask('NEG-MSG', 'same', EMPTY))[0]).toBe('NEG-MSG')
    relay.send('NEG-CLOSE', 'same')
    expect(await relay.ask('NEG-MSG', 'same', EMPTY)).toEqual(['NEG-ERR', 'same', expect.stringMatching(/^closed: /)])
  })

  test('refusals end the session', async () => {
    const relay = await serve()
    expect(await relay.ask('NEG-OPEN', 'n', {}, '62')).toEqual(['NEG-MSG', 'n', '61'])
    expect((await relay.ask('NEG-MSG', 'n', EMPTY))[0]).toBe('NEG-MSG')
    for (const bad of ['6100', 'zz']) {
      await relay.ask('NEG-OPEN', 'n', {}, EMPTY)
      expect(await relay.ask('NEG-MSG', 'n', bad)).toEqual(['NEG-ERR', 'n', expect.stringMatching(/^invalid: /)])
      expect(await relay.ask('NEG-MSG', 'n', EMPTY)).toEqual(['NEG-ERR', 'n', expect.stringMatching(/^closed: /)])
    }
    for (const filter of [{ since_seq: 0 }, { epoch: '0'.repeat(16) }, { gone: true }])
      expect(await relay.ask('NEG-OPEN', 'n', filter, EMPTY)).toEqual([
        'NEG-ERR',
        'n',
        expect.stringMatching(/^invalid: /),
      ])
  })

  test('a silent session is closed', async () => {
    const relay = await serve({ limits: { negentropyIdleMs: 30 } })
    expect((await relay.ask('NEG-OPEN', 'n', {}, EMPTY))[0]).toBe('NEG-MSG')
    expect(await relay.next()).toEqual(['NEG-ERR', 'n', expect.stringMatching(/^closed: /)])
  })
})
