import { setTimeout as wait } from 'node:timers/promises'
import type { Event } from 'nostr-tools/core'
import type { Filter } from 'nostr-tools/filter'
import { fetchRelayInformation } from 'nostr-tools/nip11'
import { SimplePool, useWebSocketImplementation as usePoolSocket } from 'nostr-tools/pool'
import { type EventTemplate, finalizeEvent, generateSecretKey, getPublicKey, verifyEvent } from 'nostr-tools/pure'
import { Relay, useWebSocketImplementation as useRelaySocket } from 'nostr-tools/relay'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import WebSocket from 'ws'
import { type RunningRelay, startRelay } from '../helpers/start-relay.ts'

// A client that is not ours, used as its own documentation shows, against the real relay.
usePoolSocket(WebSocket)
useRelaySocket(WebSocket)

const now = Math.floor(Date.now() / 1000)
interface Author {
  key: Uint8Array
  pubkey: string
  sign(template: Partial<EventTemplate>): Event
}
/** The seven fields alone: nostr-tools marks what it verified with a symbol, and then believes the mark. */
const plain = (event: Event): Event => JSON.parse(JSON.stringify(event))
const newAuthor = (): Author => {
  const key = generateSecretKey()
  return {
    key,
    pubkey: getPublicKey(key),
    sign: template => plain(finalizeEvent({ kind: 1, created_at: now, tags: [], content: '', ...template }, key)),
  }
}

let server: RunningRelay
let pool: SimplePool
let relay: Relay
// One relay for all: every test has authors and topics of its own.
let alice: Author
let bob: Author
beforeAll(async () => {
  server = await startRelay()
  pool = new SimplePool()
  relay = await Relay.connect(server.url)
})
beforeEach(() => {
  alice = newAuthor()
  bob = newAuthor()
})
afterAll(async () => {
  relay?.close()
  pool?.destroy()
  await server?.[Symbol.asyncDispose]()
})

const query = async (filter: Filter): Promise<Event[]> => (await pool.querySync([server.url], filter)).map(plain)
const ids = (events: readonly Event[]): string[] => events.map(event => event.id)
const publish = async (...events: Event[]): Promise<void> => {
  for (const event of events) await relay.publish(event)
}
/** The reason nostr-tools rejects a publish with. */
const refusal = async (event: Event): Promise<string> => {
  try {
    return `accepted: ${await relay.publish(event)}`
  } catch (error) {
    return (error as Error).message
  }
}

/** Subscribes and collects; `until` waits for a condition on what has come. */
function listen(...filters: Filter[]) {
  const events: Event[] = []
  const state = { eose: false, closed: undefined as string | undefined }
  const subscription = relay.subscribe(filters, {
    onevent: event => void events.push(plain(event)),
    oneose: () => {
      state.eose = true
    },
    onclose: reason => {
      state.closed = reason
    },
  })
  const until = async (condition: () => boolean) => {
    while (!condition()) await wait(5)
  }
  return { events, state, subscription, until }
}

describe('publishing', () => {
  test('Relay.publish resolves on OK, and says duplicate the second time', async () => {
    const note = alice.sign({ content: 'hello' })
    expect(await relay.publish(note)).toMatch(/^seq: \d+$/)
    expect(await relay.publish(note)).toMatch(/^duplicate: /)
    expect(await query({ ids: [note.id] })).toEqual([note])
  })

  test('SimplePool.publish resolves too', async () => {
    const note = alice.sign({ content: 'by pool' })
    expect(await Promise.all(pool.publish([server.url], note))).toHaveLength(1)
    expect(await pool.get([server.url], { ids: [note.id] })).toMatchObject(note)
  })

  test('what comes back verifies with their verifier, awkward text included', async () => {
    const note = alice.sign({ content: 'a\u0000b\u001f "\\ \n\u2028 é 😀 </script>', tags: [['t', '\t\u0001']] })
    await publish(note)
    const [back] = await query({ ids: [note.id] })
    expect(back).toEqual(note)
    expect(back !== undefined && verifyEvent(back)).toBe(true)
  })

  test('a forged event is refused', async () => {
    const note = alice.sign({ content: 'mine' })
    expect(await refusal({ ...note, content: 'theirs' })).toMatch(/^invalid: /)
    expect(await refusal({ ...note, pubkey: bob.pubkey })).toMatch(/^invalid: /)
    expect(await refusal({ ...note, sig: note.sig.replace(/^../, note.sig.startsWith('00') ? '11' : '00') })).toMatch(
      /^invalid: /,
    )
    expect(await query({ ids: [note.id] })).toEqual([])
  })
})

