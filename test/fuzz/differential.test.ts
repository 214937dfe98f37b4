import type { FilterJson, NostrEvent } from 'posthorn/protocol'
import { expect, test } from 'vitest'
import { bytesToHex, hexToBytes } from '#dist/protocol/hex.js'
import { decodeMessage } from '#dist/protocol/negentropy/index.js'
import { nowSeconds, type Person } from '../helpers/events.ts'
import { handClock } from '../helpers/hand-clock.ts'
import { testSeed } from '../helpers/seed.ts'
import { tempDir } from '../helpers/temp-dir.ts'
import { type Dice, dice } from '../relay/dice.ts'
import { Fold } from '../relay/fold.ts'
import { ask, authorize, syncUrl } from '../relay/http-client.ts'
import { naiveAddress } from '../relay/naive-log.ts'
import { startRelay } from '../relay/relay-on-test.ts'
import { type Frame, hintsOf, idsOf, isFor, READS_HINTS, type Wire } from '../relay/wire.ts'
import { A, B, randomEvents, randomGroup } from './events.ts'
import { keepFigures } from './figures.ts'
import { type Asker, asksPrivateOnly, fitting, isEphemeral, isExpired, matchesAny, mayRead, Oracle } from './oracle.ts'

/** Games; more in long runs. */
const ROUNDS = Number(process.env['ROUNDS'] ?? 2)
const EVENTS = 150
/** Small, so that the relay's own cap is met. */
const PAGE = 25
/** One range, to the end of everything, of which the asker has nothing. */
const NOTHING_HAD = '6100000200'
const SUBSCRIPTIONS = 5

interface Live {
  readonly sub: string
  readonly filters: FilterJson[]
  readonly mode: 'plain' | 'log'
  readonly gone: boolean
  /** What somebody keeps who is told everything. */
  readonly fold: Fold | undefined
}

interface Reader {
  readonly people: readonly Person[]
  readonly keys: readonly string[]
  readonly wire: Wire
  live: Live[]
}

const tallies = new Map<string, number>()
const tally = (what: string) => tallies.set(what, (tallies.get(what) ?? 0) + 1)

async function login(wire: Wire, url: string, people: readonly Person[]): Promise<void> {
  for (const who of people) {
    const tags = [
      ['relay', url],
      ['challenge', wire.challenge],
    ]
    const event = who.sign({ kind: 22_242, created_at: nowSeconds(), tags })
    wire.send('AUTH', event)
    expect(await wire.find(isFor('OK', event.id))).toEqual(['OK', event.id, true, ''])
  }
}

class Game {
  readonly random: Dice
  readonly clock = handClock()
  readonly oracle = new Oracle()
  readonly readers: Reader[] = []
  readonly published: NostrEvent[] = []
  readonly events: NostrEvent[]
  #subs = 0

  constructor(seed: number) {
    this.random = dice(seed)
    this.events = randomEvents(this.random, this.now, EVENTS)
  }

  get now(): number {
    return Math.floor(this.clock.now() / 1000)
  }

  async play(data: string | undefined): Promise<void> {
    const { random, clock, events } = this
    const limits = { page: PAGE, subscriptions: 1_000 }
    const { url, connect } = await startRelay({ clock, limits, ...(data === undefined ? {} : { data }) })
    const publisher = await connect()
    await login(publisher, url, [A, B])
    for (const people of [[], [A], [B], [A, B]]) {
      const wire = await connect(READS_HINTS)
      await login(wire, url, people)
      this.readers.push({ people, keys: people.map(({ pubkey }) => pubkey), wire, live: [] })
    }
    while (events.length > 0) {
      for (const reader of this.readers) if (random.chance(0.5)) await this.#subscribe(reader)
      await this.#publish(publisher, events.splice(0, random.chance(0.6) ? 1 : 1 + random.below(9)))
      if (random.chance(0.3)) clock.advance(1_000)
      const reader = random.of(this.readers)
      await this.#stored(reader)
      await this.#count(reader)
      await this.#pages(reader)
      await this.#negentropy(reader)
      if (random.chance(0.3)) await this.#http(reader, url.replace(/^ws/, 'http'))
      if (random.chance(0.1)) this.#close(random.of(this.readers))
    }
  }

