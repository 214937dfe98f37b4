import { readFileSync } from 'node:fs'
import { encode, type FilterJson, LIMITS, type LimitName, type Limits, type NostrEvent } from 'posthorn/protocol'
import {
  createMemoryStore,
  createRelay,
  type Peer,
  type Relay,
  type RelayOptions,
  type Store,
  saneDefaults,
} from 'posthorn/relay'
import { createVirtualTime, seededRandom } from 'posthorn/testing'
import { describe, expect, onTestFinished, test } from 'vitest'
import { nobleVerifier } from '#dist/platform/verifier.js'
import { Doorkeeper } from '#dist/relay/policy/doorkeeper.js'
import { connectRaw, OPCODE, openTcp } from '../adversary/raw-client.ts'
import { type Person, person } from '../helpers/events.ts'
import { handClock } from '../helpers/hand-clock.ts'

const HOME = 'ws://relay.test'
const alice = person('alice')
const bob = person('bob')
const owner = person('owner')
const START_MS = Date.UTC(2026, 0, 1)
const START_S = START_MS / 1000

/** A relay in virtual time, and connections whose network is a number that the test sets. */
async function bench(limits: Partial<Limits> = {}, options: RelayOptions = {}) {
  const time = createVirtualTime(START_MS)
  const relay: Relay = await createRelay({
    store: createMemoryStore(),
    verifier: nobleVerifier,
    clock: time.clock,
    timers: time.timers,
    random: seededRandom(7),
    publicUrls: [HOME],
    limits,
    ...options,
  })
  onTestFinished(() => relay.close())
  const open = (peer?: Peer) => {
    const state = { unsent: 0, paused: false, closed: undefined as { code: number; reason: string } | undefined }
    const inbox: unknown[][] = []
    const events = relay.accept(
      {
        send: text => {
          inbox.push(JSON.parse(text) as unknown[])
        },
        close: (code, reason) => {
          state.closed = { code, reason }
        },
        terminate: () => {},
        pause: () => {
          state.paused = true
        },
        resume: () => {
          state.paused = false
        },
        get unsentBytes() {
          return state.unsent
        },
      },
      peer,
    )
    const say = async (text: string): Promise<unknown[][]> => {
      inbox.length = 0
      events.onText(text)
      await time.settle()
      return [...inbox]
    }
    const challenge = String(inbox[0]?.[1])
    return {
      state,
      events,
      inbox,
      say,
      /** The last answer to a frame. */
      ask: async (...frame: unknown[]) => (await say(JSON.stringify(frame))).at(-1) ?? [],
      publish: async (event: NostrEvent) => String((await say(encode.publish(event))).at(-1)?.[3]),
      authenticate: async (who: Person) => {
        const tags = [
          ['relay', HOME],
          ['challenge', challenge],
        ]
        return (await say(encode.auth(who.sign({ kind: 22_242, created_at: START_S, tags })))).at(-1) ?? []
      },
    }
  }
  return { time, relay, open }
}

const sign = (template: Parameters<Person['sign']>[0], who = alice) => who.sign({ created_at: START_S, ...template })
const STORED = /^seq: /
const n = (name: LimitName): number => LIMITS[name].value
const REMOTE: Peer = { address: '203.0.113.7', unthrottled: false }

