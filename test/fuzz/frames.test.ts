import { readdirSync, readFileSync } from 'node:fs'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { defaultLimits, eventId, type NostrEvent } from 'posthorn/protocol'
import { createRelay, type Relay } from 'posthorn/relay'
import { expect, test } from 'vitest'
import type { Socket } from '#dist/platform/socket.js'
import { nowSeconds, person } from '../helpers/events.ts'
import { testSeed } from '../helpers/seed.ts'
import { type Dice, dice } from '../relay/dice.ts'
import { answerKeyOf, type Expected, expectedAnswer } from './answers.ts'
import { keepFigures } from './figures.ts'
import { mutateText, mutateValue } from './mutate.ts'

/** Frames; more in long runs. */
const FRAMES = Number(process.env['ROUNDS'] ?? 20_000)
/** Frames of one connection. */
const CONNECTION = 2_000
/** Frames between two looks at whether the relay still does its work. */
const PROBE = 5_000
const PATIENCE_MS = 10_000
const MB = 2 ** 20
/** What memory may grow by between the first tenth and the end. */
const HEAP_GROWTH = 32 * MB
const RSS_GROWTH = 256 * MB

const RELAY_URL = 'ws://relay.example'
const EPOCH = '0123456789abcdef'
const CORPUS = new URL('../corpus/frames/', import.meta.url)
const OFF = Number.MAX_SAFE_INTEGER
/** Off, all that would end a connection; small, all that would make answers long. */
const LIMITS = { malformedFrames: OFF, invalidSignatures: OFF, refusedAuths: OFF, unverified: OFF, page: 8 }

/** What is sent how often. What costs a signature check is rare. */
const MIX = Object.entries({
  event: 16,
  fresh: 10,
  req: 16,
  log: 10,
  count: 10,
  close: 6,
  auth: 1,
  will: 1,
  open: 8,
  msg: 8,
}).flatMap(([name, times]) => Array.from({ length: times }, () => name))

const alice = person('alice')
const bob = person('bob')

/** Whole, valid frames of every type; most ids are the same few, so that they meet what is open and what is stored. */
class Frames {
  readonly #random: Dice
  readonly #events: NostrEvent[]
  readonly #corpus = readdirSync(CORPUS).map(name => readFileSync(new URL(name, CORPUS), 'utf8'))
  readonly #will: NostrEvent
  #made = 0
  /** Set by whoever opens a connection. */
  auth = ''

