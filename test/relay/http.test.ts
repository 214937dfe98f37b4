import { once } from 'node:events'
import { connect } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { defaultLimits, REASONS } from 'posthorn/protocol'
import { createMemoryStore, createRelay } from 'posthorn/relay'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { systemTimers, type Timers } from '#dist/platform/timers.js'
import { HttpAuth } from '#dist/relay/http/nip98.js'
import { corrupt, notes, nowSeconds, person } from '../helpers/events.ts'
import { sharedVerifier } from '../helpers/shared-verifier.ts'
import { type RunningRelay, startRelay } from '../helpers/start-relay.ts'
import { ask, askRaw, authorize, header, openSocket, post, sync, syncUrl, token } from './http-client.ts'

const alice = person('alice')
const bob = person('bob')
const carol = person('carol')

let running: RunningRelay
beforeAll(async () => {
  running = await startRelay()
})
afterAll(() => running[Symbol.asyncDispose]())

/** Relays of single tests. */
const others: { close(): Promise<void> }[] = []
afterEach(async () => {
  for (const relay of others.splice(0)) await relay.close()
})
async function other(options: Parameters<typeof createRelay>[0]) {
  const relay = await createRelay({ verifier: await sharedVerifier(), ...options })
  others.push(relay)
  const url = await relay.listen({ port: 0 })
  return { relay, url, httpUrl: url.replace(/^ws/, 'http') }
}

const note = (content: string, tags: string[][] = [], who = alice) =>
  who.sign({ created_at: nowSeconds(), content, tags })

/** Timers whose waits of 50 s are over when the test says so. */
function stoppedWaits(): Timers & { over(): void } {
  const waits = new Set<() => void>()
  return {
    over: () => {
      for (const run of waits) run()
    },
    after(ms, run, how) {
      if (ms !== 50_000) return systemTimers.after(ms, run, how)
      waits.add(run)
      return () => waits.delete(run)
    },
  }
}

describe('paths and methods', () => {
  test('GET / speaks to people, or tells of the relay (NIP-11)', async () => {
    const page = await ask(running.httpUrl)
    expect(page).toMatchObject({ status: 200, body: expect.stringContaining('/sync') })
    const about = await ask(running.httpUrl, { headers: { accept: 'application/nostr+json' } })
    expect(about.headers.get('content-type')).toBe('application/nostr+json')
    expect(about.body.supported_nips).toContain(98)
    expect(about.body.supported_nips).not.toContain(86)
    expect(about.headers.get('vary')).toBe('accept')
  })

  test('HEAD has the headers of GET and no body', async () => {
    const head = await ask(running.httpUrl, { method: 'HEAD' })
    expect(head.body).toBe('')
    expect(head.headers.get('content-length')).toBe(String((await ask(running.httpUrl)).body.length))
  })

  test.each(['/', '/event', '/sync'])('any page may ask and read %s, after asking', async path => {
    const preflight = await ask(running.httpUrl + path, { method: 'OPTIONS' })
    expect(preflight).toMatchObject({ status: 204, body: '' })
    expect(preflight.headers.get('access-control-allow-origin')).toBe('*')
    expect(preflight.headers.get('access-control-allow-headers')).toContain('authorization')
    expect(preflight.headers.get('access-control-allow-methods')).toContain('POST')
    const refused = await ask(running.httpUrl + path, { method: 'DELETE' })
    expect(refused.headers.get('access-control-allow-origin')).toBe('*')
  })

  test.each([
    ['/', 'DELETE', 'GET, HEAD, POST, OPTIONS'],
    ['/event', 'GET', 'POST, OPTIONS'],
    ['/sync', 'POST', 'GET, OPTIONS'],
    ['/sync', 'HEAD', 'GET, OPTIONS'],
  ])('%s %s is refused and names what is allowed', async (path, method, allow) => {
    const answer = await ask(running.httpUrl + path, { method })
    expect(answer.status).toBe(405)
    expect(answer.headers.get('allow')).toBe(allow)
  })

  test.each(['/events', '/sync/', '//', '/__proto__', '/constructor'])('%s is not found', async path => {
    expect((await askRaw(running.httpUrl + path, { host: 'localhost' })).status).toBe(404)
  })

  test('a body that does not come is not waited for', async () => {
    const { url } = await other({ limits: { handshakeMs: 200 } })
    const socket = connect(Number(new URL(url).port), '127.0.0.1')
    socket.write('POST /event HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{')
    const [answer] = await once(socket, 'data')
    expect(String(answer)).toMatch(/^HTTP\/1\.1 408 /)
    await once(socket, 'close')
  })

  test('more requests than the limit are sent away, and places come back', async () => {
    const { httpUrl, relay } = await other({ limits: { httpRequests: 1 } })
    const leave = new AbortController()
    const waiting = sync(httpUrl, { wait: 50 }, undefined, leave.signal).catch(() => 'left')
    await expect.poll(() => relay.load.subscriptions).toBe(1)
    const refused = await ask(httpUrl)
    expect(refused.status).toBe(503)
    expect(refused.headers.get('retry-after')).toBe('1')
    leave.abort()
    await waiting
    await expect.poll(async () => (await ask(httpUrl)).status).toBe(200)
  })
})