/** Each probes one limit at n, n+1 and, where it means something, at 0. A reference names the test file that does. */
const probes: Record<LimitName, (() => Promise<void>) | `test/${string}.test.ts`> = {
  async frameBytes() {
    const { open } = await bench()
    const client = open()
    const frame = (bytes: number) => encode.req('x', { limit: 0 }).padEnd(bytes, ' ')
    expect((await client.say(frame(n('frameBytes'))))[0]?.[0]).toBe('EOSE')
    expect(await client.say('')).toEqual([['NOTICE', 'invalid: a frame is a JSON array']])
    expect(client.state.closed).toBeUndefined()
    await client.say(frame(n('frameBytes') + 1))
    expect(client.state.closed?.code).toBe(1009)
    const wide = open()
    // Bytes are counted, not characters.
    await wide.say(`["CLOSE","${'ü'.repeat(n('frameBytes') / 2)}"]`)
    expect(wide.state.closed?.code).toBe(1009)
  },
  async eventBytes() {
    const client = (await bench()).open()
    const tags = Array.from({ length: 20 }, () => ['x', 'y'.repeat(800)])
    const bare = Buffer.byteLength(JSON.stringify(sign({ tags })))
    const sized = (bytes: number) => sign({ tags, content: 'z'.repeat(bytes - bare) })
    expect(await client.publish(sized(n('eventBytes')))).toMatch(STORED)
    expect(await client.publish(sized(n('eventBytes') + 1))).toContain('invalid: the event is longer than')
  },
  async contentBytes() {
    const client = (await bench()).open()
    expect(await client.publish(sign({ content: '' }))).toMatch(STORED)
    expect(await client.publish(sign({ content: 'ü'.repeat(n('contentBytes') / 2) }))).toMatch(STORED)
    expect(await client.publish(sign({ content: `${'ü'.repeat(n('contentBytes') / 2)}x` }))).toContain(
      'invalid: content',
    )
  },
  async tags() {
    const client = (await bench()).open()
    const tagged = (count: number) => sign({ tags: Array.from({ length: count }, () => ['x']) })
    expect(await client.publish(tagged(0))).toMatch(STORED)
    expect(await client.publish(tagged(n('tags')))).toMatch(STORED)
    expect(await client.publish(tagged(n('tags') + 1))).toBe('invalid: more than 256 tags')
  },
  async tagValueBytes() {
    const client = (await bench()).open()
    for (const at of ['name', 'value']) {
      const tagged = (bytes: number) => sign({ tags: [at === 'name' ? ['x'.repeat(bytes)] : ['x', 'y'.repeat(bytes)]] })
      expect(await client.publish(tagged(0))).toMatch(STORED)
      expect(await client.publish(tagged(n('tagValueBytes')))).toMatch(STORED)
      expect(await client.publish(tagged(n('tagValueBytes') + 1))).toContain('invalid: a tag value')
    }
    const filtered = (bytes: number) => client.ask('REQ', 'x', { '#t': ['y'.repeat(bytes)] })
    expect((await filtered(0))[0]).toBe('EOSE')
    expect((await filtered(n('tagValueBytes')))[0]).toBe('EOSE')
    expect((await filtered(n('tagValueBytes') + 1))[2]).toMatch(/^invalid:/)
  },
  async createdAtPast() {
    const client = (await bench()).open()
    const old = (seconds: number, kind = 1) =>
      sign({ kind, created_at: START_S - seconds, tags: [['p', alice.pubkey]] })
    expect(await client.publish(old(0))).toMatch(STORED)
    expect(await client.publish(old(n('createdAtPast')))).toMatch(STORED)
    expect(await client.publish(old(n('createdAtPast') + 1))).toMatch(/^invalid: created_at/)
    expect(await client.publish(old(n('createdAtPast') + 1, 1059))).toMatch(STORED)
    expect(await client.publish(sign({ created_at: 0 }))).toMatch(/^invalid: created_at/)
  },
  async createdAtFuture() {
    const client = (await bench()).open()
    const early = (seconds: number) => sign({ created_at: START_S + seconds })
    expect(await client.publish(early(n('createdAtFuture')))).toMatch(STORED)
    expect(await client.publish(early(n('createdAtFuture') + 1))).toMatch(/^invalid: created_at/)
  },
  async filters() {
    const client = (await bench()).open()
    const ask = (count: number, type = 'REQ') =>
      client.ask(type, 'x', ...Array.from({ length: count }, () => ({ limit: 0 })))
    expect((await ask(n('filters')))[0]).toBe('EOSE')
    expect(await ask(n('filters') + 1)).toEqual(['CLOSED', 'x', 'invalid: more than 10 filters'])
    expect(await ask(0)).toEqual(['CLOSED', 'x', 'invalid: REQ needs at least one filter'])
    expect((await ask(n('filters'), 'COUNT'))[0]).toBe('COUNT')
    expect((await ask(n('filters') + 1, 'COUNT'))[0]).toBe('CLOSED')
  },
  async filterValues() {
    const client = (await bench()).open()
    const values = (count: number) => Array.from({ length: count }, (_, index) => index + 2_000)
    const hex = (count: number) => values(count).map(value => String(value).padStart(64, '0'))
    for (const field of ['ids', 'authors', 'kinds', '#p', '#t']) {
      const ask = (count: number) => client.ask('REQ', 'x', { [field]: field === 'kinds' ? values(count) : hex(count) })
      expect((await ask(n('filterValues')))[0], field).toBe('EOSE')
      expect((await ask(n('filterValues') + 1))[2], field).toBe(`invalid: filter.${field} has more than 500 values`)
      expect((await ask(0))[0], field).toBe('EOSE')
    }
  },
  async filterTags() {
    const client = (await bench()).open()
    const ask = (letters: string) =>
      client.ask('REQ', 'x', Object.fromEntries([...letters].map(letter => [`#${letter}`, ['v']])))
    expect((await ask('abc'))[0]).toBe('EOSE')
    expect((await ask('abcd'))[2]).toBe('invalid: a filter has more than 3 tag conditions')
    expect((await ask(''))[0]).toBe('EOSE')
  },
  async searchBytes() {
    const client = (await bench()).open()
    const ask = (bytes: number) => client.say(encode.req('x', { search: 'w'.repeat(bytes) } as FilterJson))
    expect((await ask(n('searchBytes')))[0]?.[0]).toBe('EOSE')
    expect(await ask(n('searchBytes') + 1)).toEqual([
      ['CLOSED', 'x', 'invalid: filter.search is not a text of at most 256 bytes'],
    ])
    expect((await ask(0))[0]?.[0]).toBe('EOSE')
  },
  async subscriptions() {
    const { open, relay } = await bench()
    const client = open()
    const ask = (sub: string) => client.ask('REQ', sub, { kinds: [1] })
    for (let index = 0; index < n('subscriptions'); index++) expect((await ask(`s${index}`))[0]).toBe('EOSE')
    expect((await ask('more'))[2]).toBe('rate-limited: 32 subscriptions are open; CLOSE one first')
    // Its own id takes its own place.
    expect((await ask('s0'))[0]).toBe('EOSE')
    await client.say(encode.close('s1'))
    expect((await ask('more'))[0]).toBe('EOSE')
    expect(relay.load.subscriptions).toBe(n('subscriptions'))
    const none = (await bench({ subscriptions: 0 })).open()
    expect((await none.ask('REQ', 'x', {}))[2]).toMatch(/^rate-limited:/)
  },
  async subscriptionIdChars() {
    const client = (await bench()).open()
    const ask = (chars: number) => client.ask('REQ', 's'.repeat(chars), { limit: 0 })
    expect((await ask(n('subscriptionIdChars')))[0]).toBe('EOSE')
    const tooLong = 's'.repeat(n('subscriptionIdChars') + 1)
    expect(await ask(tooLong.length)).toEqual(['CLOSED', tooLong, 'invalid: a subscription id is 1 to 64 characters'])
    expect((await ask(0))[0]).toBe('NOTICE')
  },
  async page() {
    const { open } = await bench({ page: 3 }, { eoseHints: 'always' })
    const client = open()
    for (let index = 0; index < 4; index++) await client.publish(sign({ created_at: START_S - index }))
    const ask = async (filter: object) => {
      const frames = await client.say(JSON.stringify(['REQ', 'x', filter]))
      const hints = (frames.at(-1)?.[2] ?? []) as string[]
      return [frames.length - 1, hints.find(hint => hint === 'more' || hint === 'finish')]
    }
    expect(await ask({ limit: 3 })).toEqual([3, 'more'])
    expect(await ask({ limit: 4 })).toEqual([3, 'more'])
    expect(await ask({})).toEqual([3, 'more'])
    expect(await ask({ limit: 0 })).toEqual([0, undefined])
    expect(await ask({ since: START_S - 2 })).toEqual([3, 'finish'])
  },
  async outboundHighBytes() {
    const { open } = await bench()
    const [reader, author] = [open(), open()]
    await reader.ask('REQ', 'live', { kinds: [1] })
    const arrives = async () => {
      reader.inbox.length = 0
      await author.publish(sign({ content: String(Math.random()) }))
      return reader.inbox.length
    }
    expect(await arrives()).toBe(1)
    reader.state.unsent = n('outboundHighBytes')
    expect(await arrives()).toBe(1)
    reader.state.unsent = n('outboundHighBytes') + 1
    expect(await arrives()).toBe(0)
  },
  async outboundHardBytes() {
    const { open } = await bench()
    const reader = open()
    reader.state.unsent = n('outboundHardBytes')
    await reader.ask('COUNT', 'x')
    expect(reader.state.closed).toBeUndefined()
    reader.state.unsent += 1
    await reader.ask('COUNT', 'x')
    expect(reader.state.closed?.code).toBe(1013)
  },
  async stalledMs() {
    const { open, time } = await bench()
    const reader = open()
    reader.state.unsent = n('outboundHighBytes') + 1
    await reader.ask('COUNT', 'x')
    await time.advance(n('stalledMs') - 1)
    expect(reader.state.closed).toBeUndefined()
    await time.advance(1)
    expect(reader.state.closed?.code).toBe(1013)
  },
  async unverified() {
    let release = () => {}
    const held = new Promise<void>(resolve => {
      release = resolve
    })
    const verifier = {
      ...nobleVerifier,
      verify: (events: readonly NostrEvent[]) => held.then(() => nobleVerifier.verify(events)),
    }
    const { open, time } = await bench({ unverified: 3 }, { verifier })
    const client = open()
    await client.publish(sign({ content: '1' }))
    await client.publish(sign({ content: '2' }))
    expect(client.state.paused).toBe(false)
    await client.publish(sign({ content: '3' }))
    expect(client.state.paused).toBe(true)
    release()
    await time.settle()
    expect(client.state.paused).toBe(false)
  },
  async authKeys() {
    const client = (await bench({ authKeys: 2 })).open()
    expect((await client.authenticate(alice))[2]).toBe(true)
    expect((await client.authenticate(bob))[2]).toBe(true)
    expect((await client.authenticate(owner))[3]).toMatch(/^rate-limited: 2 AUTHs/)
  },
  async refusedAuths() {
    const client = (await bench()).open()
    const wrong = sign({ kind: 22_242, tags: [] })
    for (let index = 1; index < n('refusedAuths'); index++) await client.say(encode.auth(wrong))
    expect(client.state.closed).toBeUndefined()
    await client.say(encode.auth(wrong))
    expect(client.state.closed).toEqual({ code: 1008, reason: 'too many refused AUTHs' })
  },
  async wills() {
    const { open } = await bench({ wills: 1 })
    const deposit = async (who: Person) => {
      const client = open()
      await client.authenticate(who)
      const tags = [
        ['d', 's'],
        ['relay', HOME],
      ]
      return (await client.say(encode.will(sign({ kind: 34_706, tags }, who)))).at(-1)?.[3]
    }
    expect(await deposit(alice)).toBe('will: held')
    expect(await deposit(bob)).toBe('rate-limited: this relay holds no more wills')
    expect(await deposit(alice)).toBe('will: held')
  },
  negentropySessions: 'test/relay/negentropy.test.ts',
  async negentropyRecords() {
    const client = (await bench({ negentropyRecords: 2 })).open()
    const ask = () => client.ask('NEG-OPEN', 'x', { kinds: [1] }, '6100000200')
    expect((await ask())[0]).toBe('NEG-MSG')
    for (let index = 0; index < 2; index++) await client.publish(sign({ content: String(index) }))
    expect((await ask())[0]).toBe('NEG-MSG')
    await client.publish(sign({ content: 'one more' }))
    expect((await ask())[2]).toMatch(/^blocked: .*more than 2 events/)
  },
  async negentropyRecordsTotal() {
    const client = (await bench({ negentropyRecordsTotal: 4 })).open()
    for (let index = 0; index < 2; index++) await client.publish(sign({ content: String(index) }))
    const ask = (sub: string) => client.ask('NEG-OPEN', sub, { kinds: [1] }, '6100000200')
    expect((await ask('a'))[0]).toBe('NEG-MSG')
    expect((await ask('b'))[0]).toBe('NEG-MSG')
    expect((await ask('c'))[2]).toMatch(/^rate-limited:/)
    await client.say('["NEG-CLOSE","a"]')
    expect((await ask('c'))[0]).toBe('NEG-MSG')
  },
  async negentropyIdleMs() {
    const { open, time } = await bench()
    const client = open()
    await client.ask('NEG-OPEN', 'x', {}, '6100000200')
    client.inbox.length = 0
    await time.advance(n('negentropyIdleMs') - 1)
    expect(client.inbox).toEqual([])
    await time.advance(1)
    expect(client.inbox[0]?.slice(0, 2)).toEqual(['NEG-ERR', 'x'])
  },
  async pendingEphemerals() {
    let release = () => {}
    const held = new Promise<void>(resolve => {
      release = resolve
    })
    const memory = createMemoryStore()
    const store: Store = Object.create(memory, {
      query: { value: (request: Parameters<Store['query']>[0]) => held.then(() => memory.query(request)) },
    })
    const { open, time } = await bench({ pendingEphemerals: 2 }, { store })
    const [reader, author] = [open(), open()]
    await reader.ask('REQ', 'x', { kinds: [20_001] })
    for (let index = 0; index < 3; index++) await author.publish(sign({ kind: 20_001, content: String(index) }))
    reader.inbox.length = 0
    release()
    await time.settle()
    expect(reader.inbox.map(([type]) => type)).toEqual(['EOSE', 'EVENT', 'EVENT'])
  },
  async connections() {
    const doors = new Doorkeeper({ ...defaults, connections: 2 }, handClock())
    doors.enter(REMOTE)
    doors.enter({ unthrottled: true })
    expect(doors.refuse({ unthrottled: true })).toMatch(/^rate-limited: this relay is full/)
    doors.leave(REMOTE)
    expect(doors.refuse(REMOTE)).toBeUndefined()
    expect(new Doorkeeper({ ...defaults, connections: 0 }, handClock()).refuse(REMOTE)).toMatch(/full/)
  },
  async connectionsPerAddress() {
    const doors = new Doorkeeper({ ...defaults, connectBurst: 1_000 }, handClock())
    const peer = (tail: string): Peer => ({ address: `2001:db8::${tail}`, unthrottled: false })
    for (let index = 0; index < n('connectionsPerAddress'); index++) {
      expect(doors.refuse(peer(String(index)))).toBeUndefined()
      doors.enter(peer(String(index)))
    }
    expect(doors.refuse(peer('ffff'))).toBe('rate-limited: 20 connections are open from this address')
    expect(doors.refuse({ address: '2001:db8:0:1::1', unthrottled: false })).toBeUndefined()
    for (let index = 0; index < 50; index++) doors.enter({ address: '127.0.0.1', unthrottled: false })
    expect(doors.refuse({ address: '127.0.0.1', unthrottled: false })).toBeUndefined()
  },
  async connectBurst() {
    const doors = new Doorkeeper(defaults, handClock())
    for (let index = 0; index < n('connectBurst'); index++) expect(doors.refuse(REMOTE)).toBeUndefined()
    expect(doors.refuse(REMOTE)).toBe('rate-limited: too many new connections; try again in 1 s')
  },
  async connectsPerMinute() {
    const clock = handClock()
    const doors = new Doorkeeper(defaults, clock)
    for (let index = 0; index < n('connectBurst'); index++) doors.refuse(REMOTE)
    clock.advance(60_000 / n('connectsPerMinute') - 1)
    expect(doors.refuse(REMOTE)).toMatch(/^rate-limited:/)
    clock.advance(1)
    expect(doors.refuse(REMOTE)).toBeUndefined()
    expect(doors.refuse(REMOTE)).toMatch(/^rate-limited:/)
  },
  async handshakeMs() {
    const relay = await listening({ handshakeMs: 300 })
    const silent = await openTcp(relay)
    await new Promise(resolve => silent.once('close', resolve).resume())
    expect((await connectRaw(relay)).status).toBe(101)
  },
  async headerBytes() {
    const relay = await listening({ headerBytes: 1_024 })
    expect((await connectRaw(relay, { headers: { 'x-big': 'x'.repeat(600) } })).status).toBe(101)
    expect((await connectRaw(relay, { headers: { 'x-big': 'x'.repeat(1_024) } })).status).toBe(431)
  },
  async fragments() {
    const relay = await listening({})
    const inPieces = async (count: number) => {
      const client = await connectRaw(relay)
      const text = encode.req('x', { limit: 0 }).padEnd(count, ' ')
      const head = text.length - count + 1
      client.frame(OPCODE.text, text.slice(0, head), false)
      for (let at = head; at < text.length; at++)
        client.frame(OPCODE.continuation, text[at] ?? '', at === text.length - 1)
      return client
    }
    expect((await (await inPieces(n('fragments'))).next('EOSE'))[1]).toBe('x')
    expect((await (await inPieces(n('fragments') + 1)).closed).code).toBe(1008)
  },
  async controlFrames() {
    const client = await connectRaw(await listening({}))
    for (let index = 0; index < n('controlFrames'); index++) client.frame(OPCODE.ping, '')
    client.send(encode.req('x', { limit: 0 }))
    await client.next('EOSE')
    client.frame(OPCODE.ping, '')
    expect((await client.closed).code).toBe(1008)
  },
  async preAuthMs() {
    const { open, time } = await bench()
    const [silent, local] = [open(REMOTE), open()]
    await time.advance(n('preAuthMs') - 1)
    silent.events.onText('no frame')
    expect(silent.state.closed).toBeUndefined()
    await time.advance(1)
    expect(silent.state.closed?.code).toBe(1008)
    expect(local.state.closed).toBeUndefined()
  },
  async preAuthMessages() {
    const { open } = await bench({}, { policy: saneDefaults({ requireAuth: 'all' }) })
    const client = open(REMOTE)
    for (let index = 0; index < n('preAuthMessages'); index++) await client.say('["CLOSE","x"]')
    expect(client.state.closed).toBeUndefined()
    await client.say('["CLOSE","x"]')
    expect(client.state.closed).toEqual({ code: 1008, reason: 'more than 16 messages before AUTH' })
    const known = open(REMOTE)
    await known.authenticate(alice)
    for (let index = 0; index < n('preAuthMessages') + 1; index++) await known.say('["CLOSE","x"]')
    expect(known.state.closed).toBeUndefined()
  },
  async preAuthBytes() {
    const { open } = await bench({}, { policy: saneDefaults({ requireAuth: 'all' }) })
    const client = open(REMOTE)
    await client.say('["CLOSE","x"]'.padEnd(n('preAuthBytes'), ' '))
    expect(client.state.closed).toBeUndefined()
    await client.say(' ')
    expect(client.state.closed).toEqual({ code: 1008, reason: 'more than 65536 bytes before AUTH' })
  },
  async malformedFrames() {
    const { open } = await bench()
    const [remote, local] = [open(REMOTE), open()]
    for (let index = 1; index < n('malformedFrames'); index++) remote.events.onText('{')
    expect(remote.state.closed).toBeUndefined()
    remote.events.onText('["REQ","x",{"unknown":1}]')
    expect(remote.state.closed).toEqual({ code: 1008, reason: 'too many frames that cannot be read' })
    for (let index = 0; index < n('malformedFrames') * 2; index++) local.events.onText('{')
    expect(local.state.closed).toBeUndefined()
  },
  async invalidSignatures() {
    const { open } = await bench()
    const client = open(REMOTE)
    const forged = { ...sign({}), sig: '0'.repeat(128) }
    for (let index = 1; index < n('invalidSignatures'); index++)
      expect(await client.publish(forged)).toBe('invalid: the signature does not fit the event')
    expect(client.state.closed).toBeUndefined()
    await client.publish(forged)
    expect(client.state.closed).toEqual({ code: 1008, reason: 'too many invalid signatures' })
  },
  async penaltyMs() {
    const clock = handClock()
    const doors = new Doorkeeper(defaults, clock)
    doors.penalize(REMOTE)
    expect(doors.refuse(REMOTE)).toBe('rate-limited: too many invalid signatures; try again in 60 s')
    clock.advance(n('penaltyMs') - 1)
    expect(doors.refuse(REMOTE)).toMatch(/^rate-limited:/)
    clock.advance(1)
    expect(doors.refuse(REMOTE)).toBeUndefined()
    doors.penalize({ address: '::1', unthrottled: false })
    expect(doors.refuse({ address: '::1', unthrottled: false })).toBeUndefined()
  },
  async eventBurst() {
    const client = (await bench({ eventBurst: 2 })).open(REMOTE)
    for (let index = 0; index < 2; index++)
      expect(await client.publish(sign({ content: String(index) }))).toMatch(STORED)
    expect(await client.publish(sign({ content: '3' }))).toBe('rate-limited: too many events; try again in 1 s')
  },
  async eventsPerMinute() {
    const { open, time } = await bench({ eventBurst: 1 })
    const client = open(REMOTE)
    await client.publish(sign({ content: '1' }))
    await time.advance(60_000 / n('eventsPerMinute') - 1)
    expect(await client.publish(sign({ content: '2' }))).toMatch(/^rate-limited:/)
    await time.advance(1)
    expect(await client.publish(sign({ content: '2' }))).toMatch(STORED)
  },
  async eventBytesBurst() {
    const big = 'x'.repeat(10_000)
    const client = (await bench({ eventBytesBurst: 25_000 })).open(REMOTE)
    for (let index = 0; index < 2; index++)
      expect(await client.publish(sign({ content: `${index}${big}` }))).toMatch(STORED)
    expect(await client.publish(sign({ content: big }))).toMatch(/^rate-limited: too many bytes of events/)
    expect(await client.publish(sign({ content: 'small' }))).toMatch(STORED)
  },
  async eventBytesPerMinute() {
    const { open, time } = await bench({ eventBytesBurst: 10_000 })
    const client = open(REMOTE)
    const big = 'x'.repeat(9_000)
    await client.publish(sign({ content: big }))
    expect(await client.publish(sign({ content: `${big}2` }))).toMatch(/^rate-limited: too many bytes of events/)
    await time.advance(Math.ceil((10_000 * 60_000) / n('eventBytesPerMinute')))
    expect(await client.publish(sign({ content: `${big}2` }))).toMatch(STORED)
  },
  inboundBytesBurst: 'test/adversary/charged.test.ts',
  inboundBytesPerMinute: 'test/adversary/charged.test.ts',
  async requestBurst() {
    const client = (await bench({ requestBurst: 2 })).open(REMOTE)
    const ask = () => client.ask('REQ', 'x', { limit: 0 })
    expect([(await ask())[0], (await ask())[0]]).toEqual(['EOSE', 'EOSE'])
    expect((await ask())[2]).toBe('rate-limited: too many requests; try again in 1 s')
  },
  async requestsPerMinute() {
    const { open, time } = await bench({ requestBurst: 1 })
    const client = open(REMOTE)
    const ask = () => client.ask('COUNT', 'x', {})
    expect((await ask())[0]).toBe('COUNT')
    await time.advance(60_000 / n('requestsPerMinute') - 1)
    expect((await ask())[2]).toMatch(/^rate-limited:/)
    await time.advance(1)
    expect((await ask())[0]).toBe('COUNT')
  },
  async invites() {
    const policy = saneDefaults({ members: true })
    const { open } = await bench({ invites: 2 }, { policy, owners: [owner.pubkey] })
    const client = open()
    await client.authenticate(owner)
    const ask = () => client.ask('REQ', 'x', { kinds: [28_935] })
    expect([(await ask())[0], (await ask())[0]]).toEqual(['EOSE', 'EOSE'])
    expect((await ask())[2]).toBe('rate-limited: 2 invites are outstanding')
  },
  httpRequests: 'test/relay/http.test.ts',
  async syncWait() {
    const relay = await createRelay({ verifier: nobleVerifier })
    onTestFinished(() => relay.close())
    const url = (await relay.listen({ port: 0 })).replace('ws', 'http')
    const status = async (wait: number) => (await fetch(`${url}/sync?since_seq=0&wait=${wait}`)).status
    expect(await status(n('syncWait') + 1)).toBe(400)
    expect(await status(0)).toBe(200)
    const waiting = new AbortController()
    const waits = fetch(`${url}/sync?since_seq=0&wait=${n('syncWait')}`, { signal: waiting.signal })
    // It is refused at once or not at all.
    const first = await Promise.race([waits, status(0)])
    expect(first).toBe(200)
    waiting.abort()
    await expect(waits).rejects.toThrow()
  },
  syncWaits: 'test/relay/http.test.ts',
  syncWaitsPerClient: 'test/relay/http.test.ts',
  async rpcBytes() {
    const relay = await createRelay({ verifier: nobleVerifier, owners: [owner.pubkey] })
    onTestFinished(() => relay.close())
    const url = (await relay.listen({ port: 0 })).replace('ws', 'http')
    const status = async (bytes: number) => {
      const headers = { 'content-type': 'application/nostr+json+rpc' }
      return (await fetch(url, { method: 'POST', headers, body: ' '.repeat(bytes) })).status
    }
    expect(await status(n('rpcBytes'))).toBe(401)
    expect(await status(n('rpcBytes') + 1)).toBe(413)
    expect(await status(0)).toBe(401)
  },
}

