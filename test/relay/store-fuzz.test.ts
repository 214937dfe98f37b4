import { eventId, type FilterJson, type NostrEvent, type Tag } from 'posthorn/protocol'
import { createMemoryStore, openSqliteStore, type Store } from 'posthorn/relay'
import { expect, test } from 'vitest'
import { testSeed } from '../helpers/seed.ts'
import { tempDir } from '../helpers/temp-dir.ts'
import { type Dice, dice } from './dice.ts'
import { type NaiveEntry, NaiveLog, naiveAddress, naiveMatch, naiveOrder, naiveReadable } from './naive-log.ts'
import { ALICE, BOB, filter, hex64, logRequest, queryRequest } from './unsigned.ts'

/** Runs of the whole game; more in long runs. */
const ROUNDS = Number(process.env['ROUNDS'] ?? 3)
const STEPS = 50
const START = 1_000

const AUTHORS = [ALICE, BOB, hex64('carol')]
const KINDS = [1, 1, 4, 5, 5, 10_001, 30_001, 30_001, 30_002, 34_707]
const VALUES = [
  '',
  'a',
  'b',
  'A',
  'a\0',
  '\0',
  'a"b',
  '\\u0000',
  "'; DROP TABLE events",
  'é',
  'é',
  '\u{1f4ef}',
  '\n',
  '%',
  '_',
  'a:b',
]
const NAMES = ['d', 'd', 't', 'T', 'p', 'e', 'a', 'tt', 'expiration', '']

function randomEvent(random: Dice, now: number, known: readonly NostrEvent[]): NostrEvent {
  const kind = random.of(KINDS)
  const tags: Tag[] = []
  for (let n = random.below(4); n > 0; n -= 1) {
    const name = random.of(NAMES)
    if (name === 'expiration') tags.push([name, random.of([String(now + random.below(6) - 1), 'never', ''])])
    else if (name === 'e') tags.push([name, random.of(known)?.id ?? hex64('x'), random.of(VALUES)])
    else if (name === 'p') tags.push([name, random.of(AUTHORS)])
    else tags.push(random.chance(0.1) ? [name] : [name, random.of(VALUES), random.of(VALUES)])
  }
  const pubkey = random.of(AUTHORS)
  if (kind === 5)
    for (let n = random.below(3); n > 0; n -= 1) {
      const target = random.of(known)
      if (target === undefined) continue
      const address = naiveAddress(target)
      tags.push(address !== undefined && random.chance(0.6) ? ['a', address] : ['e', target.id])
    }
  const template = {
    created_at: START + random.below(12),
    kind,
    tags,
    // Never twice the same event.
    content: `${random.below(2 ** 31)} ${random.of(VALUES)}`,
  }
  return { id: eventId(pubkey, template), pubkey, ...template, sig: '0'.repeat(128) }
}

function randomFilter(random: Dice, known: readonly NostrEvent[], order: 'time' | 'log'): FilterJson {
  const json: FilterJson = {}
  const some = <T>(from: readonly T[], most = 3): T[] =>
    Array.from({ length: random.below(most + 1) || 1 }, () => random.of(from))
  if (order === 'time' && random.chance(0.15)) json.ids = [...some(known, 6).map(event => event.id), hex64('nobody')]
  if (random.chance(0.3)) json.authors = some(AUTHORS)
  if (random.chance(0.4)) json.kinds = some([...KINDS, 0])
  for (const name of ['d', 't', 'T', 'a'] as const) if (random.chance(0.15)) json[`#${name}`] = some(VALUES, 4)
  if (random.chance(0.1)) json['#p'] = some(AUTHORS)
  if (random.chance(0.1)) json['#e'] = some(known).map(event => event.id)
  if (random.chance(0.2)) json.since = START + random.below(13)
  if (random.chance(0.2)) json.until = START + random.below(13)
  if (order === 'time' && random.chance(0.4)) json.limit = 1 + random.below(8)
  if (random.chance(0.03)) json.kinds = []
  return json
}

/** NIP-01 order, limits, and NIP-67's whole second where the cap is the relay's own. */
function naiveQuery(
  log: NaiveLog,
  filters: readonly FilterJson[],
  cap: number,
  now: number,
): { ids: string[]; complete: boolean } {
  const union = new Map<string, NostrEvent>()
  let complete = true
  for (const json of filters) {
    const all = log.matching([json], now).toSorted(naiveOrder)
    const cut = all.slice(0, json.limit ?? cap)
    const boundary = json.limit === undefined ? cut.at(-1)?.created_at : undefined
    const taken = all.filter((event, n) => n < cut.length || (cut.length === cap && event.created_at === boundary))
    if (taken.length < all.length) complete = false
    for (const event of taken) union.set(event.id, event)
  }
  return { ids: [...union.values()].toSorted(naiveOrder).map(event => event.id), complete }
}