describe('a relay for this machine only', () => {
  const foreign = { origin: 'https://evil.example' }

  test('takes no requests from foreign pages', async () => {
    const event = JSON.stringify(note('from a page'))
    const posted = await ask(`${running.httpUrl}/event`, { method: 'POST', body: event, headers: foreign })
    expect(posted).toMatchObject({ status: 403, body: { message: expect.stringMatching(/^blocked:.*Origin/) } })
    expect((await ask(`${running.httpUrl}/sync`, { headers: foreign })).status).toBe(403)
    // About itself it tells anybody.
    expect((await ask(running.httpUrl, { headers: foreign })).status).toBe(200)
    expect((await ask(`${running.httpUrl}/sync`, { headers: { origin: 'http://localhost:5173' } })).status).toBe(200)
  })

  test('answers to no name but this machine’s', async () => {
    for (const path of ['/', '/sync', '/event'])
      expect((await askRaw(running.httpUrl + path, { host: 'evil.example' })).status).toBe(403)
  })
})

describe('POST /event', () => {
  test('is stored like an EVENT, told live, and known the second time', async () => {
    const socket = await openSocket(running.url)
    socket.say('REQ', 'live', { '#t': ['post'], limit: 0 })
    await socket.until('EOSE')
    const event = note('by post', [['t', 'post']])
    const first = await post(running.httpUrl, event)
    const { last } = running.relay.head
    expect(first).toMatchObject({ status: 200, body: { accepted: true, message: REASONS.stored(last) } })
    expect(await post(running.httpUrl, event)).toMatchObject({
      status: 200,
      body: { accepted: true, message: REASONS.duplicate(last) },
    })
    expect((await socket.until('EVENT')).at(-1)).toEqual(['EVENT', 'live', { ...event }])
    socket.close()
  })

  test.each([
    ['no JSON', '{'],
    ['no UTF-8', Buffer.from([0x7b, 0xff, 0x7d])],
    ['nothing', ''],
    ['a frame', JSON.stringify(['EVENT', note('framed')])],
    ['a wrong signature', JSON.stringify(corrupt(note('forged'), 'sig'))],
    ['a wrong id', JSON.stringify(corrupt(note('forged'), 'id'))],
    ['from the future', JSON.stringify(alice.sign({ created_at: nowSeconds() + 5_000 }))],
  ])('refuses as invalid: %s', async (_what, body) => {
    const answer = await ask(`${running.httpUrl}/event`, { method: 'POST', body })
    expect(answer).toMatchObject({
      status: 400,
      body: { accepted: false, message: expect.stringMatching(/^invalid: /) },
    })
  })

  test('a body is as long as a frame may be, and no longer', async () => {
    const { httpUrl } = await other({ limits: { frameBytes: 1_000 } })
    const send = (length: number) => ask(`${httpUrl}/event`, { method: 'POST', body: `"${'x'.repeat(length - 2)}"` })
    expect((await send(1_000)).status).toBe(400)
    const refused = await send(1_001)
    expect(refused.status).toBe(413)
    expect(refused.headers.get('connection')).toBe('close')
    // Without a length the bytes are counted.
    const body = new ReadableStream({
      start(controller) {
        for (let n = 0; n < 11; n += 1) controller.enqueue(new Uint8Array(100).fill(32))
        controller.close()
      },
    })
    const streamed = await ask(`${httpUrl}/event`, { method: 'POST', body, duplex: 'half' } as RequestInit)
    expect(streamed.status).toBe(413)
  })

  test('the key of the token counts as authenticated (NIP-70)', async () => {
    const event = note('mine alone', [['-']])
    const stranger = await post(running.httpUrl, event)
    expect(stranger).toMatchObject({ status: 401, body: { accepted: false } })
    expect(stranger.headers.get('www-authenticate')).toBe('Nostr')
    expect(await post(running.httpUrl, event, bob)).toMatchObject({
      status: 403,
      body: { message: expect.stringMatching(/^restricted: /) },
    })
    expect(await post(running.httpUrl, event, alice)).toMatchObject({ status: 200, body: { accepted: true } })
  })

  test('a policy is asked with key and address, and its words become statuses', async () => {
    const asked: unknown[] = []
    const { httpUrl } = await other({
      policy: {
        write: (event, { keys, address }) => {
          asked.push([keys, address])
          return event.content
        },
      },
    })
    const say = (content: string, as?: typeof alice) => post(httpUrl, note(content), as)
    const limited = await say('rate-limited: too many; try again in 7 s', alice)
    expect(limited.status).toBe(429)
    expect(limited.headers.get('retry-after')).toBe('7')
    expect((await say('blocked: no')).status).toBe(403)
    expect((await say('pow: more')).status).toBe(400)
    expect((await say('auth-required: who')).status).toBe(401)
    expect((await say('error: broken')).status).toBe(500)
    expect(asked.slice(0, 2)).toEqual([
      [[alice.pubkey], '127.0.0.1'],
      [[], '127.0.0.1'],
    ])
  })

  test('a full disk is 507', async () => {
    const store = createMemoryStore()
    store.append = async () => {
      throw Object.assign(new Error('full'), { code: 'SQLITE_FULL' })
    }
    const { httpUrl } = await other({ store, onError: () => {} })
    expect(await post(httpUrl, note('one too many'))).toMatchObject({ status: 507, body: { accepted: false } })
  })
})

