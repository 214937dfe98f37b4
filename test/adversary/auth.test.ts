import { encode, type NostrEvent } from 'posthorn/protocol'
import { saneDefaults } from 'posthorn/relay'
import { describe, expect, test } from 'vitest'
import { corrupt, nowSeconds, type Person } from '../helpers/events.ts'
import { startRelay } from '../helpers/start-relay.ts'
import { connectRaw, type RawClient } from './raw-client.ts'
import { ATTACKER, from, HOME, HONEST, honestTraffic, mallory, publicRelay, victim } from './scene.ts'

const WRONG_CHALLENGE = 'invalid: the challenge is not the one this connection was sent'
const WRONG_RELAY = 'invalid: the relay tag names another relay'
const FORGED = 'invalid: the signature does not fit the event'

const challengeOf = async (client: RawClient) => String((await client.next('AUTH'))[1])
const signAuth = (who: Person, challenge: string, relay = HOME, content = ''): NostrEvent =>
  who.sign({
    kind: 22_242,
    created_at: nowSeconds(),
    tags: [
      ['relay', relay],
      ['challenge', challenge],
    ],
    content,
  })

/** Accepted and message. */
async function auth(client: RawClient, event: NostrEvent) {
  client.send(encode.auth(event))
  return (await client.next('OK')).slice(2)
}

/** What this connection is told about the victim's private mail. */
async function mail(client: RawClient) {
  client.send(encode.req('mail', { kinds: [1059], '#p': [victim.pubkey] }))
  const [type, , third] = await client.next('EVENT', 'CLOSED')
  return type === 'CLOSED' ? third : (third as NostrEvent).id
}

const letter = mallory.sign({ kind: 1059, created_at: nowSeconds(), tags: [['p', victim.pubkey]], content: 'sealed' })

describe('AUTH replays', () => {
  test('an AUTH that was overheard opens no other connection, neither beside it nor after it, nor on another relay', async () => {
    await using relay = await publicRelay()
    await using elsewhere = await publicRelay({ publicUrls: [HOME, 'ws://elsewhere.test'] })
    const check = await honestTraffic(relay)
    const owner = await connectRaw(relay.url, from(HONEST))
    const overheard = signAuth(victim, await challengeOf(owner))
    expect(await auth(owner, overheard)).toEqual([true, ''])
    owner.send(encode.publish(letter))
    await owner.next('OK')
    expect(await mail(owner)).toBe(letter.id)
    const replay = async (url: string) => {
      const client = await connectRaw(url, from(ATTACKER))
      await challengeOf(client)
      expect(await auth(client, overheard)).toEqual([false, WRONG_CHALLENGE])
      expect(await mail(client)).toBe('auth-required: these kinds are served only to the keys they name')
      client.destroy()
    }
    await replay(relay.url)
    await replay(elsewhere.url)
    owner.destroy()
    await expect.poll(() => relay.relay.load.connections).toBe(2)
    await replay(relay.url)
    await check()
    await relay.restart()
    await replay(relay.url)
  })

  test('a challenge that a hostile relay passes on is answered for that relay, and so for nobody', async () => {
    await using relay = await publicRelay()
    const attacker = await connectRaw(relay.url, from(ATTACKER))
    const challenge = await challengeOf(attacker)
    for (const url of ['wss://hostile.example', 'wss://relay.test', 'ws://relay.test.hostile.example', `${HOME}/x`])
      expect(await auth(attacker, signAuth(victim, challenge, url)), url).toEqual([false, WRONG_RELAY])
    expect(await mail(attacker)).toMatch(/^auth-required:/)
  })

  test('of the same connection, and any AUTH beyond its share, are refused and then closed 1008', async () => {
    await using relay = await publicRelay({ limits: { authKeys: 4 } })
    const check = await honestTraffic(relay)
    const client = await connectRaw(relay.url, from(ATTACKER))
    const challenge = await challengeOf(client)
    for (let n = 0; n < 4; n++) expect(await auth(client, signAuth(mallory, challenge))).toEqual([true, ''])
    for (let n = 0; n < 5; n++)
      expect(await auth(client, signAuth(mallory, challenge, HOME, String(n)))).toEqual([
        false,
        'rate-limited: 4 AUTHs were accepted here already',
      ])
    expect(await client.closed).toEqual({ code: 1008, reason: 'too many refused AUTHs' })
    await check()
  })

  test('an event that is stolen from elsewhere is no AUTH, and an AUTH is no event', async () => {
    await using relay = await publicRelay({ limits: { refusedAuths: 100 } })
    const client = await connectRaw(relay.url, from(ATTACKER))
    const challenge = await challengeOf(client)
    const good = signAuth(victim, challenge)
    expect(await auth(client, victim.sign({ created_at: nowSeconds(), tags: good.tags }))).toEqual([
      false,
      'invalid: AUTH is kind 22242',
    ])
    expect(await auth(client, victim.sign({ ...good, created_at: nowSeconds() - 700 }))).toEqual([
      false,
      'invalid: created_at is more than 600 s off; check your clock',
    ])
    // The victim's name over the attacker's signature, and the right signature over changed tags.
    expect(await auth(client, { ...signAuth(mallory, challenge), pubkey: victim.pubkey })).toEqual([false, FORGED])
    expect(await auth(client, corrupt(good, 'sig'))).toEqual([false, FORGED])
    const old = signAuth(victim, 'another challenge')
    expect(await auth(client, { ...old, tags: good.tags })).toEqual([false, FORGED])
    client.send(encode.publish(good))
    expect((await client.next('OK'))[3]).toBe('invalid: kind 22242 is not published; send it in an AUTH frame')
    expect(await mail(client)).toMatch(/^auth-required:/)
    expect(await auth(client, good)).toEqual([true, ''])
  })
})

