import { encode, type NostrEvent } from 'posthorn/protocol'
import { saneDefaults } from 'posthorn/relay'
import { describe, expect, test } from 'vitest'
import { corrupt, nowSeconds } from '../helpers/events.ts'
import { handClock } from '../helpers/hand-clock.ts'
import { startRelay } from '../helpers/start-relay.ts'
import { connectRaw, encodeFrame, OPCODE, openTcp, type RawClient } from './raw-client.ts'
import { ATTACKER, alice, from, HOME, HONEST, honestTraffic, note, publicRelay, victim } from './scene.ts'

const every = (ms: number, run: () => void) => {
  const timer = setInterval(run, ms)
  return () => clearInterval(timer)
}

describe('silent after the upgrade', () => {
  const limits = { preAuthMs: 400 }

  test('is closed 1008, on time, whatever bytes trickle in; others go on', async () => {
    await using relay = await publicRelay({ limits })
    const check = await honestTraffic(relay)
    const silent = await connectRaw(relay.url, from(ATTACKER))
    const trickling = await connectRaw(relay.url, from(ATTACKER))
    const babbling = await connectRaw(relay.url, from(ATTACKER))
    const half = encodeFrame(OPCODE.text, encode.req('x', {}))
    let sent = 0
    const stop = every(20, () => {
      // Never the whole frame; pings and pongs and frames that mean nothing besides.
      if (sent < half.length - 1) trickling.raw(half.subarray(sent, ++sent))
      babbling.frame(OPCODE.pong, '')
      babbling.send('[]')
    })
    await check()
    const why = { code: 1008, reason: 'no valid frame within 400 ms' }
    expect(await silent.closed).toEqual(why)
    expect(await trickling.closed).toEqual(why)
    expect(await babbling.closed).toEqual(why)
    stop()
    await check()
  })

  test('one valid frame is enough where AUTH is not demanded, and the deadline is gone', async () => {
    await using relay = await publicRelay({ limits })
    const client = await connectRaw(relay.url, from(ATTACKER))
    client.send(encode.close('x'))
    const silent = await connectRaw(relay.url, from(ATTACKER))
    await silent.closed
    client.send(encode.req('y', { limit: 0 }))
    expect((await client.next('EOSE'))[1]).toBe('y')
  })

  test('where AUTH is demanded nothing else will do', async () => {
    await using relay = await publicRelay({ limits, policy: saneDefaults({ requireAuth: 'all' }) })
    const stranger = await connectRaw(relay.url, from(ATTACKER))
    const known = await connectRaw(relay.url, from(HONEST))
    await known.authenticate(alice, HOME)
    stranger.send(encode.req('x', {}))
    expect(await stranger.next('CLOSED')).toEqual(['CLOSED', 'x', 'auth-required: authenticate to read here'])
    expect(await stranger.closed).toEqual({ code: 1008, reason: 'no AUTH within 400 ms' })
    known.send(encode.req('y', { limit: 0 }))
    expect((await known.next('EOSE'))[1]).toBe('y')
  })

  test('programs of this machine may be as silent as they like', async () => {
    await using relay = await startRelay({ limits })
    const quiet = await connectRaw(relay.url)
    const proxied = await connectRaw(relay.url, from(ATTACKER))
    expect((await proxied.closed).code).toBe(1008)
    quiet.send(encode.req('x', { limit: 0 }))
    await quiet.next('EOSE')
  })
})

test('before the upgrade: slow headers get 408 and are dropped; others go on', async () => {
  await using relay = await publicRelay({ limits: { handshakeMs: 500 } })
  const check = await honestTraffic(relay)
  const socket = await openTcp(relay.url)
  let answer = ''
  socket.on('data', data => {
    answer += data.toString()
  })
  socket.write('GET / HTTP/1.1\r\n')
  const stop = every(50, () => socket.write('x-slow: 1\r\n'))
  await new Promise(resolve => socket.once('close', resolve))
  stop()
  expect(answer).toContain('408')
  await check()
})

test('headers above the limit get 431', async () => {
  await using relay = await publicRelay({ limits: { headerBytes: 2_048 } })
  const refused = await connectRaw(relay.url, { headers: { 'x-big': 'x'.repeat(2_048) } })
  expect(refused.status).toBe(431)
})