const defaults = Object.fromEntries(Object.entries(LIMITS).map(([name, { value }]) => [name, value])) as Limits

async function listening(limits: Partial<Limits>): Promise<string> {
  const relay = await createRelay({ verifier: nobleVerifier, limits })
  onTestFinished(() => relay.close())
  return relay.listen({ port: 0 })
}

describe('every limit, at n, n+1 and 0', () => {
  test('has a probe', () => {
    expect(Object.keys(probes).sort()).toEqual(Object.keys(LIMITS).sort())
  })

  for (const [name, probe] of Object.entries(probes)) {
    if (typeof probe === 'string')
      test(`${name}: ${probe}`, () => {
        expect(readFileSync(new URL(`../../${probe}`, import.meta.url), 'utf8')).toSatisfy((text: string) =>
          new RegExp(`\\b${name}\\b`).test(text),
        )
      })
    else test(name, probe)
  }
})

test('every limit has a unit and the attack it stops', () => {
  for (const [name, { value, unit, stops }] of Object.entries(LIMITS)) {
    expect(value, name).toBeGreaterThan(0)
    expect(unit, name).not.toBe('')
    expect(stops, name).not.toBe('')
  }
})

test('what NIP-11 advertises is what is enforced, also when it was changed', async () => {
  const limits = {
    subscriptions: 3,
    filters: 2,
    page: 7,
    tags: 5,
    contentBytes: 9,
    createdAtPast: 60,
    createdAtFuture: 6,
  }
  const url = await listening({ ...limits, frameBytes: 2_000, subscriptionIdChars: 8 })
  const response = await fetch(url.replace('ws', 'http'), { headers: { accept: 'application/nostr+json' } })
  const { limitation } = (await response.json()) as { limitation: unknown }
  expect(limitation).toEqual({
    max_message_length: 2_000,
    max_subscriptions: 3,
    max_filters: 2,
    max_limit: 7,
    default_limit: 7,
    max_subid_length: 8,
    max_event_tags: 5,
    max_content_length: 9,
    min_pow_difficulty: 0,
    auth_required: false,
    payment_required: false,
    restricted_writes: false,
    created_at_lower_limit: 60,
    created_at_upper_limit: 6,
  })
  const client = await connectRaw(url)
  client.send(encode.req('123456789', {}))
  expect((await client.next('CLOSED'))[2]).toBe('invalid: a subscription id is 1 to 8 characters')
})
