import { type Authenticate, connect, createMemoryMailStore } from 'posthorn'
import { type NostrEvent, signEvent, verifyEvent } from 'posthorn/protocol'
import { createRelay, saneDefaults } from 'posthorn/relay'
import { createPipe } from 'posthorn/testing'
import { describe, expect, onTestFinished, test } from 'vitest'
import { inboxFilter } from '#dist/sdk/mail/inbox-feed.js'
import { nowSeconds, type Person } from '../helpers/events.ts'
import { startRelay } from '../helpers/start-relay.ts'
import { alice, bob, carol, contactsOf, eventually, fastTimers, memoryAgent, messageTo } from './agents.ts'
import { type Peer, type Script, scriptedRelay } from './scripted-relay.ts'

/** Signs as `who`, and counts how often it was asked to. */
function signer(who: Person): Authenticate & { count: number } {
  const sign = (template: Parameters<Authenticate>[0]) => {
    counted.count += 1
    return signEvent(template, who.secretKey, new Uint8Array(32))
  }
  const counted = Object.assign(sign, { count: 0 })
  return counted
}

/** A clock that is `ms` off. */
const offClock = (ms: number) => ({ now: () => Date.now() + ms, monotonic: () => performance.now() })
const auths = (heard: unknown[][]): NostrEvent[] =>
  heard.filter(([type]) => type === 'AUTH').map(frame => frame[1] as NostrEvent)
const tag = (event: NostrEvent | undefined, name: string) => event?.tags.find(([key]) => key === name)?.[1]
type Dial = (url: string, events: Parameters<typeof createPipe>[0]) => ReturnType<typeof createPipe>['client']
const everybody = contactsOf(alice, bob, carol)