describe('control frames', () => {
  test.each([
    ['pings', OPCODE.ping],
    ['pongs nobody asked for', OPCODE.pong],
  ])('a flood of %s is closed 1008; others go on', async (_name, opcode) => {
    await using relay = await publicRelay({ limits: { controlFrames: 50 } })
    const check = await honestTraffic(relay)
    const client = await connectRaw(relay.url, from(ATTACKER))
    for (let n = 0; n < 50; n++) client.frame(opcode, 'x')
    client.send(encode.req('still here', { limit: 0 }))
    await client.next('EOSE')
    client.frame(opcode, 'x')
    expect(await client.closed).toEqual({ code: 1008, reason: 'too many pings' })
    await check()
  })
})

describe('fragments', () => {
  const inPieces = (client: RawClient, pieces: readonly string[]) => {
    for (const [index, piece] of pieces.entries())
      client.frame(index === 0 ? OPCODE.text : OPCODE.continuation, piece, index === pieces.length - 1)
  }
  const cut = (text: string, count: number) => {
    const size = Math.ceil(text.length / count)
    return Array.from({ length: count }, (_, n) => text.slice(n * size, (n + 1) * size))
  }

  test('up to the limit they make a message, one more is closed 1008; empty ones count; others go on', async () => {
    await using relay = await publicRelay()
    const check = await honestTraffic(relay)
    const client = await connectRaw(relay.url, from(ATTACKER))
    inPieces(client, cut(encode.req('pieces', { limit: 0 }), 20))
    expect((await client.next('EOSE'))[1]).toBe('pieces')
    inPieces(client, [...cut(encode.req('more', { limit: 0 }), 20), ...new Array<string>(44).fill('')])
    expect((await client.next('EOSE'))[1]).toBe('more')
    inPieces(client, new Array<string>(65).fill(''))
    expect((await client.closed).code).toBe(1008)
    const endless = await connectRaw(relay.url, from(ATTACKER))
    endless.frame(OPCODE.text, '[', false)
    for (let n = 0; n < 1_000 && !endless.isClosed; n++) endless.frame(OPCODE.continuation, '', false)
    expect((await endless.closed).code).toBe(1008)
    await check()
  })

  test('a message above the frame limit is closed 1009, also in pieces', async () => {
    await using relay = await publicRelay()
    const check = await honestTraffic(relay)
    const whole = await connectRaw(relay.url, from(ATTACKER))
    whole.frame(OPCODE.text, 'x'.repeat(131_073))
    expect((await whole.closed).code).toBe(1009)
    const pieces = await connectRaw(relay.url, from(ATTACKER))
    inPieces(pieces, cut('x'.repeat(131_073), 3))
    expect((await pieces.closed).code).toBe(1009)
    await check()
  })

  test('binary is closed 1003, an unmasked or reserved frame 1002', async () => {
    await using relay = await publicRelay()
    const binary = await connectRaw(relay.url, from(ATTACKER))
    binary.frame(OPCODE.binary, 'x')
    expect((await binary.closed).code).toBe(1003)
    const unmasked = await connectRaw(relay.url, from(ATTACKER))
    unmasked.raw(Buffer.from([0x81, 1, 0x78]))
    expect((await unmasked.closed).code).toBe(1002)
    const reserved = await connectRaw(relay.url, from(ATTACKER))
    reserved.frame(3, '')
    expect((await reserved.closed).code).toBe(1002)
  })
})