  #filters(order: 'time' | 'log'): FilterJson[] {
    return randomGroup(this.random, this.now, [...this.published, ...this.events.slice(0, 5)], order)
  }

  #sub(): string {
    this.#subs += 1
    return this.random.of(['s', '"', '\\', 'é\0']) + this.#subs
  }

  #asker(keys: readonly string[]): Asker {
    return { keys, now: this.now }
  }

  /** A refusal is right if nothing else was asked for and there is nothing to see; a stranger is always refused then. */
  #isRefused(refusal: string | undefined, filters: readonly FilterJson[], keys: readonly string[]): boolean {
    const about = JSON.stringify(filters)
    if (refusal === undefined) {
      expect(asksPrivateOnly(filters) && keys.length === 0, about).toBe(false)
      return false
    }
    tally('refused')
    expect(refusal.split(':')[0], `${refusal} for ${about}`).toBe(keys.length === 0 ? 'auth-required' : 'restricted')
    expect(asksPrivateOnly(filters), about).toBe(true)
    // Who asks for the mail between others is refused, whomever some of it may name besides.
    const own = filters.filter(filter => !isBetweenOthers(filter, keys))
    expect(this.oracle.seen(own, this.#asker(keys)), about).toEqual([])
    return true
  }

  /** Whoever is denied something that is there has been told that he might be. */
  #checkWithheld(withheld: boolean, filters: readonly FilterJson[], keys: readonly string[]): void {
    const denied = this.oracle.present.some(({ event }) => matchesAny(filters, event) && !mayRead(event, keys))
    if (denied) expect(withheld, JSON.stringify(filters)).toBe(true)
  }

  /** NIP-01's class rules and the gate, in plain words, for a publisher logged in as A and B. */
  #outcome(event: NostrEvent): unknown {
    const expirations = event.tags.filter(([name]) => name === 'expiration')
    // One that cannot be read would keep the event for ever.
    if (expirations.some(tag => tag[1] !== undefined) && !/^[0-9]{1,15}$/.test(expirations[0]?.[1] ?? '')) return false
    const isProtected = event.tags.some(tag => tag[0] === '-')
    if (isProtected && ![A.pubkey, B.pubkey].includes(event.pubkey)) return false
    if (isEphemeral(event)) {
      const heard = this.readers.some(reader => reader.live.some(live => this.#hears(reader, live, event)))
      return heard || event.kind === 21_059
    }
    if (isExpired(event, this.now)) return false
    const outcome = this.oracle.append(event)
    if (outcome.status === 'refused') return false
    return outcome.status === 'stored' ? `seq: ${outcome.seq}` : `duplicate: seq ${outcome.seq}`
  }

  #hears({ keys }: Reader, { mode, filters }: Live, event: NostrEvent): boolean {
    return mode === 'plain' && matchesAny(filters, event) && mayRead(event, keys)
  }

  async #publish(publisher: Wire, burst: NostrEvent[]): Promise<void> {
    const { random, oracle } = this
    // Alone, so that it does not race with what removes it.
    if (burst.length === 1 && this.published.length > 0 && random.chance(0.2)) burst[0] = random.of(this.published)
    const before = oracle.entries.length
    const expected = burst.map(event => [event.id, this.#outcome(event)])
    for (const event of burst) publisher.send('EVENT', event)
    const oks = new Map<unknown, unknown>()
    while (oks.size < burst.length) {
      const [, id, accepted, message] = await publisher.find(isFor('OK'))
      oks.set(id, accepted === true && message !== '' ? message : accepted)
    }
    expect(burst.map(({ id }) => [id, oks.get(id)])).toEqual(expected)
    this.published.push(...burst)
    for (const reader of this.readers) await this.#heard(reader, burst, expected, before)
  }

  /** Everything that the live subscriptions of a reader were sent of a burst, and nothing else. */
  async #heard(reader: Reader, burst: NostrEvent[], outcomes: unknown[][], before: number): Promise<void> {
    const { wire, keys, live } = reader
    const fence = this.#sub()
    const frames = await wire.request(fence, { limit: 0 })
    wire.send('CLOSE', fence)
    const fresh = this.oracle.entries.slice(before)
    const stored = new Set(fresh.flatMap(({ op, event }) => (op === 'stored' ? [event.id] : [])))
    const removed = new Set(fresh.flatMap(({ op, event }) => (op === 'stored' ? [] : [event.id])))
    const alone = burst.length === 1
    const sees = ({ filters }: Live, event: NostrEvent) => matchesAny(filters, event) && mayRead(event, keys)
    const wants = (one: Live, event: NostrEvent) => sees(one, event) && !isExpired(event, this.now)
    const subs = new Set(live.map(({ sub }) => sub))
    for (const [type, sub] of frames.slice(0, -1)) expect([type, subs.has(String(sub))]).toEqual([type, true])
    for (const one of live) {
      const told = frames.filter(frame => frame[1] === one.sub && frame[0] !== 'SEQ')
      const about = JSON.stringify([one.mode, one.gone, one.filters])
      const isBrief = (frame: Frame) => frame[0] === 'EVENT' && isEphemeral(frame[2] as NostrEvent)
      const passing = burst.filter((event, n) => isEphemeral(event) && outcomes[n]?.[1] === true)
      const brief = passing.filter(event => this.#hears(reader, one, event))
      expect(idsOf(told.filter(isBrief)), about).toEqual(brief.map(({ id }) => id))
      const lasting = told.filter(frame => !isBrief(frame))
      const successors = new Set(
        fresh.flatMap(({ op, event }) => (op === 'stored' && wants(one, event) ? [naiveAddress(event)] : [])),
      )
      // Events of one burst may share a commit: what comes and goes in it may be told or not.
      const allowed = fresh.flatMap(({ op, seq, event }) => {
        const text = one.mode === 'log' ? `${seq} ${op} ${event.id}` : event.id
        if (op === 'stored') return wants(one, event) ? [{ text, optional: !alone && removed.has(event.id) }] : []
        if (one.mode === 'plain' || !one.gone || !sees(one, event)) return []
        const follows = op === 'replaced' && successors.has(naiveAddress(event))
        if (alone && follows) return []
        return [{ text, optional: stored.has(event.id) || follows }]
      })
      const got = lasting.map(frame => (one.mode === 'log' ? rowOf(frame) : (frame[2] as NostrEvent).id))
      expect(got, about).toEqual(fitting(allowed, got))
      if (got.length > 0) tally(`live ${one.mode}`)
      if (one.fold === undefined) continue
      for (const frame of lasting) feed(one.fold, frame)
      expect(this.#unexpired(one.fold), about).toEqual(this.#ids(one.filters, keys))
    }
  }

  #ids(filters: readonly FilterJson[], keys: readonly string[]): string[] {
    return this.oracle
      .seen(filters, this.#asker(keys))
      .map(({ id }) => id)
      .sort()
  }

  #unexpired({ kept }: Fold): string[] {
    return [...kept.values()].flatMap(event => (isExpired(event, this.now) ? [] : [event.id])).sort()
  }

  #close(reader: Reader): void {
    for (const { sub } of reader.live.splice(0, 2)) reader.wire.send('CLOSE', sub)
  }

  async #subscribe(reader: Reader): Promise<void> {
    if (reader.live.length >= SUBSCRIPTIONS) return
    await (this.random.chance(0.5) ? this.#pages(reader, true) : this.#stored(reader, true))
  }

  /** A plain REQ, left open if the caller keeps it. */
  async #stored(reader: Reader, keep = false): Promise<void> {
    const { wire, keys } = reader
    const [sub, filters] = [this.#sub(), this.#filters('time')]
    const frames = await request(wire, sub, filters)
    const end = frames.at(-1)
    if (this.#isRefused(end?.[0] === 'CLOSED' ? String(end[2]) : undefined, filters, keys)) return
    tally('stored')
    const { ids, complete } = this.oracle.query(filters, PAGE, this.#asker(keys))
    const about = JSON.stringify({ filters, keys })
    expect(idsOf(frames), about).toEqual(ids)
    this.#checkUntouched(frames.slice(0, -1).map(frame => frame[2]))
    const hints = hintsOf(end)
    expect([hints['seq'], 'finish' in hints, 'more' in hints], about).toEqual([
      String(this.oracle.last),
      complete === 'finish',
      complete === 'more',
    ])
    this.#checkWithheld('withheld' in hints, filters, keys)
    if (keep) reader.live.push({ sub, filters, mode: 'plain', gone: false, fold: undefined })
    else wire.send('CLOSE', sub)
  }

  /** Every field as it was published. */
  #checkUntouched(events: readonly unknown[]): void {
    for (const event of events)
      expect(event).toEqual(this.published.find(({ id }) => id === (event as NostrEvent | undefined)?.id))
  }

  async #count({ wire, keys }: Reader): Promise<void> {
    const filters = this.#filters('time')
    const [type, , answer] = await wire.count(...filters)
    if (this.#isRefused(type === 'CLOSED' ? String(answer) : undefined, filters, keys)) return
    tally('count')
    const expected = this.oracle.seen(filters, this.#asker(keys)).length
    expect((answer as { count: number }).count, JSON.stringify({ filters, keys })).toBe(expected)
  }

  /** Reads the log page by page, each of its own size. */
  async #pages(reader: Reader, keep = false): Promise<void> {
    const { random, oracle } = this
    const { wire, keys } = reader
    const [filters, gone] = [this.#filters('log'), random.chance(0.7)]
    let since = keep ? 0 : random.below(oracle.last + 1)
    const fold = keep && gone ? new Fold() : undefined
    for (let epoch: string | undefined; ; ) {
      const sub = this.#sub()
      const limit = random.of([1, 2, 5, 10, 100, undefined])
      epoch ??= since === 0 ? undefined : await this.#epoch(wire)
      const fields = { since_seq: since, gone, ...(epoch && since > 0 ? { epoch } : {}), ...(limit ? { limit } : {}) }
      const asked = filters.map(filter => ({ ...filter, ...fields }))
      const frames = await request(wire, sub, asked)
      const end = frames.at(-1)
      if (this.#isRefused(end?.[0] === 'CLOSED' ? String(end[2]) : undefined, filters, keys)) return
      const hints = hintsOf(end)
      epoch = String(hints['epoch'])
      expect(frames[0]).toEqual(['SEQ', sub, since, epoch])
      const rows = frames.slice(1, -1)
      const upTo = Number(hints['seq'])
      this.#checkPage(filters, keys, rows.map(rowOf), { since, upTo, gone, limit, finish: 'finish' in hints })
      this.#checkUntouched(rows.filter(isFor('EVENT')).map(frame => frame[2]))
      this.#checkWithheld('withheld' in hints, filters, keys)
      if (fold) for (const frame of rows) feed(fold, frame)
      since = upTo
      if (!('finish' in hints)) continue
      if (fold) expect(this.#unexpired(fold)).toEqual(this.#ids(filters, keys))
      if (keep) reader.live.push({ sub, filters, mode: 'log', gone, fold })
      else wire.send('CLOSE', sub)
      return
    }
  }

  async #epoch(wire: Wire): Promise<string> {
    const sub = this.#sub()
    const end = (await wire.request(sub, { limit: 0 })).at(-1)
    wire.send('CLOSE', sub)
    return String(hintsOf(end)['epoch'])
  }

  #checkPage(
    filters: readonly FilterJson[],
    keys: readonly string[],
    got: readonly string[],
    page: { since: number; upTo: number; gone: boolean; limit: number | undefined; finish: boolean },
  ): void {
    tally('page')
    const about = JSON.stringify({ filters, keys, ...page })
    expect(got, about).toEqual(fitting(this.oracle.page(filters, this.#asker(keys), page), got))
    expect(got.length, about).toBeLessThanOrEqual(Math.min(page.limit ?? PAGE, PAGE))
    if (page.finish) expect(page.upTo, about).toBe(this.oracle.last)
    else expect(page.upTo, about).toBeGreaterThan(page.since)
  }

  async #negentropy({ wire, keys }: Reader): Promise<void> {
    const [sub, [filter = {}]] = [this.#sub(), this.#filters('time')]
    wire.send('NEG-OPEN', sub, filter, NOTHING_HAD)
    const [type, , answer] = await wire.find(frame => String(frame[0]).startsWith('NEG-') && frame[1] === sub)
    if (this.#isRefused(type === 'NEG-ERR' ? String(answer) : undefined, [filter], keys)) return
    tally('negentropy')
    wire.send('NEG-CLOSE', sub)
    const ranges = decodeMessage(hexToBytes(String(answer)))
    if (!ranges.ok) throw new Error(`answered ${answer}`)
    const listed = ranges.value.map(range => (range.mode === 'ids' ? bytesToHex(range.ids) : range.mode)).join('')
    // A limit is kept whatever the relay's page is; without one there is none.
    const { ids } = this.oracle.query([filter], Number.POSITIVE_INFINITY, this.#asker(keys))
    expect((listed.match(/.{64}/g) ?? []).sort(), JSON.stringify({ filter, keys })).toEqual(ids.sort())
  }

  /** One page over HTTP, signed for by one key at most. */
  async #http({ people }: Reader, url: string): Promise<void> {
    const { random, oracle } = this
    const who = people[0]
    const keys = who === undefined ? [] : [who.pubkey]
    const [filters, gone] = [this.#filters('log'), random.chance(0.7)]
    const limit = random.of([1, 5, 20, undefined])
    const [since, reader] = [random.below(oracle.last + 1), random.of(this.readers)]
    const position = since === 0 ? {} : { since_seq: since, epoch: await this.#epoch(reader.wire) }
    const filter = filters.map(one => ({ ...one, gone, ...(limit ? { limit } : {}) }))
    const target = syncUrl(url, { ...position, filter })
    const change = { created_at: this.now }
    const { status, body } = await ask(target, who === undefined ? {} : { headers: authorize(who, target, { change }) })
    if (this.#isRefused(status === 200 ? undefined : String(body.message), filters, keys)) return
    tally('http')
    const events: { seq: number; event: NostrEvent }[] = body.events
    const removals: { seq: number; id: string; cause: string }[] = body.gone ?? []
    const rows = [
      ...events.map(({ seq, event }) => ({ seq, text: `${seq} stored ${event.id}` })),
      ...removals.map(({ seq, id, cause }) => ({ seq, text: `${seq} ${cause} ${id}` })),
    ]
    const got = rows.sort((a, b) => a.seq - b.seq).map(({ text }) => text)
    this.#checkPage(filters, keys, got, { since, upTo: body.seq, gone, limit, finish: body.complete === 'finish' })
    this.#checkUntouched(events.map(({ event }) => event))
    this.#checkWithheld(body.withheld, filters, keys)
  }
}

const isBetweenOthers = ({ authors, '#p': recipients }: FilterJson, keys: readonly string[]): boolean =>
  authors !== undefined && recipients !== undefined && ![...authors, ...recipients].some(key => keys.includes(key))

/** What answers one REQ. Log-order subscriptions beside it may be told how far the log has moved. */
async function request(wire: Wire, sub: string, filters: readonly FilterJson[]): Promise<Frame[]> {
  const frames = await wire.request(sub, ...filters)
  return frames.filter(frame => frame[0] !== 'SEQ' || frame[1] === sub)
}

/** A row of the log as it travels, written `seq op id`. */
const rowOf = (frame: Frame): string =>
  frame[0] === 'EVENT'
    ? `${frame[3]} stored ${(frame[2] as NostrEvent).id}`
    : `${frame[2]} ${String(frame[4])} ${String(frame[3])}`

function feed(fold: Fold, frame: Frame): void {
  if (frame[0] === 'EVENT') fold.add(frame[2] as NostrEvent)
  else fold.remove(String(frame[3]))
}

const seed = testSeed('differential fuzz')

test(`stored, live, COUNT, log order, negentropy and HTTP agree with the plain reading, ${ROUNDS} games`, {
  timeout: 30_000 + ROUNDS * 15_000,
}, async () => {
  for (let round = 0; round < ROUNDS; round += 1) {
    const game = new Game(seed + round)
    await game.play(round % 2 === 0 ? tempDir() : undefined).catch((error: Error) => {
      error.message += `\nin game ${round} of SEED=${seed}`
      throw error
    })
  }
  const figures = Object.fromEntries([...tallies].sort())
  console.log(`differential fuzz: ${ROUNDS} games, ${JSON.stringify(figures)}`)
  keepFigures({ test: 'differential', games: ROUNDS, ...figures })
  // The games must have been worth playing.
  for (const path of ['stored', 'live plain', 'live log', 'count', 'page', 'negentropy', 'http', 'refused'])
    expect(tallies.get(path) ?? 0, path).toBeGreaterThan(ROUNDS)
})