describe('agents', () => {
  test.each(['none', 'write', 'read', 'all'] as const)(
    'mail both ways where AUTH is needed for: %s',
    async requireAuth => {
      await using relay = await startRelay({ policy: saneDefaults(requireAuth === 'none' ? {} : { requireAuth }) })
      const a = await memoryAgent(alice, relay.url)
      const b = await memoryAgent(bob, relay.url)
      a.handle('request', message => `heard ${message.text}`)
      expect(await b.ask('alice', 'you')).toMatchObject({ text: 'heard you' })
      expect(await a.sync()).toMatchObject({ complete: true, mayMiss: false, gaps: 0, invalid: 0 })
      expect(a.status().relays[0]).not.toHaveProperty('error')
    },
  )

  test('members only: members are served; a stranger is told at once, nothing of his goes in, and let in later he is served', async () => {
    const members = new Set([alice.pubkey, bob.pubkey])
    const isMember = (keys: readonly string[]) => keys.some(key => members.has(key))
    const decide = (keys: readonly string[]) =>
      isMember(keys) ? undefined : keys.length === 0 ? 'auth-required: members only' : 'restricted: no member'
    await using relay = await startRelay({
      policy: {
        terms: { authRequired: true, needsAuth: true },
        write: (_event, { keys }) => decide(keys),
        read: (_filters, { keys }) => decide(keys),
      },
    })
    const a = await memoryAgent(alice, relay.url, { contacts: everybody })
    const b = await memoryAgent(bob, relay.url, { contacts: everybody })
    await b.stored(await b.send('alice', 'among us'))
    await eventually('arrived', () => a.inbox().length === 1)

    const c = await memoryAgent(carol, relay.url, { contacts: everybody })
    // Not after ten minutes.
    expect(await c.sync({ maxMs: 600_000 })).toMatchObject({ complete: false, status: 'catching-up' })
    expect(c.status().relays[0]).toMatchObject({ state: 'catching-up', error: 'restricted: no member' })
    const id = await c.send('alice', 'let me in')
    await expect(c.stored(id)).rejects.toMatchObject({ code: 'refused', by: 'relay' })
    expect(c.delivery(id)).toMatchObject({ state: 'refused', reason: 'restricted: no member' })
    expect(relay.relay.head.last).toBe(1)

    members.add(carol.pubkey)
    expect(await c.sync()).toMatchObject({ complete: true })
    await c.stored(await c.send('alice', 'thank you'))
    await eventually('arrived', () => a.inbox().length === 2)
  })

  test('a clock that is wrong: refused, said so, mail waits; an open relay serves all the same', async () => {
    const clock = offClock(-3_600_000)
    await using closed = await startRelay({ policy: saneDefaults({ requireAuth: 'all' }) })
    const late = await memoryAgent(alice, closed.url, { host: { clock } })
    const id = await late.send('bob', 'from the past')
    expect(await late.sync()).toMatchObject({ complete: false })
    expect(late.status().relays[0]?.error).toMatch(/^auth-required: .*check your clock/)
    expect(late.delivery(id)).toMatchObject({ state: 'queued' })

    await using writers = await startRelay({ policy: saneDefaults({ requireAuth: 'write' }) })
    const reader = await memoryAgent(alice, writers.url, { host: { clock } })
    await reader.send('bob', 'from the past')
    expect(await reader.sync()).toMatchObject({ complete: true })
    await eventually('says so', () => /check your clock/.test(reader.status().relays[0]?.error ?? ''))
    expect(reader.status()).toMatchObject({ queue: 1, relays: [{ state: 'live' }] })

    await using open = await startRelay()
    const served = await memoryAgent(alice, open.url, { host: { clock } })
    expect(await served.sync()).toMatchObject({ complete: true })
    await served.stored(await served.send('bob', 'hello'))
    expect(served.status().relays[0]).not.toHaveProperty('error')
  })

  test('a clock that is put right: the next connection is authenticated, and the mail goes out', async () => {
    await using relay = await startRelay({ policy: saneDefaults({ requireAuth: 'write' }) })
    let off = -3_600_000
    const clock = { now: () => Date.now() + off, monotonic: () => performance.now() }
    const agent = await memoryAgent(alice, relay.url, { host: { clock }, speed: 100 })
    const id = await agent.send('bob', 'late, not lost')
    await eventually('refused', () => /check your clock/.test(agent.status().relays[0]?.error ?? ''))
    off = 0
    await eventually('stored', () => agent.delivery(id)?.state === 'stored')
    await eventually('live', () => agent.status().relays[0]?.state === 'live')
  })

  test('a challenge that is there before the socket says that it is open', async () => {
    const url = 'ws://pipe.test'
    const relay = await createRelay({ publicUrls: [url], policy: saneDefaults({ requireAuth: 'all' }) })
    onTestFinished(() => relay.close())
    const dial: Dial = (_url, events) =>
      createPipe(
        events,
        socket => relay.accept(socket),
        () => {},
      ).client
    const a = await memoryAgent(alice, url, { host: { dial } })
    const b = await memoryAgent(bob, url, { host: { dial } })
    await b.stored(await b.send('alice', 'by pipe'))
    expect(await a.sync()).toMatchObject({ complete: true, new: 1 })
    expect(a.inbox().map(each => each.text)).toEqual(['by pipe'])
  })

  test('each connection is authenticated anew, and the inbox goes on exactly where it was', async () => {
    await using relay = await startRelay({ policy: saneDefaults({ requireAuth: 'all' }) })
    const timers = fastTimers(20)
    const store = createMemoryMailStore()
    const sender = await memoryAgent(bob, relay.url, { host: { timers } })
    const receiver = await memoryAgent(alice, relay.url, { store, host: { timers } })
    for (let round = 0; round < 3; round += 1) {
      const id = await sender.send('alice', `round ${round}`)
      await eventually('arrived', () => receiver.inbox().some(each => each.id === id))
      await relay.restart()
    }
    await receiver.close()
    await eventually('sender back', () => sender.status().relays[0]?.state === 'live')
    await sender.stored(await sender.send('alice', 'while asleep'))
    const woken = await memoryAgent(alice, relay.url, { store, host: { timers } })
    expect(await woken.sync()).toMatchObject({ received: 1, new: 1, gaps: 0, invalid: 0, complete: true })
    expect(woken.inbox().map(each => each.text)).toEqual(['round 0', 'round 1', 'round 2', 'while asleep'])
  })

  test('AUTH comes before the first request, names what was dialled whatever the relay says, and our time', async () => {
    const relay = await scriptedRelay(serving({ onAuth: accept }), peer =>
      peer.send('AUTH', 'c1', 'wss://bank.example', { relay: 'wss://bank.example' }),
    )
    const agent = await memoryAgent(alice, relay.url, { host: { clock: offClock(5_000_000) } })
    expect(await agent.sync()).toMatchObject({ complete: true })
    expect(relay.heard[0]?.[0]).toBe('AUTH')
    const [event] = auths(relay.heard)
    expect(event).toMatchObject({ kind: 22_242, pubkey: alice.pubkey, content: '' })
    expect(event?.tags).toEqual([
      ['relay', relay.url],
      ['challenge', 'c1'],
    ])
    expect(Math.abs((event?.created_at ?? 0) - nowSeconds() - 5_000)).toBeLessThan(60)
    expect(event && verifyEvent(event)).toBe(true)
    expect(auths(relay.heard)).toHaveLength(1)

    const before = relay.heard.length
    relay.drop()
    await eventually('back', () => relay.heard.length >= before + 2)
    expect(relay.heard.slice(before).map(([type]) => type)).toEqual(['AUTH', 'REQ'])
  })

  test('a relay that refuses AUTH and hangs up: both reasons are told', async () => {
    const relay = await scriptedRelay(
      (peer, frame) => {
        if (frame[0] !== 'AUTH') return
        peer.send('OK', frame[1].id, false, 'invalid: check your clock')
        peer.socket.close(1008, 'no AUTH in time')
      },
      peer => peer.send('AUTH', 'c1'),
    )
    const agent = await memoryAgent(alice, relay.url)
    await eventually('down', () => agent.status().relays[0]?.error !== undefined)
    expect(agent.status().relays[0]).toMatchObject({
      state: 'offline',
      error: 'no AUTH in time (AUTH failed: invalid: check your clock)',
    })
  })

  test('no challenge: no AUTH, and no wait worth naming', async () => {
    const relay = await scriptedRelay(serving({}))
    const agent = await memoryAgent(alice, relay.url)
    expect(await agent.sync()).toMatchObject({ complete: true })
    expect(auths(relay.heard)).toEqual([])
  })

  test('the relay never says OK to AUTH: the inbox is asked for all the same', async () => {
    const relay = await scriptedRelay(serving({}), peer => peer.send('AUTH', 'c1'))
    const agent = await memoryAgent(alice, relay.url, { speed: 20 })
    expect(await agent.sync()).toMatchObject({ complete: true })
    expect(relay.heard.map(([type]) => type)).toEqual(['AUTH', 'REQ'])
  })

  test('challenged in the middle: the inbox begins anew under the new scope, from the position of that scope', async () => {
    const store = createMemoryMailStore()
    const keyed = new Set<number>()
    const relay = await scriptedRelay((peer, frame) => {
      if (frame[0] === 'AUTH') {
        keyed.add(peer.number)
        return accept(peer, frame)
      }
      if (frame[0] !== 'REQ' || !('since_seq' in frame[2])) return
      const known = keyed.has(peer.number)
      const since = frame[2].since_seq as number
      peer.send('SEQ', frame[1], since, EPOCH)
      if (since < 7) peer.event(frame[1], first, 7)
      if (known && since < 5_000) peer.event(frame[1], second, 5_000)
      peer.send('EOSE', frame[1], ['finish', 'seq:9000', `epoch:${EPOCH}`, known ? 'scope:bb' : 'scope:aa'])
      if (!known) setTimeout(() => peer.send('AUTH', `late ${peer.number}`), 300)
    })
    const first = messageTo(alice, bob, 'for anybody')
    const second = messageTo(alice, bob, 'for her eyes')
    const agent = await memoryAgent(alice, relay.url, { store })
    await eventually('both', () => agent.inbox().length === 2)
    await agent.sync()
    expect(agent.inbox().map(each => each.text)).toEqual(['for anybody', 'for her eyes'])
    // Nothing stays open over the AUTH: what the relay tells then is neither the stranger's nor hers.
    // What is asked beside the inbox (where bob reads his mail, for a receipt) is not this test's.
    const inbox = relay.heard.flatMap(([type, sub]) => (type === 'REQ' ? [sub] : []))
    const frames = relay.heard
      .filter(([type, sub]) => type !== 'EVENT' && (type !== 'CLOSE' || inbox.includes(sub)))
      .map(([type]) => type)
    expect(frames.slice(0, 4)).toEqual(['REQ', 'CLOSE', 'AUTH', 'REQ'])
    const asked = relay.heard.flatMap(([type, , filter]) => (type === 'REQ' ? [filter as { since_seq?: number }] : []))
    // The stranger's position first; told that it is another scope, from the start of that.
    expect(asked.slice(0, 3).map(({ since_seq }) => since_seq)).toEqual([0, 9_000, 0])
    const feed = { relay: relay.url, filter: `log ${JSON.stringify(inboxFilter(alice.pubkey))}` }
    expect(store.positions(feed).map(({ scope, seq }) => [scope, seq])).toEqual([
      ['bb', 9_000],
      ['aa', 9_000],
    ])
    expect(agent.status().relays[0]).toMatchObject({ state: 'live' })
    expect((await agent.sync()).gaps).toBe(0)
    expect(relay.connections).toBe(1)
  })

  test('challenges without end: three are answered at the most, then the relay is left alone for a while', async () => {
    let sent = 0
    const relay = await scriptedRelay(
      (peer, frame) => {
        if (frame[0] !== 'AUTH') return
        peer.send('OK', frame[1].id, false, 'invalid: again')
        for (let n = 0; n < 5; n += 1) {
          sent += 1
          peer.send('AUTH', `c${sent}`)
        }
      },
      peer => peer.send('AUTH', 'c0'),
    )
    const agent = await memoryAgent(alice, relay.url)
    await eventually('given up', () => agent.status().relays[0]?.error !== undefined)
    expect(agent.status().relays[0]?.state).toBe('offline')
    expect(relay.connections).toBe(1)
    expect(auths(relay.heard).length).toBeLessThanOrEqual(3)
    expect(agent.status().relays[0]?.error).toMatch(/invalid/)
  })

  test('a challenge as long as a book, and one said a thousand times: not answered, answered once', async () => {
    const book = await scriptedRelay(serving({ onAuth: accept }), peer => peer.send('AUTH', 'x'.repeat(100_000)))
    await (await memoryAgent(alice, book.url)).sync()
    expect(auths(book.heard)).toEqual([])
    const parrot = await scriptedRelay(serving({ onAuth: accept }), peer => {
      for (let n = 0; n < 1_000; n += 1) peer.send('AUTH', 'polly')
    })
    expect(await (await memoryAgent(alice, parrot.url)).sync()).toMatchObject({ complete: true })
    expect(auths(parrot.heard)).toHaveLength(1)
    expect(parrot.connections).toBe(1)
  })
})