describe('every filter field', () => {
  let notes: Event[]
  let first: Event
  let second: Event
  let third: Event
  beforeEach(async () => {
    const topic = bob.pubkey.slice(0, 8)
    first = alice.sign({
      created_at: now - 30,
      content: '1',
      tags: [
        ['t', topic],
        ['p', bob.pubkey],
      ],
    })
    second = alice.sign({
      created_at: now - 20,
      content: '2',
      kind: 4242,
      tags: [
        ['e', first.id, '', 'root'],
        ['T', topic],
      ],
    })
    third = bob.sign({
      created_at: now - 10,
      content: '3',
      tags: [
        ['t', topic.toUpperCase()],
        ['a', `30000:${alice.pubkey}:x`],
      ],
    })
    notes = [first, second, third]
    await publish(...notes)
  })
  const both = () => [alice.pubkey, bob.pubkey]

  test('ids', async () => {
    expect(ids(await query({ ids: [first.id, third.id] }))).toEqual([third.id, first.id])
    expect(await query({ ids: ['f'.repeat(64)] })).toEqual([])
  })

  test('authors', async () => {
    expect(ids(await query({ authors: both() }))).toEqual([third.id, second.id, first.id])
    expect(ids(await query({ authors: [bob.pubkey] }))).toEqual([third.id])
  })

  test('kinds', async () => {
    expect(ids(await query({ authors: both(), kinds: [4242] }))).toEqual([second.id])
    expect(ids(await query({ authors: both(), kinds: [1, 4242] }))).toEqual([third.id, second.id, first.id])
    expect(await query({ authors: both(), kinds: [7] })).toEqual([])
  })

  test('#e, #p, #a', async () => {
    expect(ids(await query({ '#e': [first.id] }))).toEqual([second.id])
    expect(ids(await query({ '#p': [bob.pubkey] }))).toEqual([first.id])
    expect(ids(await query({ '#a': [`30000:${alice.pubkey}:x`] }))).toEqual([third.id])
  })

  test('#t and #T are different letters, and values keep their case', async () => {
    const topic = bob.pubkey.slice(0, 8)
    const upper = topic.toUpperCase()
    const lowerHits = topic === upper ? [third.id, first.id] : [first.id]
    expect(ids(await query({ '#t': [topic] }))).toEqual(lowerHits)
    expect(ids(await query({ '#T': [topic] }))).toEqual([second.id])
    expect(ids(await query({ '#t': [topic, upper] }))).toEqual([third.id, first.id])
  })

  test('since and until, inclusive', async () => {
    expect(ids(await query({ authors: both(), since: now - 20 }))).toEqual([third.id, second.id])
    expect(ids(await query({ authors: both(), until: now - 20 }))).toEqual([second.id, first.id])
    expect(ids(await query({ authors: both(), since: now - 20, until: now - 20 }))).toEqual([second.id])
    expect(await query({ authors: both(), since: now - 19, until: now - 11 })).toEqual([])
  })

  test('limit takes the newest', async () => {
    expect(ids(await query({ authors: both(), limit: 2 }))).toEqual([third.id, second.id])
    expect(ids(await query({ authors: both(), limit: 1 }))).toEqual([third.id])
  })

  test('limit 0: nothing stored, EOSE, then live', async () => {
    const { events, state, subscription, until } = listen({ authors: both(), limit: 0 })
    await until(() => state.eose)
    expect(events).toEqual([])
    const live = alice.sign({ content: 'live' })
    await publish(live)
    await until(() => events.length === 1)
    expect(ids(events)).toEqual([live.id])
    subscription.close()
  })

  test('fields are joined by AND', async () => {
    expect(ids(await query({ authors: [alice.pubkey], kinds: [1], '#p': [bob.pubkey], since: now - 30 }))).toEqual([
      first.id,
    ])
    expect(await query({ authors: [bob.pubkey], kinds: [4242] })).toEqual([])
  })

  test('several filters of one subscription are joined by OR, each event once', async () => {
    const { events, state, subscription, until } = listen(
      { ids: [first.id] },
      { authors: both() },
      { kinds: [4242], authors: [alice.pubkey] },
    )
    await until(() => state.eose)
    expect(ids(events).sort()).toEqual(ids(notes).sort())
    const live = alice.sign({ kind: 4242, content: 'matches two' })
    await publish(live)
    await until(() => events.length > 3)
    expect(ids(events.slice(3))).toEqual([live.id])
    subscription.close()
  })

  test('equal seconds come lowest id first', async () => {
    const same = Array.from({ length: 5 }, (_, n) => alice.sign({ kind: 777, content: String(n), created_at: now - 5 }))
    await publish(...same)
    expect(ids(await query({ kinds: [777], authors: [alice.pubkey] }))).toEqual(ids(same).sort())
    expect(ids(await query({ kinds: [777], authors: [alice.pubkey], limit: 2 }))).toEqual(ids(same).sort().slice(0, 2))
  })

  test('a filter this relay cannot serve gets CLOSED, which ends the subscription', async () => {
    const { state, until } = listen({ authors: both(), '&t': ['words'] } as Filter)
    await until(() => state.closed !== undefined)
    expect(state.closed).toMatch(/unsupported: /)
  })
})