  constructor(random: Dice) {
    this.#random = random
    const now = nowSeconds()
    const tags = [['t', 'x'], ['d', 'a'], ['p', bob.pubkey], ['expiration', String(now + 9_999)], ['t']]
    const kinds = [1, 1, 4, 5, 0, 1059, 10_001, 30_001, 34_706, 62]
    this.#events = kinds.map((kind, n) =>
      alice.sign({ kind, created_at: now - n, content: `${n} "\\\u0001é`, tags: tags.slice(0, n % 6) }),
    )
    this.#will = alice.sign({
      kind: 34_706,
      created_at: now,
      tags: [
        ['d', 's'],
        ['relay', RELAY_URL],
      ],
    })
  }

  next(): string {
    const text = this.#any()
    // Longer ones end the connection; test/relay/limits.test.ts looks at that.
    return Buffer.byteLength(text) > defaultLimits.frameBytes ? this.#valid() : text
  }

  #any(): string {
    const random = this.#random
    const valid = this.#valid()
    if (random.chance(0.45)) return mutateValue(random, valid)
    if (random.chance(0.6)) return mutateText(random, valid, this.#valid())
    if (random.chance(0.05)) {
      const kept = random.of(this.#corpus)
      return random.chance(0.5) ? kept : mutateText(random, kept, valid)
    }
    return valid
  }

  #valid(): string {
    const random = this.#random
    const sub = `s${random.below(24)}`
    switch (random.of(MIX)) {
      case 'event':
        return JSON.stringify(['EVENT', random.of(this.#events)])
      case 'fresh':
        return JSON.stringify(['EVENT', this.#fresh()])
      case 'req':
        return JSON.stringify(['REQ', sub, ...Array.from({ length: 1 + random.below(3) }, () => this.#filter())])
      case 'log':
        return JSON.stringify(['REQ', sub, { ...this.#filter(), since_seq: random.below(9), epoch: EPOCH, gone: true }])
      case 'count':
        return JSON.stringify(['COUNT', sub, this.#filter()])
      case 'close':
        return JSON.stringify([random.of(['CLOSE', 'NEG-CLOSE']), sub])
      case 'auth':
        return this.auth
      case 'will':
        return JSON.stringify(['WILL', random.chance(0.1) ? null : this.#will])
      case 'open':
        return JSON.stringify(['NEG-OPEN', sub, this.#filter(), '6100000200'])
      default:
        return JSON.stringify(['NEG-MSG', sub, random.of(['6100000200', '62', `61000001${'00'.repeat(16)}`])])
    }
  }

  /** Seldom signed, which costs; else with an id that holds and a signature that does not, or with neither. */
  #fresh(): NostrEvent {
    const random = this.#random
    this.#made += 1
    const event = { ...random.of(this.#events), kind: 10_002, content: `${this.#made}` }
    if (random.chance(0.004)) return alice.sign(random.chance(0.5) ? event : { ...event, kind: 20_001 })
    return random.chance(0.03) ? { ...event, id: eventId(event.pubkey, event) } : event
  }

  #filter(): Record<string, unknown> {
    const random = this.#random
    const event = random.of(this.#events)
    const fields = [
      { ids: [event.id] },
      { authors: [alice.pubkey, bob.pubkey] },
      { kinds: [event.kind, 1] },
      { '#t': ['x', ''] },
      { '#p': [bob.pubkey] },
      { since: event.created_at },
      { until: event.created_at },
      { limit: random.below(12) },
      { search: random.of(['x', 'é "', '']) },
      {},
    ]
    return Object.assign({}, random.of(fields), random.of(fields)) as Record<string, unknown>
  }
}

/** One client in this process, which knows what it is still owed. */
class Client {
  readonly #owed = new Map<string, string>()
  readonly #feed: (text: string) => void
  readonly #hangUp: () => void
  #notices = 0
  #paid = () => {}
  challenge = ''
  answers = 0
  closed: string | undefined

  constructor(relay: Relay) {
    const socket: Socket = {
      send: text => this.#hear(text),
      close: (code, reason) => {
        this.closed = `${code} ${reason}`
      },
      terminate() {},
      unsentBytes: 0,
    }
    const events = relay.accept(socket)
    this.#feed = text => events.onText(text)
    this.#hangUp = () => events.onClose(1000, '')
  }

  /** Two frames that await the same answer are not under way together: the later would take the earlier one's place. */
  async send(text: string): Promise<void> {
    const expected: Expected = expectedAnswer(text, defaultLimits)
    if (expected.about !== undefined && this.#owed.has(expected.about)) await this.settle()
    const before = this.#notices
    if (expected.answered && expected.about !== undefined) this.#owed.set(expected.about, text)
    this.#feed(text)
    if (this.closed !== undefined) throw new Error(`closed with ${this.closed} after ${text.slice(0, 2_000)}`)
    const notices = expected.answered && expected.about === undefined ? 1 : 0
    if (this.#notices - before !== notices)
      throw new Error(`${this.#notices - before} NOTICE instead of ${notices} after ${text.slice(0, 2_000)}`)
    if (this.#owed.size >= 200) await this.settle()
  }

  /** Waits for every answer that is owed. */
  async settle(): Promise<void> {
    if (this.#owed.size === 0) return
    await new Promise<void>((resolve, reject) => {
      const tooLong = () => reject(new Error(`no answer to ${[...this.#owed.values()].join('\n').slice(0, 4_000)}`))
      const timer = setTimeout(tooLong, PATIENCE_MS)
      this.#paid = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  async close(): Promise<void> {
    await this.settle()
    this.#hangUp()
  }

  #hear(text: string): void {
    const frame: unknown[] = JSON.parse(text)
    this.answers += 1
    if (frame[0] === 'NOTICE') this.#notices += 1
    if (frame[0] === 'AUTH') this.challenge = String(frame[1])
    const key = answerKeyOf(frame)
    if (key !== undefined && this.#owed.delete(key) && this.#owed.size === 0) this.#paid()
  }
}

const loginFrame = (challenge: string): string => {
  const tags = [
    ['relay', RELAY_URL],
    ['challenge', challenge],
  ]
  return JSON.stringify(['AUTH', alice.sign({ kind: 22_242, created_at: nowSeconds(), tags })])
}

setFlagsFromString('--expose-gc')
const collect: () => void = runInNewContext('gc')
const memory = () => {
  collect()
  return process.memoryUsage()
}

/** A stranger publishes the one note that is always there, and asks for it. */
async function probe(relay: Relay, note: NostrEvent): Promise<void> {
  const heard: unknown[][] = []
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('the relay answers no more')), PATIENCE_MS)
    const events = relay.accept({
      send(text) {
        heard.push(JSON.parse(text))
        const type = heard.at(-1)?.[0]
        if (type === 'OK') events.onText(JSON.stringify(['REQ', 'probe', { ids: [note.id] }]))
        if (type !== 'EOSE') return
        clearTimeout(timer)
        queueMicrotask(() => events.onClose(1000, ''))
        resolve()
      },
      close() {},
      terminate() {},
      unsentBytes: 0,
    })
    events.onText(JSON.stringify(['EVENT', note]))
  })
  expect(heard.map(frame => frame[0])).toEqual(['AUTH', 'OK', 'EVENT', 'EOSE'])
  expect(heard[2]).toEqual(['EVENT', 'probe', { ...note }])
}

const seed = testSeed('frames fuzz')

test(`${FRAMES} frames: each is answered to whom it may concern, and the relay goes on`, {
  timeout: 60_000 + FRAMES * 2,
}, async () => {
  const random = dice(seed)
  const errors: unknown[] = []
  const relay = await createRelay({
    limits: LIMITS,
    publicUrls: [RELAY_URL],
    onError: (where, error) => errors.push(`${where}: ${error}`),
  })
  const note = bob.sign({ created_at: nowSeconds(), content: 'still there' })
  const frames = new Frames(random)
  const started = performance.now()
  let answers = 0
  let early = memory()
  for (let sent = 0; sent < FRAMES; ) {
    const client = new Client(relay)
    frames.auth = loginFrame(client.challenge)
    for (let n = 0; n < CONNECTION && sent < FRAMES; n += 1) {
      await client.send(frames.next())
      sent += 1
      if (sent % PROBE === 0) await probe(relay, note)
      if (sent === Math.ceil(FRAMES / 10)) early = memory()
    }
    await client.close()
    answers += client.answers
    expect(errors).toEqual([])
  }
  const late = memory()
  const seconds = (performance.now() - started) / 1_000
  await relay.close()
  expect(errors).toEqual([])
  const figures = {
    frames: FRAMES,
    answers,
    perSecond: Math.round(FRAMES / seconds),
    heapMb: Math.round(late.heapUsed / MB),
    heapGrowthMb: Math.round((late.heapUsed - early.heapUsed) / MB),
    rssMb: Math.round(late.rss / MB),
    rssGrowthMb: Math.round((late.rss - early.rss) / MB),
  }
  console.log(`frames fuzz: ${JSON.stringify(figures)}`)
  keepFigures({ test: 'frames', ...figures })
  expect(late.heapUsed - early.heapUsed).toBeLessThan(HEAP_GROWTH)
  expect(late.rss - early.rss).toBeLessThan(RSS_GROWTH)
  expect(answers).toBeGreaterThan(FRAMES / 2)
})