describe('connect', () => {
  const client = async (url: string, authenticate?: Authenticate) => {
    const opened = await connect(url, authenticate ? { authenticate } : {})
    onTestFinished(() => opened.close())
    return opened
  }
  const note = (who: Person) => who.sign({ kind: 1, created_at: nowSeconds() })

  test('an open relay never learns the key', async () => {
    await using relay = await startRelay()
    const sign = signer(alice)
    const open = await client(relay.url, sign)
    await open.publish(note(alice))
    expect(await open.count([{}])).toBe(1)
    expect(sign.count).toBe(0)
  })

  test('AUTH on demand, once, for EVENT, REQ, COUNT and NEG-OPEN alike', async () => {
    await using relay = await startRelay({ policy: saneDefaults({ requireAuth: 'all' }) })
    const events = Array.from({ length: 5 }, (_, n) => bob.sign({ kind: 1, created_at: nowSeconds() - n }))
    const publisher = await client(relay.url, signer(alice))
    const results = await Promise.all(events.map(event => publisher.publish(event)))
    expect(results.every(({ accepted, seq }) => accepted && seq !== undefined)).toBe(true)
    const sign = signer(alice)
    const reader = await client(relay.url, sign)
    const got: string[] = []
    reader.request([{ kinds: [1] }], { onEvent: ({ id }) => got.push(id), onEose: () => got.push('end') })
    expect(await reader.count([{ kinds: [1] }])).toBe(5)
    await eventually('all', () => got.at(-1) === 'end')
    expect(got).toHaveLength(6)
    expect(sign.count).toBe(1)
    const third = await client(relay.url, signer(alice))
    // Version 1 and nothing else: the whole range is asked for by its fingerprint or ids.
    expect(await third.negotiate({ kinds: [1] }).ask('6100000200')).toMatch(/^61/)
  })

  test('without a signer, with one that fails, and with a key that is not wanted: the refusal stands, with its reason', async () => {
    await using relay = await startRelay({ policy: saneDefaults({ members: true }), owners: [alice.pubkey] })
    const ask = async (authenticate?: Authenticate) => (await client(relay.url, authenticate)).count([{}])
    await expect(ask()).rejects.toMatchObject({ reason: expect.stringMatching(/^auth-required: (?!.*AUTH failed)/) })
    const broken = ask(() => {
      throw new Error('the key is at home')
    })
    await expect(broken).rejects.toMatchObject({
      reason: expect.stringMatching(/^auth-required: .*the key is at home/),
    })
    await expect(ask(signer(bob))).rejects.toMatchObject({ reason: expect.stringMatching(/^restricted: /) })
    expect(await ask(signer(alice))).toEqual(expect.any(Number))
    const stranger = await client(relay.url, signer(bob))
    expect(await stranger.publish(note(bob))).toMatchObject({
      accepted: false,
      message: expect.stringMatching(/^restricted: /),
    })
  })

  test('a relay that refuses for ever is asked twice, not more; one without a challenge gets no AUTH', async () => {
    const stubborn = await scriptedRelay(
      (peer, frame) => {
        if (frame[0] === 'AUTH') accept(peer, frame)
        else if (frame[0] === 'COUNT') peer.send('CLOSED', frame[1], 'auth-required: who are you')
      },
      peer => peer.send('AUTH', 'c1'),
    )
    await expect((await client(stubborn.url, signer(alice))).count([{}])).rejects.toMatchObject({
      reason: 'auth-required: who are you',
    })
    expect(stubborn.heard.map(([type]) => type)).toEqual(['COUNT', 'AUTH', 'COUNT'])

    const mute = await scriptedRelay((peer, frame) => peer.send('CLOSED', frame[1], 'auth-required: who are you'))
    await expect((await client(mute.url, signer(alice))).count([{}])).rejects.toMatchObject({
      reason: expect.stringContaining('no challenge'),
    })
    expect(mute.heard.map(([type]) => type)).toEqual(['COUNT'])
  })

  test('the challenge that comes only with the refusal is answered', async () => {
    const relay = await scriptedRelay((peer, frame) => {
      if (frame[0] === 'AUTH') accept(peer, frame)
      else if (auths(relay.heard).length > 0) peer.send('COUNT', frame[1], { count: 4 })
      else {
        peer.send('CLOSED', frame[1], 'auth-required: who are you')
        setTimeout(() => peer.send('AUTH', 'now'), 50)
      }
    })
    expect(await (await client(relay.url, signer(alice))).count([{}])).toBe(4)
    expect(tag(auths(relay.heard)[0], 'challenge')).toBe('now')
  })
})

const EPOCH = '0000000000010000'
const accept = (peer: Peer, frame: { id: string }[] | unknown[]) =>
  peer.send('OK', (frame[1] as { id: string }).id, true, '')

/** Answers every REQ in log order with nothing. */
const serving =
  ({ onAuth }: { onAuth?: (peer: Peer, frame: unknown[]) => void }): Script =>
  (peer, frame) => {
    if (frame[0] === 'AUTH') onAuth?.(peer, frame)
    if (frame[0] !== 'REQ') return
    peer.send('SEQ', frame[1], frame[2].since_seq, EPOCH)
    peer.send('EOSE', frame[1], ['finish', 'seq:0', `epoch:${EPOCH}`, 'scope:aa'])
  }