describe('NIP-98', () => {
  const url = () => syncUrl(running.httpUrl, { filter: { kinds: [1], limit: 1 } })
  const withToken = (event: Parameters<typeof header>[0]) => ask(url(), { headers: { authorization: header(event) } })

  test('a good token passes once', async () => {
    const good = token(alice, url())
    expect((await withToken(good)).status).toBe(200)
    expect(await withToken(good)).toMatchObject({ status: 401, body: { message: expect.stringContaining('used') } })
  })

  test('of two copies at once one passes', async () => {
    const good = token(alice, url())
    const answers = await Promise.all([withToken(good), withToken(good), withToken(good)])
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 401, 401])
  })

  test.each<[string, () => Parameters<typeof header>[0]]>([
    ['another kind', () => token(alice, url(), { change: { kind: 22_242 } })],
    ['another method', () => token(alice, url(), { method: 'POST' })],
    ['the method in lower case', () => token(alice, url(), { method: 'get' })],
    ['another host', () => token(alice, url().replace('127.0.0.1', 'relay.example'))],
    ['another path', () => token(alice, url().replace('/sync', '/event'))],
    ['another query', () => token(alice, `${url()}&wait=1`)],
    ['no query', () => token(alice, `${running.httpUrl}/sync`)],
    ['the dialled scheme', () => token(alice, url().replace('http', 'ws'))],
    ['no tags', () => token(alice, url(), { change: { tags: [] } })],
    ['a payload that is not there', () => token(alice, url(), { body: 'something' })],
    ['a forged signature', () => corrupt(token(alice, url()), 'sig')],
    ['a forged key', () => corrupt(token(alice, url()), 'pubkey')],
    ['a forged id', () => corrupt(token(alice, url()), 'id')],
  ])('refuses a token for %s, although none is needed', async (_what, make) => {
    const answer = await withToken(make())
    expect(answer).toMatchObject({ status: 401, body: { message: expect.stringMatching(/^auth-required: /) } })
    expect(answer.headers.get('www-authenticate')).toBe('Nostr')
  })

  test.each(['Bearer abc', 'Nostr', 'Nostr !!!!', `Nostr ${Buffer.from('{}').toString('base64')}`, ''])(
    'refuses the header %j',
    async authorization => {
      expect((await askRaw(url(), { host: 'localhost', authorization })).status).toBe(401)
    },
  )

  test('the token is for the body, to the byte', async () => {
    const event = JSON.stringify(note('signed twice'))
    const to = `${running.httpUrl}/event`
    const send = (headers: Record<string, string>) => ask(to, { method: 'POST', body: event, headers })
    expect((await send(authorize(alice, to, { method: 'POST' }))).body.message).toContain('payload')
    expect((await send(authorize(alice, to, { method: 'POST', body: `${event} ` }))).status).toBe(401)
    expect((await send(authorize(alice, to, { method: 'POST', body: event }))).status).toBe(200)
  })

  test('a token is good for a minute on either side', async () => {
    const at = nowSeconds()
    const { httpUrl } = await other({ clock: { now: () => at * 1_000, monotonic: () => 0 } })
    const status = async (offset: number) => {
      const change = { created_at: at + offset }
      return (await ask(`${httpUrl}/sync`, { headers: authorize(alice, `${httpUrl}/sync`, { change }) })).status
    }
    expect([await status(-61), await status(-60), await status(60), await status(61)]).toEqual([401, 200, 200, 401])
  })

  test('used ones are remembered in bounded memory, until their age refuses them', async () => {
    let now = nowSeconds()
    const auth = new HttpAuth({
      verifier: { tier: 'trusting', verify: async events => events.map(() => true), close: async () => {} },
      urls: new Set(['wss://relay.example']),
      now: () => now,
      clock: { now: () => now * 1_000, monotonic: () => 0 },
      limits: defaultLimits,
    })
    const template = token(alice, 'https://relay.example/sync')
    const use = (n: number) =>
      auth.verify({
        authorization: header({ ...template, created_at: now, id: n.toString(16).padStart(64, '0') }),
        method: 'GET',
        target: '/sync',
        body: new Uint8Array(),
        peer: { unthrottled: true },
      })
    let passed = 0
    for (let n = 1; n <= 20_000; n += 1) if ((await use(n)).ok) passed += 1
    expect(passed).toBe(20_000)
    expect(await use(20_001)).toEqual({ ok: false, error: expect.stringMatching(/^rate-limited: /) })
    now += 120
    expect((await use(20_001)).ok).toBe(false)
    now += 1
    expect((await use(20_001)).ok).toBe(true)
    expect((await use(20_001)).ok).toBe(false)
  })

  test('signatures are checked at the rate of the address, whatever keys it names', async () => {
    const { httpUrl } = await other({ limits: { requestBurst: 2, requestsPerMinute: 1 } })
    const url = `${httpUrl}/sync`
    const status = async (name: string) => {
      const headers = { 'x-forwarded-for': '203.0.113.7', ...authorize(person(name), url) }
      return (await ask(url, { headers })).status
    }
    expect([await status('one'), await status('two'), await status('three')]).toEqual([200, 200, 429])
  })

  test('what the Host header says makes no difference', async () => {
    const { httpUrl } = await other({ publicUrls: ['wss://relay.example/box'] })
    const status = async (u: string, host: string) =>
      (await askRaw(`${httpUrl}/sync`, { host, ...authorize(alice, u) })).status
    expect(await status('https://relay.example/box/sync', 'relay.example')).toBe(200)
    expect(await status('https://relay.example/box/sync', 'evil.example')).toBe(200)
    expect(await status('https://evil.example/sync', 'evil.example')).toBe(401)
    expect(await status('https://relay.example/sync', 'relay.example')).toBe(401)
    expect(await status(`${httpUrl}/sync`, new URL(httpUrl).host)).toBe(401)
  })

  test('an absolute target does not choose the URL either', async () => {
    const { port } = new URL(running.httpUrl)
    const socket = connect(Number(port), '127.0.0.1')
    const u = 'http://evil.example/sync'
    socket.write(
      `GET ${u} HTTP/1.1\r\nHost: localhost\r\nAuthorization: ${header(token(alice, u))}\r\nConnection: close\r\n\r\n`,
    )
    const [answer] = await once(socket, 'data')
    expect(String(answer)).toMatch(/^HTTP\/1\.1 404 /)
    socket.destroy()
  })
})

