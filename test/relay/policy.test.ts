import { statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { defaultLimits, encode, eventId, type NostrEvent, verifyEvent } from 'posthorn/protocol'
import {
  allOf,
  createMemoryStore,
  createRelay,
  type Policy,
  RelayKeyError,
  type RelayOptions,
  saneDefaults,
} from 'posthorn/relay'
import { describe, expect, test } from 'vitest'
import { hostAllowed, originAllowed } from '#dist/platform/origin.js'
import { systemRandom } from '#dist/platform/random.js'
import { addressKey, clientAddress, isForwarded, normalizeAddress, trustProxies } from '#dist/relay/address.js'
import { Invites } from '#dist/relay/policy/invites.js'
import type { PolicyContext, Sender } from '#dist/relay/policy/policy.js'
import { difficultyOf } from '#dist/relay/policy/pow.js'
import { rates } from '#dist/relay/policy/rates.js'
import { TokenBuckets } from '#dist/relay/policy/token-buckets.js'
import { connectRaw, type RawClient, type RawOptions } from '../adversary/raw-client.ts'
import { nowSeconds, type Person, person } from '../helpers/events.ts'
import { handClock } from '../helpers/hand-clock.ts'
import { sharedVerifier } from '../helpers/shared-verifier.ts'
import { type RunningRelay, startRelay } from '../helpers/start-relay.ts'
import { tempDir } from '../helpers/temp-dir.ts'

const alice = person('alice')
const bob = person('bob')
const carol = person('carol')
const owner = person('owner')
const HOME = 'ws://relay.test'

/** From an address of the internet, as a trusted proxy tells it. */
const from = (address: string): RawOptions => ({ headers: { 'x-forwarded-for': address } })
const publicRelay = (options: RelayOptions = {}) =>
  startRelay({ publicUrls: [HOME], trustedProxies: ['loopback'], ...options })

const publish = async (client: RawClient, event: NostrEvent) => {
  client.send(encode.publish(event))
  const [, id, accepted, message] = await client.next('OK')
  expect(id).toBe(event.id)
  return { accepted, message: String(message) }
}

/** A frame's first elements; what follows is not the point. */
const start = (frame: unknown[], count = 2) => frame.slice(0, count)

describe('addresses', () => {
  test.each([
    ['203.0.113.7', '203.0.113.7', '203.0.113.7'],
    ['::ffff:203.0.113.7', '203.0.113.7', '203.0.113.7'],
    ['::ffff:cb00:7107', '203.0.113.7', '203.0.113.7'],
    ['2001:DB8:0:0::1', '2001:db8::1', '2001:db8:0:0::/64'],
    ['[2001:db8::ffff]', '2001:db8::ffff', '2001:db8:0:0::/64'],
    ['2001:db8:0:1::1', '2001:db8:0:1::1', '2001:db8:0:1::/64'],
    ['fe80::1%eth0', 'fe80::1', 'fe80:0:0:0::/64'],
    ['::1', '::1', '0:0:0:0::/64'],
  ])('%s is %s and is charged as %s', (text, plain, key) => {
    expect(normalizeAddress(text)).toBe(plain)
    expect(addressKey(plain)).toBe(key)
  })

  test.each(['', 'localhost', '1.2.3', '300.1.1.1', 'unknown', '1.2.3.4:80'])('%j is no address', text => {
    expect(normalizeAddress(text)).toBeUndefined()
  })

  test('forwarded addresses are believed from the right, as far as trusted proxies wrote them', () => {
    const trusted = trustProxies(['10.0.0.0/8', '2001:db8::/32'])
    const of = (peer: string, forwarded?: string) =>
      clientAddress(peer, forwarded === undefined ? {} : { 'x-forwarded-for': forwarded }, trusted)
    expect(of('10.0.0.1', '203.0.113.7')).toBe('203.0.113.7')
    expect(of('::ffff:10.0.0.1', '203.0.113.7')).toBe('203.0.113.7')
    expect(of('10.0.0.1', '1.1.1.1, 203.0.113.7, 10.2.3.4')).toBe('203.0.113.7')
    expect(of('2001:db8::1', 'garbage, 2001:db9::5')).toBe('2001:db9::5')
    expect(of('10.0.0.1', 'garbage')).toBe('10.0.0.1')
    expect(of('10.0.0.1')).toBe('10.0.0.1')
    // Not a proxy of ours: what it says of others is ignored.
    expect(of('198.51.100.9', '203.0.113.7')).toBe('198.51.100.9')
  })

  test.each(['10.0.0.0/33', '10.0.0.0/x', 'example.com', '', '::/129', '1.2.3.4/8/9'])(
    'a trusted proxy cannot be %j',
    block => {
      expect(() => trustProxies([block])).toThrow(TypeError)
    },
  )

  test('the names of blocks', () => {
    expect(trustProxies(['private'])('192.168.7.7')).toBe(true)
    expect(trustProxies(['private'])('192.169.7.7')).toBe(false)
    expect(trustProxies(['cloudflare'])('172.68.1.1')).toBe(true)
    expect(trustProxies(['loopback'])('::1')).toBe(true)
    expect(trustProxies([])('127.0.0.1')).toBe(false)
  })

  test('any forwarded header shows a proxy', () => {
    expect(isForwarded({ host: 'localhost', origin: 'http://localhost' })).toBe(false)
    for (const name of ['x-forwarded-for', 'forwarded', 'via', 'x-real-ip', 'x-forwarded-proto'])
      expect(isForwarded({ [name]: '' }), name).toBe(true)
  })
})

describe('Host and Origin of a relay that is for this machine only', () => {
  test.each([
    ['localhost:7678', true],
    ['127.0.0.1', true],
    ['127.9.9.9:1', true],
    ['[::1]:7678', true],
    ['evil.example', false],
    ['localhost.evil.example', false],
    ['127.0.0.1.nip.io', false],
    ['', false],
    [undefined, false],
  ])('Host %s: %s', (host, allowed) => {
    expect(hostAllowed(host, true)).toBe(allowed)
    expect(hostAllowed(host, false)).toBe(true)
  })

  test.each([
    [undefined, true],
    ['http://localhost:3000', true],
    ['https://app.example', true],
    ['https://app.example.evil', false],
    ['null', false],
    ['', false],
  ])('Origin %s: %s', (origin, allowed) => {
    expect(originAllowed(origin, true, ['https://app.example'])).toBe(allowed)
    expect(originAllowed(origin, false, [])).toBe(true)
  })
})

describe('token buckets', () => {
  test('a burst, then the rate, then nothing is forgotten but the idle', () => {
    const clock = handClock()
    const buckets = new TokenBuckets({ burst: 2, perMinute: 60, clock, keep: 3 })
    expect([buckets.take('a'), buckets.take('a'), buckets.take('a')]).toEqual([0, 0, 1])
    expect(buckets.take('b')).toBe(0)
    clock.advance(999)
    expect(buckets.take('a')).toBe(1)
    clock.advance(1)
    expect([buckets.take('a'), buckets.take('a')]).toEqual([0, 1])
    // Never more than the burst, however long the wait.
    clock.advance(3_600_000)
    expect([buckets.take('a'), buckets.take('a'), buckets.take('a')]).toEqual([0, 0, 1])
  })

  test('memory is bounded; the one unused for longest goes first', () => {
    const clock = handClock()
    const buckets = new TokenBuckets({ burst: 1, perMinute: 1, clock, keep: 2 })
    expect([buckets.take('a'), buckets.take('b'), buckets.take('a'), buckets.take('c')]).toEqual([0, 0, 60, 0])
    expect(buckets.size).toBe(2)
    expect(buckets.take('a')).toBe(60)
    expect(buckets.take('b')).toBe(0)
  })
})

describe('proof of work (NIP-13)', () => {
  test.each([
    ['000000000e9d97a1ab09fc381030b346cdd7a142ad57e6df0b46dc9bef6c7e2d', 36],
    ['000006d8c378af1779d2feebc7603a125d99eca0ccf1085959b307f64e5dd358', 21],
    [`002f${'f'.repeat(60)}`, 10],
    ['f'.repeat(64), 0],
    ['0'.repeat(64), 256],
  ])('%s has difficulty %s', (id, bits) => {
    expect(difficultyOf(id)).toBe(bits)
  })

  test('what was mined for the target passes; luck, a lower target and none do not', async () => {
    await using relay = await startRelay({ policy: saneDefaults({ minPow: 8 }) })
    const client = await connectRaw(relay.url)
    const mine = (target: string | undefined, wanted: (bits: number) => boolean) => {
      for (let nonce = 0; ; nonce++) {
        const tags = [['nonce', String(nonce), ...(target === undefined ? [] : [target])]]
        const template = { kind: 1, created_at: nowSeconds(), tags, content: '' }
        if (wanted(difficultyOf(eventId(alice.pubkey, template)))) return alice.sign(template)
      }
    }
    const enough = (bits: number) => bits >= 8
    expect((await publish(client, mine('8', enough))).accepted).toBe(true)
    expect((await publish(client, mine('9', enough))).accepted).toBe(true)
    const refusals: [NostrEvent, string][] = [
      [mine('8', bits => bits === 7), 'pow: difficulty 7 is less than 8'],
      [mine('7', enough), 'pow: the nonce tag commits to 7, which is less than 8'],
      [mine(undefined, enough), 'pow: the nonce tag commits to no target'],
      [mine('8x', enough), 'pow: the nonce tag commits to no target'],
    ]
    for (const [event, message] of refusals) {
      const verdict = await publish(client, event)
      expect(verdict.accepted).toBe(false)
      expect(verdict.message).toContain(message)
    }
    expect(await limitation(relay)).toMatchObject({
      min_pow_difficulty: 8,
      restricted_writes: true,
      auth_required: false,
    })
  })

  test('an id that only claims its zeros is refused by its hash', async () => {
    await using relay = await startRelay({ policy: saneDefaults({ minPow: 8 }) })
    const client = await connectRaw(relay.url)
    const event = { ...alice.sign({ created_at: nowSeconds(), tags: [['nonce', '1', '8']] }), id: '00'.repeat(32) }
    expect((await publish(client, event)).message).toBe('invalid: the id is not the hash of the event')
  })
})

async function info(relay: RunningRelay): Promise<Record<string, unknown>> {
  const response = await fetch(relay.httpUrl, { headers: { accept: 'application/nostr+json' } })
  return (await response.json()) as Record<string, unknown>
}
const limitation = async (relay: RunningRelay) => (await info(relay))['limitation']

describe('AUTH by one setting', () => {
  const note = () => alice.sign({ created_at: nowSeconds(), content: String(Math.random()) })
  const read = async (client: RawClient) => {
    client.send(encode.req('r', { kinds: [1], limit: 1 }))
    return client.next('EOSE', 'CLOSED')
  }

  test.each([
    ['write', false, true],
    ['read', true, false],
    ['all', false, false],
  ] as const)('%s: a stranger may write: %s, read: %s', async (requireAuth, mayWrite, mayRead) => {
    await using relay = await startRelay({ policy: saneDefaults({ requireAuth }) })
    const stranger = await connectRaw(relay.url)
    const event = note()
    expect(await publish(stranger, event)).toMatchObject(
      mayWrite ? { accepted: true } : { accepted: false, message: 'auth-required: authenticate to write here' },
    )
    const answer = await read(stranger)
    if (mayRead) expect(start(answer)).toEqual(['EOSE', 'r'])
    else expect(answer).toEqual(['CLOSED', 'r', 'auth-required: authenticate to read here'])
    const known = await connectRaw(relay.url)
    expect((await known.authenticate(bob))[2]).toBe(true)
    // Another author's event: somebody known vouches for it.
    expect((await publish(known, event)).accepted).toBe(true)
    expect(start(await read(known))).toEqual(['EOSE', 'r'])
    expect(await limitation(relay)).toMatchObject({
      auth_required: requireAuth === 'all',
      restricted_writes: requireAuth !== 'read',
    })
  })

  test('every way to write asks the same policy', async () => {
    await using relay = await startRelay({ policy: saneDefaults({ requireAuth: 'write' }) })
    const http = await fetch(`${relay.httpUrl}/event`, { method: 'POST', body: JSON.stringify(note()) })
    expect([http.status, await http.text()]).toEqual([
      401,
      expect.stringContaining('auth-required: authenticate to write here'),
    ])
  })

  test('every way to read asks the same policy', async () => {
    await using relay = await startRelay({ policy: saneDefaults({ requireAuth: 'read' }) })
    const stranger = await connectRaw(relay.url)
    const denied = 'auth-required: authenticate to read here'
    const ask = async (frame: unknown[]) => {
      stranger.send(JSON.stringify(frame))
      return stranger.next('EOSE', 'CLOSED', 'COUNT', 'NEG-ERR', 'NEG-MSG', 'SEQ')
    }
    expect(await ask(['REQ', 'a', {}])).toEqual(['CLOSED', 'a', denied])
    expect(await ask(['REQ', 'b', { since_seq: 0 }])).toEqual(['CLOSED', 'b', denied])
    expect(await ask(['COUNT', 'c', {}])).toEqual(['CLOSED', 'c', denied])
    expect(await ask(['NEG-OPEN', 'd', {}, '6100000200'])).toEqual(['NEG-ERR', 'd', denied])
    const http = await fetch(`${relay.httpUrl}/sync?since_seq=0`)
    expect([http.status, await http.text()]).toEqual([401, expect.stringContaining(denied)])
  })

  test('a will is judged at its deposit and again at its publication', async () => {
    let closed = false
    const policy: Policy = { write: () => (closed ? 'blocked: not now' : undefined) }
    const clock = handClock()
    const due: { at: number; run: () => void }[] = []
    const timers = {
      after(ms: number, run: () => void) {
        const timer = { at: clock.monotonic() + ms, run }
        due.push(timer)
        return () => {
          due.splice(due.indexOf(timer), due.includes(timer) ? 1 : 0)
        }
      },
    }
    const relay = await createRelay({ verifier: await sharedVerifier(), policy, publicUrls: [HOME], clock, timers })
    const url = await relay.listen({ port: 0 })
    const client = await connectRaw(url)
    await client.authenticate(alice, HOME)
    const will = alice.sign({
      kind: 34_706,
      created_at: nowSeconds(),
      tags: [
        ['d', 's'],
        ['relay', HOME],
      ],
    })
    closed = true
    client.send(encode.will(will))
    expect(await client.next('OK')).toEqual(['OK', will.id, false, 'blocked: not now'])
    closed = false
    client.send(encode.will(will))
    expect(await client.next('OK')).toEqual(['OK', will.id, true, 'will: held'])
    client.destroy()
    await expect.poll(() => relay.load.connections).toBe(0)
    closed = true
    clock.advance(31_000)
    for (const timer of [...due]) if (timer.at <= clock.monotonic()) timer.run()
    closed = false
    const reader = await connectRaw(url)
    reader.send(encode.req('w', { kinds: [34_706] }))
    expect(start(await reader.next('EVENT', 'EOSE'))).toEqual(['EOSE', 'w'])
    const closing = relay.close()
    reader.destroy()
    // Its own timers stand still: hurry whatever it waits for.
    for (const timer of [...due]) timer.run()
    await closing
  })

  test('a relay that demands AUTH without a URL to compare with does not listen on the network', async () => {
    const relay = await createRelay({
      verifier: await sharedVerifier(),
      policy: saneDefaults({ requireAuth: 'write' }),
    })
    await expect(relay.listen({ host: '0.0.0.0', port: 0 })).rejects.toThrow('publicUrls')
    await relay.close()
  })
})

test('kinds and size, each by one setting', async () => {
  await using relay = await startRelay({ policy: saneDefaults({ allowKinds: [1, 4700], maxEventBytes: 1_000 }) })
  const client = await connectRaw(relay.url)
  const sign = (kind: number, content = '') => alice.sign({ kind, content, created_at: nowSeconds() })
  expect(await publish(client, sign(2))).toEqual({ accepted: false, message: 'blocked: kind 2 is not kept here' })
  expect((await publish(client, sign(4700))).accepted).toBe(true)
  const size = Buffer.byteLength(JSON.stringify(sign(1)))
  expect((await publish(client, sign(1, 'x'.repeat(1_000 - size)))).accepted).toBe(true)
  expect((await publish(client, sign(1, 'x'.repeat(1_001 - size)))).message).toContain('longer than 1000 bytes')
})

test('own policies compose; the first refusal stands', async () => {
  const calls: string[] = []
  const say = (name: string, refusal?: string) => () => {
    calls.push(name)
    return refusal
  }
  const write = allOf(say('a'), undefined, say('b', 'blocked: b'), say('c', 'blocked: c'))
  await using relay = await startRelay({
    policy: { write, connect: () => undefined, terms: { restrictedWrites: true } },
  })
  const client = await connectRaw(relay.url)
  expect((await publish(client, alice.sign({ created_at: nowSeconds() }))).message).toBe('blocked: b')
  expect(calls).toEqual(['a', 'b'])
  expect(await limitation(relay)).toMatchObject({ restricted_writes: true })
})

test('a connect policy decides before the upgrade', async () => {
  await using relay = await publicRelay({
    policy: { connect: ({ address }) => (address === '203.0.113.7' ? 'blocked: not you' : undefined) },
  })
  expect(await connectRaw(relay.url, from('203.0.113.7'))).toMatchObject({ status: 403, body: 'blocked: not you' })
  expect(await connectRaw(relay.url, from('203.0.113.8'))).toMatchObject({ status: 101 })
})

describe('rates', () => {
  const limits = { eventBurst: 2, eventsPerMinute: 60, requestBurst: 2, requestsPerMinute: 60 }
  // One second for all: the same note signed again is the same event.
  const second = nowSeconds()
  const notesBy = (who: Person, count: number) =>
    Array.from({ length: count }, (_, n) => who.sign({ created_at: second, content: `rate ${who.name} ${n}` }))
  const sendAll = async (client: RawClient, events: NostrEvent[]) => {
    const verdicts: string[] = []
    for (const event of events) verdicts.push((await publish(client, event)).message.replace(/ \d+$/, ''))
    return verdicts
  }
  const LATER = 'rate-limited: too many events; try again in 1 s'

  test('an address is charged, never the claimed author; a /64 is one address', async () => {
    const clock = handClock()
    await using relay = await publicRelay({ limits, clock })
    const one = await connectRaw(relay.url, from('2001:db8::1'))
    const two = await connectRaw(relay.url, from('2001:db8::2'))
    const other = await connectRaw(relay.url, from('2001:db8:0:1::1'))
    expect(await sendAll(one, notesBy(alice, 2))).toEqual(['seq:', 'seq:'])
    expect(await sendAll(two, notesBy(bob, 1))).toEqual([LATER])
    expect(await sendAll(other, notesBy(alice, 1))).toEqual(['duplicate: seq'])
    clock.advance(1_000)
    expect(await sendAll(two, notesBy(bob, 2))).toEqual(['seq:', LATER])
  })

  test('a key that was proved has its own, on whatever connection', async () => {
    await using relay = await publicRelay({ limits, clock: handClock() })
    const stranger = await connectRaw(relay.url, from('203.0.113.7'))
    expect(await sendAll(stranger, notesBy(carol, 3))).toEqual(['seq:', 'seq:', LATER])
    const known = await connectRaw(relay.url, from('203.0.113.7'))
    await known.authenticate(alice, HOME)
    expect(await sendAll(known, notesBy(alice, 3))).toEqual(['seq:', 'seq:', LATER])
    const elsewhere = await connectRaw(relay.url, from('203.0.113.8'))
    await elsewhere.authenticate(alice, HOME)
    expect(await sendAll(elsewhere, notesBy(bob, 1))).toEqual([LATER])
  })

  test('whoever proves a new key each time has sixteen times one key’s rate from one address, and no more', () => {
    const context: PolicyContext = {
      clock: handClock(),
      limits: { ...defaultLimits, ...limits },
      isMember: () => false,
    }
    const { write, read } = rates(context)
    const event = alice.sign({ created_at: second })
    for (const [what, ask] of [
      ['events', (sender: Sender) => write(event, sender, second)],
      ['requests', (sender: Sender) => read([], sender)],
    ] as const) {
      const as = (n: number) => ask({ keys: [n.toString(16).padStart(64, '0')], address: '2001:db8::7' })
      for (let n = 0; n < 16 * 2; n += 1) expect(as(n)).toBe(undefined)
      expect(as(32)).toBe(`rate-limited: too many ${what}; try again in 1 s`)
      expect(ask({ keys: ['f'.repeat(64)], address: '2001:db8:0:1::7' })).toBe(undefined)
    }
  })

  test('requests: REQ, COUNT and negentropy pay from one bucket, and each is told', async () => {
    const clock = handClock()
    await using relay = await publicRelay({ limits, clock })
    const client = await connectRaw(relay.url, from('203.0.113.7'))
    const ask = async (frame: unknown[]) => {
      client.send(JSON.stringify(frame))
      return client.next('EOSE', 'CLOSED', 'COUNT', 'NEG-ERR', 'NEG-MSG')
    }
    const later = 'rate-limited: too many requests; try again in 1 s'
    expect(start(await ask(['REQ', 'a', { limit: 1 }]))).toEqual(['EOSE', 'a'])
    expect(start(await ask(['COUNT', 'b', {}]))).toEqual(['COUNT', 'b'])
    expect(await ask(['NEG-OPEN', 'c', {}, '6100000200'])).toEqual(['NEG-ERR', 'c', later])
    expect(await ask(['REQ', 'd', {}])).toEqual(['CLOSED', 'd', later])
    expect(await ask(['COUNT', 'e', {}])).toEqual(['CLOSED', 'e', later])
  })

  test.each([
    ['straight from this machine', {}, {}, ['seq:', 'seq:', 'seq:']],
    ['through a proxy nobody configured', {}, from('203.0.113.7'), ['seq:', 'seq:', LATER]],
    ['to a relay with a public URL', { publicUrls: [HOME] }, {}, ['seq:', 'seq:', LATER]],
  ])('%s', async (_name, options, how, expected) => {
    await using relay = await startRelay({ limits, clock: handClock(), ...options })
    const client = await connectRaw(relay.url, how)
    expect(await sendAll(client, notesBy(alice, 3))).toEqual(expected)
  })
})

describe('members and invites (NIP-43)', () => {
  const membersOnly = (options: RelayOptions = {}) =>
    startRelay({ policy: saneDefaults({ members: true }), owners: [owner.pubkey], ...options })
  const enter = async (relay: RunningRelay, who: Person) => {
    const client = await connectRaw(relay.url)
    await client.authenticate(who)
    return client
  }
  const askInvite = async (client: RawClient): Promise<NostrEvent> => {
    client.send(JSON.stringify(['REQ', 'i', { kinds: [28_935] }]))
    const [, , event] = await client.next('EVENT', 'CLOSED')
    await client.next('EOSE')
    return event as NostrEvent
  }
  const claimOf = (event: NostrEvent) => event.tags.find(([name]) => name === 'claim')?.[1] ?? ''
  const join = (who: Person, claim: string, created_at = nowSeconds()) =>
    who.sign({ kind: 28_934, created_at, tags: [['-'], ['claim', claim]] })
  const leave = (who: Person, tags = [['-']]) => who.sign({ kind: 28_936, created_at: nowSeconds(), tags })
  const list = async (client: RawClient): Promise<NostrEvent | undefined> => {
    client.send(JSON.stringify(['REQ', 'l', { kinds: [13_534] }]))
    const [type, , event] = await client.next('EVENT', 'EOSE')
    if (type === 'EVENT') await client.next('EOSE')
    client.send(encode.close('l'))
    return type === 'EVENT' ? (event as NostrEvent) : undefined
  }
  const membersOf = (event: NostrEvent | undefined) =>
    event?.tags.filter(([name]) => name === 'member').map(([, key]) => key)

  test('an owner invites, a stranger joins once, is listed, writes, leaves; all of it survives a restart', async () => {
    await using relay = await membersOnly()
    const { self } = await info(relay)
    expect(await limitation(relay)).toMatchObject({ auth_required: true, restricted_writes: true })
    expect((await info(relay))['supported_nips']).toContain(43)

    const invite = await askInvite(await enter(relay, owner))
    expect(invite).toMatchObject({ kind: 28_935, pubkey: self })
    expect(verifyEvent(invite)).toBe(true)
    expect(invite.tags).toContainEqual(['-'])
    const claim = claimOf(invite)
    expect(claim).toMatch(/^[0-9a-f]{32,}$/)
    await relay.restart()

    const client = await enter(relay, bob)
    const note = bob.sign({ created_at: nowSeconds() })
    expect((await publish(client, note)).message).toContain('restricted: this relay serves its members')
    expect(await publish(client, join(bob, '00'.repeat(16)))).toMatchObject({
      accepted: false,
      message: expect.stringMatching(/^restricted: .*invalid/),
    })
    expect(await publish(client, join(bob, claim))).toEqual({ accepted: true, message: 'info: welcome' })
    expect((await publish(client, note)).accepted).toBe(true)
    expect((await publish(client, join(bob, claim))).message).toBe('duplicate: you are a member already')
    const second = await enter(relay, carol)
    expect((await publish(second, join(carol, claim))).message).toContain('restricted: that invite code is invalid')

    await relay.restart()
    const again = await enter(relay, bob)
    await expect.poll(async () => membersOf(await list(again))).toEqual([bob.pubkey, owner.pubkey].sort())
    const event = await list(again)
    expect(event?.pubkey).toBe(self)
    expect(event?.tags).toContainEqual(['-'])
    again.send(JSON.stringify(['REQ', 'added', { kinds: [8000, 8001] }]))
    expect(await again.next('EVENT')).toMatchObject(['EVENT', 'added', { kind: 8000, pubkey: self }])
    expect((await publish(again, leave(bob, []))).message).toContain('invalid: a leave request has a "-" tag')
    again.send(encode.req('live', { kinds: [1] }))
    await again.next('EOSE')
    again.send(encode.publish(leave(bob)))
    // What he has open ends with his membership.
    const shut = [await again.next('CLOSED', 'OK'), await again.next('CLOSED', 'OK'), await again.next('CLOSED', 'OK')]
    expect(shut).toContainEqual(['CLOSED', 'live', 'restricted: you are no member of this relay any more'])
    expect(shut).toContainEqual(['OK', expect.any(String), true, 'info: farewell'])
    expect((await publish(again, bob.sign({ created_at: nowSeconds(), content: '2' }))).accepted).toBe(false)
    await expect.poll(async () => membersOf(await list(await enter(relay, owner)))).toEqual([owner.pubkey])
  })

  test('invites are for owners, requests are about now, and nobody sees anybody’s claim', async () => {
    await using relay = await startRelay({ policy: saneDefaults({ members: 'write' }), owners: [owner.pubkey] })
    const watcher = await connectRaw(relay.url)
    watcher.send(JSON.stringify(['REQ', 'w', { authors: [bob.pubkey] }]))
    await watcher.next('EOSE')
    watcher.send(JSON.stringify(['REQ', 'i', { kinds: [28_935] }]))
    expect(await watcher.next('CLOSED', 'EVENT')).toEqual([
      'CLOSED',
      'i',
      'auth-required: invites are for the owners of this relay',
    ])
    const client = await enter(relay, bob)
    client.send(JSON.stringify(['REQ', 'i', { kinds: [28_935] }]))
    expect(await client.next('CLOSED', 'EVENT')).toEqual([
      'CLOSED',
      'i',
      'restricted: invites are for the owners of this relay',
    ])
    const claim = claimOf(await askInvite(await enter(relay, owner)))
    expect((await publish(client, join(bob, claim, nowSeconds() - 400))).message).toContain('invalid: created_at')
    expect((await publish(client, join(bob, claim))).accepted).toBe(true)
    const note = bob.sign({ created_at: nowSeconds(), content: 'seen' })
    expect((await publish(client, note)).accepted).toBe(true)
    expect(await watcher.next('EVENT')).toMatchObject(['EVENT', 'w', { id: note.id }])
  })

  test('an invite is good until its last second, and not in the one it expires in', async () => {
    const store = createMemoryStore()
    const invites = await Invites.load(store, systemRandom, 9)
    const codes = [await invites.issue(100, { validForS: 10 }), await invites.issue(100, { validForS: 10 })]
    expect(await invites.claim(codes[0] ?? '', 109)).toBe('claimed')
    expect(await invites.claim(codes[0] ?? '', 109)).toBe('unknown')
    expect(await invites.claim(codes[1] ?? '', 110)).toBe('expired')
  })

  test('one use is one use, also for two at once; an invite expires', async () => {
    const clock = handClock()
    await using relay = await membersOnly({ clock })
    const [a, b, boss] = [await enter(relay, alice), await enter(relay, bob), await enter(relay, owner)]
    const claim = claimOf(await askInvite(boss))
    const verdicts = await Promise.all([publish(a, join(alice, claim)), publish(b, join(bob, claim))])
    expect(verdicts.map(({ accepted }) => accepted).sort()).toEqual([false, true])
    const late = claimOf(await askInvite(boss))
    clock.advance(8 * 24 * 3600 * 1000)
    const later = Math.floor(clock.now() / 1000)
    const fresh = await connectRaw(relay.url)
    const [, challenge] = await fresh.next('AUTH')
    fresh.send(
      encode.auth(
        carol.sign({
          kind: 22_242,
          created_at: later,
          tags: [
            ['relay', relay.url],
            ['challenge', String(challenge)],
          ],
        }),
      ),
    )
    expect((await fresh.next('OK'))[2]).toBe(true)
    expect((await publish(fresh, join(carol, late, later))).message).toBe('restricted: that invite code has expired')
  })

  test('a relay for members without anybody who could invite one does not start', async () => {
    await expect(createRelay({ policy: saneDefaults({ members: true }) })).rejects.toThrow('needs an owner')
    await expect(createRelay({ owners: ['npub1…'] })).rejects.toThrow('64 lowercase hex')
  })

  test('owners are kept for later starts; naming others replaces them', async () => {
    const data = tempDir()
    const verdictFor = async (owners: string[]) => {
      const relay = await createRelay({
        verifier: await sharedVerifier(),
        data,
        owners,
        policy: saneDefaults({ members: true }),
      })
      const url = await relay.listen({ port: 0 })
      const client = await connectRaw(url)
      await client.authenticate(owner)
      client.send(encode.req('r', { limit: 1 }))
      const [verdict] = await client.next('EOSE', 'CLOSED')
      await relay.close()
      return verdict
    }
    expect(await verdictFor([owner.pubkey])).toBe('EOSE')
    expect(await verdictFor([])).toBe('EOSE')
    expect(await verdictFor([alice.pubkey])).toBe('CLOSED')
    expect(await verdictFor([])).toBe('CLOSED')
  })

  test('without members, joining and inviting are refused and claims stay unseen', async () => {
    await using relay = await startRelay()
    const client = await enter(relay, bob)
    expect((await publish(client, join(bob, 'x'))).message).toBe('unsupported: this relay has no members to join')
    client.send(JSON.stringify(['REQ', 'i', { kinds: [28_935] }]))
    expect(await client.next('CLOSED')).toEqual(['CLOSED', 'i', 'unsupported: this relay has no members to invite'])
  })
})

describe('the relay’s own key', () => {
  test('is made once, for its owner alone, and advertised', async () => {
    await using relay = await startRelay()
    const { self } = await info(relay)
    expect(self).toMatch(/^[0-9a-f]{64}$/)
    expect(statSync(join(relay.data, 'relay.key')).mode & 0o777).toBe(0o600)
    await relay.restart()
    expect((await info(relay))['self']).toBe(self)
  })

  test.each([
    ['0'.repeat(64), 0o600, 'relay-key-malformed'],
    ['short', 0o600, 'relay-key-malformed'],
    ['1'.repeat(64), 0o644, 'relay-key-exposed'],
  ])('%s with mode %o is refused as %s, unquoted', async (text, mode, code) => {
    const data = tempDir()
    writeFileSync(join(data, 'relay.key'), text, { mode })
    const failure = await createRelay({ verifier: await sharedVerifier(), data }).catch((error: unknown) => error)
    expect(failure).toBeInstanceOf(RelayKeyError)
    expect((failure as RelayKeyError).code).toBe(code)
    expect((failure as RelayKeyError).message).not.toContain(text)
  })
})