describe('live', () => {
  test('an event reaches a subscriber of another connection after EOSE, and no stranger', async () => {
    const mine = listen({ authors: [alice.pubkey] })
    const other = listen({ authors: [bob.pubkey] })
    await mine.until(() => mine.state.eose && other.state.eose)
    const note = alice.sign({ content: 'live' })
    await Promise.all(pool.publish([server.url], note))
    await mine.until(() => mine.events.length > 0)
    expect(mine.events).toEqual([note])
    const marker = bob.sign({ content: 'marker' })
    await Promise.all(pool.publish([server.url], marker))
    await other.until(() => other.events.length > 0)
    expect(other.events).toEqual([marker])
    mine.subscription.close()
    other.subscription.close()
  })

  test('after close nothing more comes', async () => {
    const mine = listen({ authors: [alice.pubkey] })
    await mine.until(() => mine.state.eose)
    mine.subscription.close()
    const witness = listen({ authors: [alice.pubkey] })
    await witness.until(() => witness.state.eose)
    await publish(alice.sign({ content: 'late' }))
    await witness.until(() => witness.events.length > 0)
    expect(mine.events).toEqual([])
    witness.subscription.close()
  })

  test('SimplePool.subscribe gets stored, EOSE, then live', async () => {
    const stored = alice.sign({ content: 'stored' })
    const live = alice.sign({ content: 'live', created_at: now + 1 })
    await publish(stored)
    const seen: string[] = []
    await new Promise<void>(resolve => {
      const closer = pool.subscribe(
        [server.url],
        { authors: [alice.pubkey] },
        {
          onevent: event => {
            seen.push(event.id)
            if (event.id !== live.id) return
            closer.close()
            resolve()
          },
          oneose: () => {
            seen.push('eose')
            void relay.publish(live)
          },
        },
      )
    })
    expect(seen).toEqual([stored.id, 'eose', live.id])
  })

  test('ephemeral events are passed on and never stored', async () => {
    const mine = listen({ authors: [alice.pubkey], kinds: [20_001] })
    await mine.until(() => mine.state.eose)
    const passing = alice.sign({ kind: 20_001, content: 'typing' })
    await publish(passing)
    await mine.until(() => mine.events.length > 0)
    expect(mine.events).toEqual([passing])
    expect(await query({ ids: [passing.id] })).toEqual([])
    mine.subscription.close()
  })
})

describe('replaceable and addressable', () => {
  test('a replaceable kind keeps the newest per author, and refuses an older one', async () => {
    const old = alice.sign({ kind: 0, content: 'old', created_at: now - 2 })
    const newer = alice.sign({ kind: 0, content: 'new', created_at: now - 1 })
    const bobs = bob.sign({ kind: 0, content: 'bob', created_at: now - 5 })
    await publish(old, bobs, newer)
    expect(ids(await query({ kinds: [0], authors: [alice.pubkey, bob.pubkey] }))).toEqual([newer.id, bobs.id])
    expect(await query({ ids: [old.id] })).toEqual([])
    expect(await refusal(alice.sign({ kind: 0, content: 'between', created_at: now - 2 }))).toMatch(/^invalid: /)
  })

  test('an addressable kind keeps the newest per author and d; no d is the empty one', async () => {
    const at = (d: string | undefined, content: string, created_at: number) =>
      alice.sign({ kind: 30_023, content, created_at, tags: d === undefined ? [] : [['d', d]] })
    const [x1, x2, y1, none, empty] = [
      at('x', 'x1', now - 4),
      at('x', 'x2', now - 3),
      at('y', 'y1', now - 4),
      at(undefined, 'none', now - 2),
      at('', 'empty', now - 1),
    ]
    await publish(x1, x2, y1, none, empty)
    expect(ids(await query({ kinds: [30_023], authors: [alice.pubkey] }))).toEqual([empty.id, x2.id, y1.id])
    expect(ids(await query({ kinds: [30_023], authors: [alice.pubkey], '#d': ['x'] }))).toEqual([x2.id])
  })

  test('of two versions of one second the lowest id stays, in either order', async () => {
    const pair = (kind: number) =>
      ['a', 'b'].map(content => alice.sign({ kind, content })).sort((a, b) => (a.id < b.id ? -1 : 1)) as [Event, Event]
    const [low, high] = pair(10_002)
    await publish(high, low)
    expect(ids(await query({ kinds: [10_002], authors: [alice.pubkey] }))).toEqual([low.id])
    const [low2, high2] = pair(10_003)
    await publish(low2)
    expect(await refusal(high2)).toMatch(/^invalid: /)
    expect(ids(await query({ kinds: [10_003], authors: [alice.pubkey] }))).toEqual([low2.id])
  })
})