describe('GET /sync', () => {
  test('pages, positions and removals are those of the socket', async () => {
    const topic = [['t', 'same']]
    const from = nowSeconds() - 100
    const first = notes(alice, 6, { from, topic: 'same' })
    const doc = (n: number) =>
      bob.sign({ kind: 30_000, created_at: from + n, tags: [['d', 'x'], ...topic], content: String(n) })
    const [gone] = first
    const deletion = alice.sign({ kind: 5, created_at: nowSeconds(), tags: [['e', gone?.id ?? ''], ...topic] })
    const elsewhere = notes(carol, 3)
    for (const event of [...first, doc(1), ...elsewhere, doc(2), deletion, doc(3)])
      expect((await post(running.httpUrl, event)).body.accepted).toBe(true)

    for (const tell of [true, false]) {
      const filter = { '#t': ['same'], limit: 3, ...(tell ? { gone: true } : {}) }
      const bySocket: unknown[] = []
      const socket = await openSocket(running.url)
      let cursor: Record<string, unknown> = { since_seq: 0 }
      for (let page = 0, more = true; more; page += 1) {
        socket.say('REQ', `p${page}`, { ...filter, ...cursor })
        const frames = (await socket.until('EOSE')).filter(([type]) => type !== 'AUTH' && type !== 'SEQ')
        const [, , hints] = frames.pop() as [string, string, string[]]
        const value = (name: string) => hints.find(hint => hint.startsWith(`${name}:`))?.slice(name.length + 1)
        more = hints.includes('more')
        bySocket.push({
          complete: more ? 'more' : 'finish',
          seq: Number(value('seq')),
          epoch: value('epoch'),
          scope: value('scope'),
          floor: Number(value('floor')),
          withheld: hints.includes('withheld'),
          events: frames.flatMap(([type, , event, seq]) => (type === 'EVENT' ? [{ seq, event }] : [])),
          ...(tell
            ? { gone: frames.flatMap(([type, , seq, id, cause]) => (type === 'GONE' ? [{ seq, id, cause }] : [])) }
            : {}),
        })
        cursor = { since_seq: Number(value('seq')), epoch: value('epoch') }
      }
      socket.close()

      const byHttp: unknown[] = []
      cursor = {}
      for (let more = true; more; ) {
        const { status, body } = await sync(running.httpUrl, { filter, ...cursor })
        expect(status).toBe(200)
        byHttp.push(body)
        more = body.complete === 'more'
        cursor = { since_seq: body.seq, epoch: body.epoch }
      }
      expect(byHttp).toEqual(bySocket)
      expect(byHttp.length).toBeGreaterThan(2)
    }
  })

  test('a cursor of another life of the log is 409 with what is common', async () => {
    const epoch = '0123456789abcdef'
    expect(await sync(running.httpUrl, { since_seq: 3, epoch })).toMatchObject({
      status: 409,
      body: { common: 0, message: REASONS.cursorUnknown(0) },
    })
    const behind = await sync(running.httpUrl, {
      since_seq: running.relay.head.last + 1_000,
      epoch: running.relay.head.epoch,
    })
    expect(behind).toMatchObject({ status: 503, body: { message: REASONS.behind } })
    expect(behind.headers.get('retry-after')).toBe('1')
  })

  test('a cursor of the run before is still known', async () => {
    await using again = await startRelay()
    const [one, two] = notes(alice, 2)
    await post(again.httpUrl, one)
    const { body } = await sync(again.httpUrl)
    await again.restart()
    await post(again.httpUrl, two)
    const next = await sync(again.httpUrl, { since_seq: body.seq, epoch: body.epoch })
    expect(next.body.events).toEqual([{ seq: 2, event: { ...two } }])
    expect(next.body.epoch).not.toBe(body.epoch)
  })

  test.each([
    ['a misspelt parameter', { since: 4 }],
    ['a seq that is none', { since_seq: -1 }],
    ['a seq without its epoch', { since_seq: 1 }],
    ['an epoch that is none', { since_seq: 1, epoch: 'now' }],
    ['a filter that is none', { filter: '{' }],
    ['a filter of a wrong shape', { filter: '1' }],
    ['no filter in the list', { filter: [] }],
    ['an unknown field', { filter: { kind: 1 } }],
    ['a cursor in the filter', { filter: { since_seq: 1 } }],
    ['ids, which have no order', { filter: { ids: [alice.pubkey] } }],
    ['limit 0', { filter: { limit: 0 } }],
    ['limits that differ', { filter: [{ limit: 1 }, { limit: 2 }] }],
    ['too many filters', { filter: Array(11).fill({}) }],
    ['too long a wait', { wait: 51 }],
    ['half a wait', { wait: 0.5 }],
  ])('refuses %s', async (_what, query) => {
    expect(await sync(running.httpUrl, query)).toMatchObject({
      status: 400,
      body: { message: expect.stringMatching(/^(invalid|unsupported): /) },
    })
  })

  test('refuses a parameter given twice', async () => {
    expect((await ask(`${running.httpUrl}/sync?since_seq=0&since_seq=5`)).status).toBe(400)
  })

  test('asks the read policy', async () => {
    const { httpUrl } = await other({
      policy: { read: (_filters, { keys }) => (keys.length > 0 ? undefined : 'auth-required: who are you') },
    })
    expect((await sync(httpUrl)).status).toBe(401)
    expect((await sync(httpUrl, {}, alice)).status).toBe(200)
  })

  test('ends a page early rather than holding much', async () => {
    const { httpUrl } = await other({})
    const content = 'x'.repeat(45_000)
    for (let n = 0; n < 12; n += 1) await post(httpUrl, note(content, [['n', String(n)]]))
    const page = await sync(httpUrl)
    expect(page.body.complete).toBe('more')
    expect(page.body.events.length).toBeLessThan(12)
    const rest = await sync(httpUrl, { since_seq: page.body.seq, epoch: page.body.epoch })
    expect(page.body.events.length + rest.body.events.length).toBe(12)
  })
})

