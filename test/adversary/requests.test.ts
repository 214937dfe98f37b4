import { once } from 'node:events'
import { encode } from 'posthorn/protocol'
import { describe, expect, test } from 'vitest'
import { corrupt, notes, nowSeconds } from '../helpers/events.ts'
import { handClock } from '../helpers/hand-clock.ts'
import type { RunningRelay } from '../helpers/start-relay.ts'
import { ask } from '../relay/http-client.ts'
import { connectRaw, openTcp, type RawClient } from './raw-client.ts'
import { ATTACKER, from, HOME, HONEST, honestTraffic, mallory, note, publicRelay, publish, victim } from './scene.ts'

const SLOW_DOWN = 'rate-limited: too many requests; try again in 1 s'
/** Negentropy V1: one fingerprint over everything, which is not ours. */
const OPENING = `61000001${'00'.repeat(16)}`

/** Sends `frames` at once, then resolves to how often each answer came: type and reason. */
async function flood(client: RawClient, frames: readonly string[], ...types: string[]) {
  for (const frame of frames) client.send(frame)
  const seen: Record<string, number> = {}
  for (let n = 0; n < frames.length; n++) {
    const [type, , message] = await client.next(...types)
    const name = typeof message === 'string' && type !== 'NEG-MSG' ? `${type} ${message}` : String(type)
    seen[name] = (seen[name] ?? 0) + 1
  }
  return seen
}
const times = (count: number, frame: (n: number) => string) => Array.from({ length: count }, (_, n) => frame(n))

describe('floods of questions', () => {
  const limits = { requestBurst: 20 }

  test('COUNT: CLOSED rate-limited, every one; others go on', async () => {
    await using relay = await publicRelay({ clock: handClock(), limits })
    const check = await honestTraffic(relay)
    const client = await connectRaw(relay.url, from(ATTACKER))
    const frames = times(200, n => encode.countReq(`c${n}`, { kinds: [2_000 + n] }))
    expect(await flood(client, frames, 'COUNT', 'CLOSED')).toEqual({
      COUNT: 20,
      [`CLOSED ${SLOW_DOWN}`]: 180,
    })
    await check()
  })

  test('NEG-OPEN and NEG-MSG: NEG-ERR rate-limited, every one, and the session is over; others go on', async () => {
    await using relay = await publicRelay({ clock: handClock(), limits })
    const check = await honestTraffic(relay)
    const opener = await connectRaw(relay.url, from(ATTACKER))
    const opens = times(100, n => encode.negOpen(`n${n % 4}`, { kinds: [1] }, OPENING))
    const answers = await flood(opener, opens.slice(0, 1), 'NEG-MSG', 'NEG-ERR')
    expect(answers).toEqual({ 'NEG-MSG': 1 })
    // One of an id that is taken again ends without a word, so only refusals are counted.
    for (const frame of opens.slice(1)) opener.send(frame)
    for (let refused = 0; refused < 80; refused++) expect((await opener.next('NEG-ERR'))[2]).toBe(SLOW_DOWN)

    const talker = await connectRaw(relay.url, from('203.0.113.99'))
    talker.send(encode.negOpen('n', { kinds: [1] }, OPENING))
    await talker.next('NEG-MSG')
    const messages = times(60, () => encode.negMsg('n', OPENING))
    expect(await flood(talker, messages, 'NEG-MSG', 'NEG-ERR')).toEqual({
      'NEG-MSG': 19,
      [`NEG-ERR ${SLOW_DOWN}`]: 1,
      'NEG-ERR closed: no reconciliation is open under this id': 40,
    })
    await check()
  })

  test('a session too many is refused, garbage ends the one it was for; others go on', async () => {
    await using relay = await publicRelay()
    const check = await honestTraffic(relay)
    const client = await connectRaw(relay.url, from(ATTACKER))
    const opens = times(12, n => encode.negOpen(`n${n}`, {}, OPENING))
    expect(await flood(client, opens, 'NEG-MSG', 'NEG-ERR')).toEqual({
      'NEG-MSG': 8,
      'NEG-ERR rate-limited: 8 reconciliations are open; NEG-CLOSE one first': 4,
    })
    const garbage = ['ff'.repeat(60_000), `61${'80'.repeat(60_000)}`, '61000002ffffffff7f', `6100000100`, '60']
    for (const [n, message] of garbage.entries()) {
      client.send(encode.negMsg(`n${n}`, message))
      const [type, sub, answer] = await client.next('NEG-ERR', 'NEG-MSG')
      // Another version is told ours; everything else does not follow the protocol.
      if (type === 'NEG-MSG') expect(answer, message.slice(0, 20)).toBe('61')
      else expect([sub, answer]).toEqual([`n${n}`, 'invalid: the message does not follow Negentropy Protocol V1'])
    }
    await check()
  })

  test('statements of ever new lengths are not all kept; a count is right however much it counts', async () => {
    await using relay = await publicRelay({ limits: { requestBurst: 10_000 } })
    const check = await honestTraffic(relay)
    const client = await connectRaw(relay.url, from(ATTACKER))
    const values = times(500, String)
    const wide = (kinds: number) => {
      const filter = { kinds: times(kinds, String).map(Number), '#a': values, '#b': values }
      return encode.countReq('wide', filter, filter, filter)
    }
    const count = async (frame: string, asker = client) => {
      asker.send(frame)
      return (await asker.next('COUNT', 'CLOSED'))[2]
    }
    expect(await count(wide(1))).toEqual({ count: 0 })
    const before = process.memoryUsage().rss
    for (let n = 0; n < 60; n++) expect(await count(wide(300 + n))).toEqual({ count: 0 })
    expect(process.memoryUsage().rss - before).toBeLessThan(40 * 1_048_576)

    const large = times(8, n => 'x'.repeat(48_000) + n).map(content =>
      mallory.sign({ created_at: nowSeconds(), content }),
    )
    for (const event of large) expect((await publish(client, event))[0]).toBe(true)
    expect(await count(encode.countReq('mine', { authors: [mallory.pubkey] }))).toEqual({ count: 8 })
    const known = await connectRaw(relay.url, from(ATTACKER))
    expect((await known.authenticate(mallory, HOME))[2]).toBe(true)
    expect(await count(encode.countReq('mine', { authors: [mallory.pubkey] }), known)).toEqual({ count: 8 })
    await check()
  })
})