describe('a forged Host', () => {
  const names = { host: 'hostile.example', 'x-forwarded-host': 'hostile.example', forwarded: 'host=hostile.example' }

  test('does not make an AUTH for another name valid, nor one for the right name invalid', async () => {
    await using relay = await publicRelay()
    const client = await connectRaw(relay.url, from(ATTACKER, { headers: names }))
    const challenge = await challengeOf(client)
    for (const url of ['ws://hostile.example', 'wss://hostile.example', relay.url])
      expect(await auth(client, signAuth(victim, challenge, url)), url).toEqual([false, WRONG_RELAY])
    expect(await auth(client, signAuth(victim, challenge))).toEqual([true, ''])
  })

  test('does not make a relay of this machine answer', async () => {
    await using relay = await startRelay()
    expect(await connectRaw(relay.url, { headers: names })).toMatchObject({
      status: 403,
      body: 'blocked: this relay is for this machine only; to serve a name, configure it as a public URL',
    })
    const { host: _, ...others } = names
    const client = await connectRaw(relay.url, { headers: others })
    const challenge = await challengeOf(client)
    expect(await auth(client, signAuth(victim, challenge, 'ws://hostile.example'))).toEqual([false, WRONG_RELAY])
    expect(await auth(client, signAuth(victim, challenge, relay.url))).toEqual([true, ''])
  })
})

describe('before AUTH where it is demanded', () => {
  test('work is bounded: more than 16 messages, or 64 KiB of them, are closed 1008; others go on', async () => {
    await using relay = await publicRelay({ policy: saneDefaults({ requireAuth: 'all' }) })
    const known = await connectRaw(relay.url, from(HONEST))
    expect((await known.authenticate(victim, HOME))[2]).toBe(true)
    const busy = await connectRaw(relay.url, from(ATTACKER))
    for (let n = 0; n < 16; n++) {
      busy.send(encode.countReq(`c${n}`, {}))
      expect((await busy.next('CLOSED'))[2]).toBe('auth-required: authenticate to read here')
    }
    busy.send(encode.countReq('one more', {}))
    expect(await busy.closed).toEqual({ code: 1008, reason: 'more than 16 messages before AUTH' })
    const heavy = await connectRaw(relay.url, from(ATTACKER))
    heavy.send(encode.publish(mallory.sign({ created_at: nowSeconds(), content: 'x'.repeat(40_000) })))
    expect((await heavy.next('OK'))[3]).toBe('auth-required: authenticate to write here')
    heavy.send(`["CLOSE","x"]${' '.repeat(30_000)}`)
    expect(await heavy.closed).toEqual({ code: 1008, reason: 'more than 65536 bytes before AUTH' })
    known.send(encode.req('y', { limit: 0 }))
    expect((await known.next('EOSE'))[1]).toBe('y')
  })
})