describe('connection floods', () => {
  test('one address has its share, then 429; others get in, and a share that is left is free again', async () => {
    await using relay = await publicRelay({ limits: { connectionsPerAddress: 5 } })
    const check = await honestTraffic(relay)
    const open: RawClient[] = []
    for (let n = 0; n < 5; n++) open.push(await connectRaw(relay.url, from(ATTACKER)))
    expect(open.map(({ status }) => status)).toEqual([101, 101, 101, 101, 101])
    expect(await connectRaw(relay.url, from(ATTACKER))).toMatchObject({
      status: 429,
      body: 'rate-limited: 5 connections are open from this address',
    })
    await check()
    open[0]?.destroy()
    await expect.poll(() => relay.relay.load.connections).toBe(6)
    expect((await connectRaw(relay.url, from(ATTACKER))).status).toBe(101)
  })

  test('what a proxy nobody trusts says of addresses does not make new ones', async () => {
    await using relay = await startRelay({ publicUrls: [HOME], limits: { requestBurst: 1, requestsPerMinute: 1 } })
    const verdicts: unknown[] = []
    for (const address of [ATTACKER, HONEST]) {
      const client = await connectRaw(relay.url, from(address))
      client.send(encode.req('x', { limit: 0 }))
      verdicts.push((await client.next('EOSE', 'CLOSED'))[0])
    }
    expect(verdicts).toEqual(['EOSE', 'CLOSED'])
  })

  test('reconnecting without end is slowed down', async () => {
    const clock = handClock()
    await using relay = await publicRelay({ clock, limits: { connectBurst: 3, connectsPerMinute: 60 } })
    const status = async () => {
      const client = await connectRaw(relay.url, from(ATTACKER))
      client.destroy()
      return client.status
    }
    expect([await status(), await status(), await status(), await status()]).toEqual([101, 101, 101, 429])
    clock.advance(1_000)
    expect([await status(), await status()]).toEqual([101, 429])
  })

  test('a full relay says so, and goes on serving whom it has', async () => {
    await using relay = await publicRelay({ limits: { connections: 3 } })
    const check = await honestTraffic(relay)
    expect((await connectRaw(relay.url, from('203.0.113.1'))).status).toBe(101)
    expect(await connectRaw(relay.url, from('203.0.113.2'))).toMatchObject({
      status: 429,
      body: 'rate-limited: this relay is full; try again later',
    })
    await check()
  })
})

test('a REQ flood is answered with rate-limited:, every one of them; others go on', async () => {
  await using relay = await publicRelay({ clock: handClock(), limits: { requestBurst: 50 } })
  const check = await honestTraffic(relay)
  const client = await connectRaw(relay.url, from(ATTACKER))
  for (let n = 0; n < 300; n++) client.send(encode.req(`flood-${n % 10}`, { kinds: [2_000 + n] }))
  const answers = { EOSE: 0, CLOSED: 0 }
  for (let n = 0; n < 300; n++) {
    const [type, , message] = await client.next('EOSE', 'CLOSED')
    answers[type as 'EOSE' | 'CLOSED'] += 1
    if (type === 'CLOSED') expect(message).toBe('rate-limited: too many requests; try again in 1 s')
    // One whose id was taken by the next before it was read ends without a word: only the last of them counts.
    if (answers.CLOSED === 250) break
  }
  expect(answers.CLOSED).toBe(250)
  expect(answers.EOSE).toBeLessThanOrEqual(50)
  await check()
})

describe('invalid signatures under other people’s keys', () => {
  const forge = (): NostrEvent => corrupt(note(victim), 'sig')
  const send = async (client: RawClient, count: number) => {
    const verdicts = new Set<unknown>()
    for (let n = 0; n < count; n++) {
      client.send(encode.publish(forge()))
      verdicts.add((await client.next('OK'))[3])
    }
    return [...verdicts]
  }
  const REASON = 'invalid: the signature does not fit the event'

  test('ten are closed 1008 and the address is kept out for a minute; the victim and others go on', async () => {
    const clock = handClock()
    await using relay = await publicRelay({ clock })
    const check = await honestTraffic(relay)
    const client = await connectRaw(relay.url, from(ATTACKER))
    expect(await send(client, 9)).toEqual([REASON])
    expect(client.isClosed).toBe(false)
    expect(await send(client, 1)).toEqual([REASON])
    expect(await client.closed).toEqual({ code: 1008, reason: 'too many invalid signatures' })
    expect(await connectRaw(relay.url, from(ATTACKER))).toMatchObject({
      status: 429,
      body: 'rate-limited: too many invalid signatures; try again in 60 s',
    })
    const honest = await connectRaw(relay.url, from('203.0.113.67'))
    const event = note(victim)
    honest.send(encode.publish(event))
    expect((await honest.next('OK'))[2]).toBe(true)
    await check()
    clock.advance(59_999)
    expect((await connectRaw(relay.url, from(ATTACKER))).status).toBe(429)
    clock.advance(1)
    expect((await connectRaw(relay.url, from(ATTACKER))).status).toBe(101)
  })

  test('forged AUTHs and wills count too', async () => {
    await using relay = await publicRelay({ limits: { invalidSignatures: 3, refusedAuths: 100 } })
    const client = await connectRaw(relay.url, from(ATTACKER))
    const [, challenge] = await client.next('AUTH')
    const auth = (who: typeof alice) =>
      who.sign({
        kind: 22_242,
        created_at: nowSeconds(),
        tags: [
          ['relay', HOME],
          ['challenge', String(challenge)],
        ],
      })
    client.send(encode.auth(auth(alice)))
    expect((await client.next('OK'))[2]).toBe(true)
    client.send(encode.auth(corrupt(auth(victim), 'sig')))
    expect((await client.next('OK'))[3]).toBe(REASON)
    const will = alice.sign({
      kind: 34_706,
      created_at: nowSeconds(),
      tags: [
        ['d', ''],
        ['relay', HOME],
      ],
    })
    client.send(encode.will(corrupt(will, 'sig')))
    expect((await client.next('OK'))[3]).toBe(REASON)
    expect(await send(client, 1)).toEqual([REASON])
    expect((await client.closed).code).toBe(1008)
  })

  test('from this machine they are closed all the same, and it may come back', async () => {
    await using relay = await startRelay()
    const client = await connectRaw(relay.url)
    await send(client, 10)
    expect((await client.closed).code).toBe(1008)
    expect((await connectRaw(relay.url)).status).toBe(101)
  })

  test('a genuine id with a bad signature neither stores nor blocks the honest copy beside it', async () => {
    await using relay = await publicRelay()
    const [attacker, honest] = [await connectRaw(relay.url, from(ATTACKER)), await connectRaw(relay.url, from(HONEST))]
    for (let n = 0; n < 5; n++) {
      const event = note(victim)
      attacker.send(encode.publish(corrupt(event, 'sig')))
      honest.send(encode.publish(event))
      expect((await honest.next('OK')).slice(1, 3)).toEqual([event.id, true])
      // `duplicate` if the honest copy was first: then nothing of the forged one is looked at but its id.
      const [, , accepted, message] = await attacker.next('OK')
      expect(accepted ? String(message).startsWith('duplicate:') : message === REASON).toBe(true)
      honest.send(encode.req('x', { ids: [event.id] }))
      expect((await honest.next('EVENT'))[2]).toEqual({ ...event })
    }
  })
})