/** Rows after a seq, and what a batch of `limit` tells of them. */
function naiveBatch(
  log: NaiveLog,
  filters: readonly FilterJson[],
  after: number,
  limit: number,
  gone: boolean,
  now: number,
) {
  // By seq: what was replaced and let go of may be sent once more.
  const present = new Set(log.present.map(row => row.seq))
  const fits = (entry: NaiveEntry) => filters.some(json => naiveMatch(json, entry.event))
  const rows = log.entries.filter(entry => {
    if (entry.seq <= after || !fits(entry)) return false
    if (entry.op === 'stored') return present.has(entry.seq) && naiveReadable(entry.event, now)
    // A removed event is told of as long as strangers could have been served it; expiry does not matter any more.
    return gone && naiveReadable(entry.event, 0)
  })
  const cut = rows.slice(0, limit)
  const addresses = new Set(cut.flatMap(({ op, event }) => (op === 'stored' ? [naiveAddress(event)] : [])))
  const told = cut.filter(({ op, event }) => op !== 'replaced' || !addresses.has(naiveAddress(event)))
  return {
    rows: told.map(({ op, seq, event }) => `${seq} ${op} ${event.id}`),
    upTo: cut.length < rows.length ? (cut.at(-1)?.seq ?? log.last) : log.last,
    floor: 1,
    last: log.last,
  }
}

/** A client that keeps what matches by reading the log from its cursor: what all the rules are there for. */
interface Folder {
  readonly filters: FilterJson[]
  readonly limit: number
  readonly kept: Map<string, NostrEvent>
  cursor: number
}

async function advance(folder: Folder, store: Store, now: number): Promise<boolean> {
  const batch = await store.readLog(logRequest(folder.filters, folder.cursor, { limit: folder.limit, now }))
  for (const row of batch.entries) {
    if (row.op !== 'stored') {
      folder.kept.delete(row.target)
      continue
    }
    const event: NostrEvent = JSON.parse(row.json)
    const address = naiveAddress(event)
    for (const old of folder.kept.values())
      if (address !== undefined && naiveAddress(old) === address) folder.kept.delete(old.id)
    folder.kept.set(event.id, event)
  }
  folder.cursor = batch.upTo
  return batch.upTo >= batch.last
}

async function play(seed: number, store: Store): Promise<void> {
  const random = dice(seed)
  const naive = new NaiveLog()
  const known: NostrEvent[] = []
  let now = START + 100
  const group = (order: 'time' | 'log') =>
    Array.from({ length: 1 + random.below(3) }, () => randomFilter(random, known, order))
  const folders: Folder[] = []
  await store.startEpoch(now * 1000, 1)
  for (let step = 0; step < STEPS; step += 1) {
    const batch = Array.from({ length: 1 + random.below(6) }, () =>
      known.length > 0 && random.chance(0.15) ? random.of(known) : randomEvent(random, now, known),
    )
    known.push(...batch)
    const commit = await store.append(batch, now * 1000)
    const outcomes = batch.map(event => naive.append(event))
    expect(commit.outcomes.map(o => (o.status === 'refused' ? { status: o.status } : o))).toEqual(outcomes)
    expect(commit.last).toBe(naive.last)
    if (random.chance(0.1)) now += 1
    if (random.chance(0.1)) expect(await store.sweepExpired(now)).toBe(naive.sweep(now))
    if (folders.length < 6)
      folders.push({ filters: group('log'), limit: 1 + random.below(6), kept: new Map(), cursor: 0 })
    for (const folder of folders) if (random.chance(0.3)) await advance(folder, store, now)

    const asked = group('time')
    const cap = 1 + random.below(6)
    const page = await store.query(queryRequest(asked, cap, { now }))
    const wanted = naiveQuery(naive, asked, cap, now)
    expect(
      page.events.map(json => JSON.parse(json).id),
      JSON.stringify(asked),
    ).toEqual(wanted.ids)
    expect(page.complete, JSON.stringify(asked)).toBe(wanted.complete)
    expect(await store.count(asked.map(filter), { keys: [], now })).toBe(naive.matching(asked, now).length)
    expect(await store.count(asked.map(filter), { keys: [hex64('eve')], now })).toBe(
      naive.matching(asked, now).filter(e => e.kind !== 4).length,
    )

    const followed = group('log')
    const [after, limit, gone] = [random.below(naive.last + 1), 1 + random.below(20), random.chance(0.7)]
    const read = await store.readLog(logRequest(followed, after, { limit, gone, now }))
    const rows = read.entries.map(
      row => `${row.seq} ${row.op} ${row.op === 'stored' ? JSON.parse(row.json).id : row.target}`,
    )
    expect(
      { ...read, entries: undefined, packed: undefined, rows },
      JSON.stringify({ followed, after, limit }),
    ).toEqual({
      ...naiveBatch(naive, followed, after, limit, gone, now),
      entries: undefined,
    })
  }
  for (const folder of folders) {
    while (!(await advance(folder, store, now)));
    const live = [...folder.kept.values()].filter(event => naiveReadable(event, now))
    expect(new Set(live.map(({ id }) => id))).toEqual(new Set(naive.matching(folder.filters, now).map(({ id }) => id)))
  }
}

const seed = testSeed('store fuzz')

// A game on SQLite costs twenty of these.
test(`memory agrees with the plain reading, ${ROUNDS * 10} games`, { timeout: 60_000 + ROUNDS * 1_000 }, async () => {
  for (let round = 0; round < ROUNDS * 10; round += 1) await play(seed + round, createMemoryStore())
})

test(`SQLite agrees with the plain reading, ${ROUNDS} games`, { timeout: 60_000 + ROUNDS * 10_000 }, async () => {
  for (let round = 0; round < ROUNDS; round += 1) {
    const store = await openSqliteStore(tempDir())
    await play(seed + round, store).finally(() => store.close())
  }
})