test('questions that cost much wait in the line of who asks them: others are answered in between, and who leaves is not served', async () => {
  await using relay = await publicRelay({ limits: { requestBurst: 10_000 } })
  const check = await honestTraffic(relay)
  const client = await connectRaw(relay.url, from(ATTACKER))
  const reader = await connectRaw(relay.url, from(HONEST))
  const values = times(500, String)
  const kinds = times(400, n => String(2_000 + n)).map(Number)
  const filter = { kinds, '#a': values, '#b': values, '#c': values }
  const frame = encode.countReq('wide', ...new Array<typeof filter>(6).fill(filter))
  const FLOOD = 80
  let answered = 0
  const all = (async () => {
    for (; answered < FLOOD; answered++) await client.next('COUNT')
  })().catch(() => {})
  for (let n = 0; n < FLOOD; n++) client.send(frame)
  await expect.poll(() => answered, { interval: 5 }).toBeGreaterThan(0)
  reader.send(encode.req('small', { kinds: [1] }))
  await reader.next('EOSE')
  expect(answered).toBeLessThan(FLOOD / 2)
  await check()
  client.destroy()
  await all
  expect(answered).toBeLessThan(FLOOD)
  await expect.poll(() => relay.relay.load.connections).toBe(3)
  reader.send(encode.countReq('small', { kinds: [2] }))
  expect((await reader.next('COUNT'))[2]).toEqual({ count: 0 })
})

describe('floods of events', () => {
  test('beyond the rate: OK false rate-limited, every one, before any signature is checked; others go on', async () => {
    await using relay = await publicRelay({ clock: handClock(), limits: { eventBurst: 5, invalidSignatures: 6 } })
    const client = await connectRaw(relay.url, from(ATTACKER))
    const forged = times(60, () => encode.publish(corrupt(note(victim), 'sig')))
    expect(await flood(client, forged, 'OK')).toBeDefined()
    expect(client.isClosed).toBe(false)
    const honest = await connectRaw(relay.url, from(HONEST))
    expect(await publish(honest, note())).toEqual([true, expect.stringMatching(/^seq: /)])
    expect(await publish(client, note(mallory))).toEqual([false, 'rate-limited: too many events; try again in 1 s'])
  })

  test('a client that forges and leaves before the verdict is kept out as well', async () => {
    await using relay = await publicRelay()
    const check = await honestTraffic(relay)
    const client = await connectRaw(relay.url, from(ATTACKER))
    for (const event of notes(victim, 30)) client.send(encode.publish(corrupt(event, 'sig')))
    client.destroy()
    await expect.poll(() => relay.relay.load.connections).toBe(2)
    await check()
    const status = async () => {
      const { status } = await connectRaw(relay.url, from(ATTACKER))
      return status
    }
    await expect.poll(status).toBe(429)
  })

  test('a genuine id races with bad signatures from ten connections: the honest copy is stored, once, as it was signed', async () => {
    await using relay = await publicRelay({ limits: { invalidSignatures: 1_000 } })
    const check = await honestTraffic(relay)
    const attackers = await Promise.all(
      times(10, n => `203.0.113.${n}`).map(address => connectRaw(relay.url, from(address))),
    )
    const honest = await connectRaw(relay.url, from(HONEST))
    const reader = await connectRaw(relay.url, from(HONEST))
    reader.send(encode.req('live', { authors: [victim.pubkey] }))
    await reader.next('EOSE')
    const events = notes(victim, 8)
    for (const [index, event] of events.entries()) {
      const copies = attackers.map((_, n) => encode.publish(corrupt(event, 'sig', n)))
      // Before, beside and after it.
      for (const [n, copy] of copies.entries()) if (n <= index) attackers[n]?.send(copy)
      honest.send(encode.publish(event))
      for (const [n, copy] of copies.entries()) if (n > index) attackers[n]?.send(copy)
    }
    for (const [index, event] of events.entries()) {
      expect((await honest.next('OK')).slice(1, 3)).toEqual([event.id, true])
      const [, , told, ...rest] = await reader.next('EVENT')
      expect(told, `event ${index}`).toEqual({ ...event })
      expect(rest).toEqual([])
    }
    for (const attacker of attackers)
      for (const event of events) {
        const [, id, accepted, message] = await attacker.next('OK')
        expect(id).toBe(event.id)
        if (accepted === true) expect(message).toMatch(/^duplicate: seq \d+$/)
        else expect(message).toBe('invalid: the signature does not fit the event')
      }
    reader.send(encode.req('stored', { authors: [victim.pubkey] }))
    for (const event of [...events].reverse()) expect((await reader.next('EVENT', 'EOSE'))[2]).toEqual({ ...event })
    expect((await reader.next('EVENT', 'EOSE'))[0]).toBe('EOSE')
    await check()
  })
})