describe('pages of the web', () => {
  test('are refused with 403 by a relay for this machine, unless they are of this machine or listed', async () => {
    await using relay = await startRelay({ allowOrigins: ['https://app.example'] })
    const answer = async (headers: Record<string, string>) => {
      const { status, body } = await connectRaw(relay.url, { headers })
      return `${status} ${body}`
    }
    const origin = '403 blocked: this relay is for this machine only, and this Origin is not on its list'
    const host = /^403 blocked: this relay is for this machine only; to serve a name/
    expect(await answer({ origin: 'https://evil.example' })).toBe(origin)
    expect(await answer({ origin: 'https://app.example.evil.example' })).toBe(origin)
    expect(await answer({ origin: 'null' })).toBe(origin)
    // DNS rebinding: the page's own name leads here.
    expect(await answer({ host: 'evil.example:7678' })).toMatch(host)
    expect(await answer({ host: 'evil.example', origin: 'http://evil.example' })).toMatch(host)
    for (const headers of [
      {},
      { origin: 'http://localhost:3000' },
      { origin: 'https://app.example' },
      { host: 'localhost:1' },
    ])
      expect(await answer(headers), JSON.stringify(headers)).toBe('101 ')
  })

  test('a relay with a public URL serves pages from anywhere, throttled', async () => {
    await using relay = await startRelay({ publicUrls: [HOME], limits: { requestBurst: 1, requestsPerMinute: 1 } })
    const page = await connectRaw(relay.url, { headers: { origin: 'https://any.example', host: 'relay.test' } })
    expect(page.status).toBe(101)
    page.send(encode.req('a', { limit: 0 }))
    expect((await page.next('EOSE', 'CLOSED'))[0]).toBe('EOSE')
    page.send(encode.req('b', { limit: 0 }))
    expect((await page.next('EOSE', 'CLOSED'))[0]).toBe('CLOSED')
  })

  test('a foreign Host is not told about the relay over HTTP either', async () => {
    await using relay = await startRelay()
    const socket = await openTcp(relay.url)
    socket.write('GET / HTTP/1.1\r\nHost: evil.example\r\nAccept: application/nostr+json\r\nConnection: close\r\n\r\n')
    let answer = ''
    for await (const data of socket) answer += String(data)
    expect(answer).toMatch(/^HTTP\/1\.1 403/)
    expect(answer).not.toContain('supported_nips')
  })
})