describe('deletion', () => {
  test('by e: the author’s own event goes, the request stays and is served', async () => {
    const note = alice.sign({ content: 'regret' })
    const request = alice.sign({
      kind: 5,
      tags: [
        ['e', note.id],
        ['k', '1'],
      ],
    })
    await publish(note, request)
    expect(ids(await query({ authors: [alice.pubkey] }))).toEqual([request.id])
    expect(await refusal(note)).toMatch(/^blocked: /)
  })

  test('by e: another’s event does not', async () => {
    const note = alice.sign({ content: 'mine' })
    await publish(note, bob.sign({ kind: 5, tags: [['e', note.id]] }))
    expect(ids(await query({ ids: [note.id] }))).toEqual([note.id])
  })

  test('before its target came, it still bites', async () => {
    const note = alice.sign({ content: 'late' })
    await publish(alice.sign({ kind: 5, tags: [['e', note.id]] }))
    expect(await refusal(note)).toMatch(/^blocked: /)
  })

  test('by a: versions up to the request go, a newer one is accepted', async () => {
    const version = (content: string, created_at: number) =>
      alice.sign({ kind: 30_023, content, created_at, tags: [['d', 'x']] })
    const old = version('old', now - 10)
    await publish(old, alice.sign({ kind: 5, created_at: now - 5, tags: [['a', `30023:${alice.pubkey}:x`]] }))
    expect(await query({ ids: [old.id] })).toEqual([])
    expect(await refusal(version('before the request', now - 6))).toMatch(/^blocked: /)
    const newer = version('after', now - 4)
    await publish(newer)
    expect(ids(await query({ kinds: [30_023], authors: [alice.pubkey] }))).toEqual([newer.id])
  })
})

describe('expiration', () => {
  test('an event past its time is refused, one before it is served until then', async () => {
    expect(await refusal(alice.sign({ tags: [['expiration', String(now - 1)]] }))).toMatch(/^invalid: /)
    const kept = alice.sign({ content: 'kept', tags: [['expiration', String(now + 3_600)]] })
    const brief = alice.sign({
      content: 'brief',
      tags: [['expiration', String(Math.floor(Date.now() / 1000) + 2)]],
    })
    await publish(kept, brief)
    expect(ids(await query({ authors: [alice.pubkey] })).sort()).toEqual([kept.id, brief.id].sort())
    while ((await query({ ids: [brief.id] })).length > 0) await wait(100)
    expect(ids(await query({ authors: [alice.pubkey] }))).toEqual([kept.id])
    expect(await relay.count([{ authors: [alice.pubkey] }], {})).toBe(1)
  })
})

describe('counting', () => {
  test('Relay.count counts what a REQ would find, each event once', async () => {
    await publish(...[1, 2, 3].map(n => alice.sign({ content: String(n), tags: [['t', bob.pubkey]] })))
    expect(await relay.count([{ authors: [alice.pubkey] }], {})).toBe(3)
    expect(await relay.count([{ authors: [alice.pubkey] }, { '#t': [bob.pubkey] }], {})).toBe(3)
    expect(await relay.count([{ authors: [bob.pubkey] }], {})).toBe(0)
  })
})

describe('relay information', () => {
  test('nip11 over HTTP at the same address', async () => {
    const info = await fetchRelayInformation(server.url)
    for (const nip of [1, 9, 11, 40, 45, 62]) expect(info.supported_nips).toContain(nip)
    expect(info.limitation?.max_subid_length).toBe(64)
    expect(info).toHaveProperty('seq', { version: 1, epoch: server.relay.head.epoch, last: server.relay.head.last })
  })
})

describe('a restart', () => {
  test('keeps what got OK; a new connection finds it', async () => {
    const note = alice.sign({ content: 'kept' })
    await publish(note)
    await server.restart()
    relay = await Relay.connect(server.url)
    expect(await relay.publish(note)).toMatch(/^duplicate: /)
    const { events, state, until, subscription } = listen({ ids: [note.id] })
    await until(() => state.eose)
    expect(events).toEqual([note])
    subscription.close()
  })
})