describe('HTTP', () => {
  /** What comes back on a socket that is fed by hand, until the relay closes it. */
  async function slowly(relay: RunningRelay, head: string, drip: string): Promise<string> {
    const socket = await openTcp(relay.url)
    let answer = ''
    socket.on('data', data => {
      answer += data.toString()
    })
    socket.write(head)
    const timer = setInterval(() => socket.write(drip), 40)
    await once(socket, 'close')
    clearInterval(timer)
    return answer
  }
  const HEAD = 'POST /event HTTP/1.1\r\nHost: relay.test\r\n'

  test('slow bodies get 408 and are dropped, whatever trickles in; others go on', async () => {
    await using relay = await publicRelay({ limits: { handshakeMs: 400 } })
    const check = await honestTraffic(relay)
    const [sized, chunked] = await Promise.all([
      slowly(relay, `${HEAD}Content-Length: 100000\r\n\r\n{`, ' '),
      slowly(relay, `${HEAD}Transfer-Encoding: chunked\r\n\r\n`, '1\r\nx\r\n'),
      check(),
    ])
    expect(sized).toMatch(/^HTTP\/1\.1 408 /)
    expect(chunked).toMatch(/^HTTP\/1\.1 408 /)
    await check()
  })

  test('giant bodies get 413, deep ones 400; two lengths or a smuggled request get 400; others go on', async () => {
    await using relay = await publicRelay()
    const check = await honestTraffic(relay)
    const url = `${relay.httpUrl}/event`
    const send = async (body: string, headers: Record<string, string> = {}) =>
      ask(url, { method: 'POST', body, headers: { 'x-forwarded-for': ATTACKER, ...headers } })
    expect((await send(' '.repeat(131_073))).status).toBe(413)
    const deep = await send('['.repeat(60_000) + ']'.repeat(60_000))
    expect([deep.status, deep.body]).toEqual([400, { accepted: false, message: 'invalid: event is not an object' }])
    const forged = await send(JSON.stringify(corrupt(note(victim), 'sig')))
    expect([forged.status, forged.body.message]).toEqual([400, 'invalid: the signature does not fit the event'])
    const filter = encodeURIComponent('['.repeat(1_000) + ']'.repeat(1_000))
    const sync = await ask(`${relay.httpUrl}/sync?filter=${filter}`)
    expect([sync.status, sync.body.message]).toEqual([400, 'invalid: a filter is not an object'])
    const smuggled = `${HEAD}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`
    for (const text of [smuggled, `${HEAD}Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx`])
      expect(await slowly(relay, text, '')).toMatch(/^HTTP\/1\.1 400 /)
    await check()
  })

  test('a flood is answered with 429, every one, sharing its rate with the socket; others go on', async () => {
    await using relay = await publicRelay({ clock: handClock(), limits: { requestBurst: 10 } })
    const check = await honestTraffic(relay)
    const client = await connectRaw(relay.url, from(ATTACKER))
    await flood(
      client,
      times(5, n => encode.countReq(`c${n}`, {})),
      'COUNT',
    )
    const answers = await Promise.all(
      times(30, () => `${relay.httpUrl}/sync`).map(url => ask(url, { headers: { 'x-forwarded-for': ATTACKER } })),
    )
    const statuses = answers.map(({ status }) => status)
    expect(statuses.filter(status => status === 200)).toHaveLength(5)
    expect(statuses.filter(status => status === 429)).toHaveLength(25)
    expect(answers.find(({ status }) => status === 429)?.body.message).toBe(SLOW_DOWN)
    await check()
  })
})