describe('private mail', () => {
  const wrap = () =>
    person('throwaway').sign({ kind: 1059, created_at: nowSeconds(), tags: [['p', bob.pubkey]], content: 'sealed' })

  test('is served to the one it names, and to nobody else on any question', async () => {
    const mail = wrap()
    await post(running.httpUrl, mail)
    const ofMail = { kinds: [1059] }
    const ids = async (filter: unknown, as?: typeof alice) => {
      const { body } = await sync(running.httpUrl, { filter }, as)
      return (body.events as { event: { id: string } }[]).map(({ event }) => event.id)
    }
    expect((await sync(running.httpUrl, { filter: ofMail })).status).toBe(401)
    const between = { kinds: [1059], authors: [carol.pubkey], '#p': [bob.pubkey] }
    expect((await sync(running.httpUrl, { filter: between }, alice)).status).toBe(403)
    expect(await ids(ofMail, alice)).not.toContain(mail.id)
    expect(await ids(ofMail, bob)).toContain(mail.id)
    const wide = { '#p': [bob.pubkey], gone: true }
    const stranger = await sync(running.httpUrl, { filter: wide })
    expect(JSON.stringify(stranger.body)).not.toContain(mail.id)
    expect(stranger.body.withheld).toBe(true)
    expect((await sync(running.httpUrl, { filter: wide }, bob)).body.withheld).toBe(true)
    expect(await ids(wide, bob)).toContain(mail.id)
    // Nor its removal.
    const removal = bob.sign({ kind: 5, created_at: nowSeconds(), tags: [['e', mail.id]] })
    expect((await post(running.httpUrl, removal)).body.accepted).toBe(true)
    expect((await sync(running.httpUrl, { filter: wide })).body.gone).toEqual([])
    expect((await sync(running.httpUrl, { filter: wide }, bob)).body.gone).toMatchObject([{ id: mail.id }])
  })

  test('wakes nobody else', async () => {
    const time = stoppedWaits()
    const { httpUrl, relay } = await other({ timers: time })
    const mine = sync(httpUrl, { filter: { kinds: [1059] }, wait: 50 }, bob)
    const theirs = sync(httpUrl, { filter: { kinds: [1059] }, wait: 50 }, alice)
    await expect.poll(() => relay.load.subscriptions).toBe(2)
    const mail = person('another throwaway').sign({ kind: 1059, created_at: nowSeconds(), tags: [['p', bob.pubkey]] })
    await post(httpUrl, mail)
    expect((await mine).body.events).toMatchObject([{ event: { id: mail.id } }])
    expect(relay.load.subscriptions).toBe(1)
    time.over()
    expect((await theirs).body).toMatchObject({ events: [], complete: 'finish', seq: relay.head.last })
  })
})

describe('waiting', () => {
  test('ends with the first match, whatever else arrives', async () => {
    const { httpUrl, relay } = await other({})
    const answer = sync(httpUrl, { filter: { '#t': ['wanted'] }, wait: 50 })
    await expect.poll(() => relay.load.subscriptions).toBe(1)
    for (const event of notes(bob, 3)) await post(httpUrl, event)
    expect(relay.load.subscriptions).toBe(1)
    const wanted = note('here', [['t', 'wanted']])
    await post(httpUrl, wanted)
    const { body } = await answer
    expect(body).toMatchObject({ events: [{ seq: 4, event: { id: wanted.id } }], complete: 'finish', seq: 4 })
    expect(relay.load.subscriptions).toBe(0)
  })

  test('ends with a removal, when removals are asked for', async () => {
    const { httpUrl, relay } = await other({})
    const event = note('soon gone')
    await post(httpUrl, event)
    const { epoch } = relay.head
    const answer = sync(httpUrl, { filter: { kinds: [1], gone: true }, since_seq: 1, epoch, wait: 50 })
    await expect.poll(() => relay.load.subscriptions).toBe(1)
    await post(httpUrl, alice.sign({ kind: 5, created_at: nowSeconds(), tags: [['e', event.id]] }))
    expect((await answer).body).toMatchObject({ events: [], gone: [{ seq: 3, id: event.id, cause: 'deleted' }] })
  })

  test('is over in time, and the cursor has moved', async () => {
    const time = stoppedWaits()
    const { httpUrl, relay } = await other({ timers: time })
    const answer = sync(httpUrl, { filter: { '#t': ['never'] }, wait: 50 })
    await expect.poll(() => relay.load.subscriptions).toBe(1)
    for (const event of notes(bob, 2)) await post(httpUrl, event)
    time.over()
    expect((await answer).body).toMatchObject({ events: [], complete: 'finish', seq: 2, epoch: relay.head.epoch })
    expect(relay.load.subscriptions).toBe(0)
  })

  test('does not begin when there is something to tell', async () => {
    const { httpUrl } = await other({})
    await post(httpUrl, note('there already'))
    expect((await sync(httpUrl, { wait: 50 })).body.events).toHaveLength(1)
  })

  test('ends when the client leaves', async () => {
    const { httpUrl, relay } = await other({})
    const leave = new AbortController()
    const answer = sync(httpUrl, { wait: 50 }, undefined, leave.signal).catch(() => 'left')
    await expect.poll(() => relay.load.subscriptions).toBe(1)
    leave.abort()
    expect(await answer).toBe('left')
    await expect.poll(() => relay.load.subscriptions).toBe(0)
  })

  test('ends when the relay stops, with an answer', async () => {
    await using stopped = await startRelay()
    const { relay, httpUrl } = stopped
    const waiting = [sync(httpUrl, { wait: 50 }), sync(httpUrl, { wait: 50 })]
    await expect.poll(() => relay.load.subscriptions).toBe(2)
    const closed = relay.close()
    for (const answer of await Promise.all(waiting))
      expect(answer).toMatchObject({ status: 200, body: { events: [], complete: 'finish' } })
    await closed
  })

  test('the log stays open until the last answer is made', async () => {
    const store = createMemoryStore()
    const order: string[] = []
    const { readLog, close } = store
    store.readLog = async request => {
      await delay(50)
      order.push('read')
      return readLog(request)
    }
    store.close = () => {
      order.push('closed')
      return close()
    }
    const { httpUrl, relay } = await other({ store })
    const answer = sync(httpUrl, { wait: 50 })
    await expect.poll(() => relay.load.subscriptions).toBe(1)
    await relay.close()
    expect((await answer).status).toBe(200)
    expect(order.at(-1)).toBe('closed')
  })

  test('has places for so many per key and in all', async () => {
    const { httpUrl, relay } = await other({ limits: { syncWaits: 2, syncWaitsPerClient: 1 } })
    const leave = new AbortController()
    const wait = (as?: typeof alice) => sync(httpUrl, { wait: 50 }, as, leave.signal).catch(() => 'left')
    const refused = async (as: typeof alice) => {
      const { status, body } = await sync(httpUrl, { wait: 1 }, as)
      expect([status, body.message]).toEqual([429, expect.stringMatching(/^rate-limited: /)])
    }
    const waiting = [wait(alice)]
    await expect.poll(() => relay.load.subscriptions).toBe(1)
    await refused(alice)
    waiting.push(wait(bob))
    await expect.poll(() => relay.load.subscriptions).toBe(2)
    await refused(carol)
    // Asking without waiting is another matter.
    expect((await sync(httpUrl, {}, carol)).status).toBe(200)
    leave.abort()
    await Promise.all(waiting)
    await expect.poll(async () => (await sync(httpUrl, { wait: 1 }, alice)).status).toBe(200)
  })
})
