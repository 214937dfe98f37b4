import { setTimeout as delay } from 'node:timers/promises'
import type { FilterJson, NostrEvent, Tag } from 'posthorn/protocol'
import { createRelay, openSqliteStore, type Relay } from 'posthorn/relay'
import { expect, test } from 'vitest'
import { nowSeconds, type Person, person } from '../helpers/events.ts'
import { testSeed } from '../helpers/seed.ts'
import { tempDir } from '../helpers/temp-dir.ts'
import { type Dice, dice } from '../relay/dice.ts'
import { lateStore } from '../relay/late-store.ts'
import { NaiveLog, naiveAddress } from '../relay/naive-log.ts'
import { type Meanings, ResumingClient } from './resuming-client.ts'
import { writeAll } from './writer.ts'

const ROUNDS = Number(process.env['ROUNDS'] ?? 1)
const EVENTS = 270
const RESTARTS = 2
const WRITERS = 3
/** Writers wait for each other's readers after this many events, so that the game has as many cuts on a fast machine. */
const CHUNK = 10
const CUTS = 60

/** Mixed events of one author: notes, replaceables and addressables with ties, deletions of any of them, also in advance. */
function script(random: Dice, author: Person, count: number): NostrEvent[] {
  const start = nowSeconds() - 1_000
  const events: NostrEvent[] = []
  const t = (): Tag => ['t', random.of(['a', 'b', 'c'])]
  for (let n = 0; n < count; n += 1) {
    const created_at = start + random.below(20)
    const content = `${n} ${'x'.repeat(random.below(200))}`
    const dieRoll = random.below(10)
    if (dieRoll < 4) events.push(author.sign({ created_at: start + n, content, tags: [t()] }))
    else if (dieRoll < 5)
      events.push(author.sign({ kind: 10_001, created_at: start + Math.floor(n / 4), content, tags: [t()] }))
    else if (dieRoll < 8)
      events.push(
        author.sign({
          kind: 30_001,
          created_at: created_at + n,
          content,
          tags: [['d', random.of(['x', 'y', ''])], t()],
        }),
      )
    else {
      const target = events[random.below(events.length)]
      const address = target === undefined ? undefined : naiveAddress(target)
      const tag: Tag = address !== undefined && random.chance(0.3) ? ['a', address] : ['e', target?.id ?? '']
      events.push(author.sign({ kind: 5, created_at: created_at + n, content, tags: [tag, t()] }))
    }
  }
  // Some come before what they delete, some versions before older ones.
  for (let n = 0; n + 8 < events.length; n += 1 + random.below(6)) {
    const [one, other] = [events[n], events[n + random.below(8)]]
    if (one === undefined || other === undefined) continue
    events[events.indexOf(other)] = one
    events[n] = other
  }
  return events
}

async function play(seed: number): Promise<void> {
  const random = dice(seed)
  const authors = Array.from({ length: WRITERS }, (_, n) => person(`writer ${n}`))
  const scripts = authors.map(author => script(random, author, Math.floor(EVENTS / WRITERS)))
  const data = tempDir()
  // Reads that answer late let commits overtake them, which on a quick disk hardly ever happens.
  const open = async (directory: string) => {
    const late = () => (random.chance(0.5) ? delay(random.below(60)) : Promise.resolve())
    return createRelay({ store: lateStore(await openSqliteStore(directory), late) })
  }
  let relay: Relay = await open(data)
  let url = await relay.listen({ port: 0 })

  const accepted = new Map<string, { seq: number; event: NostrEvent }>()
  const refused: NostrEvent[] = []
  const meanings: Meanings = new Map()
  const asked: FilterJson[][] = [
    [{}],
    [{ kinds: [1] }],
    [{ '#t': ['a'] }],
    [{ kinds: [30_001], '#t': ['b', 'c'] }],
    [{ kinds: [10_001] }, { authors: [authors[0]?.pubkey ?? ''], kinds: [1, 30_001] }],
    [
      { authors: [authors[1]?.pubkey ?? ''], '#t': ['a', 'b'] },
      { kinds: [5], '#t': ['c'] },
    ],
  ]
  const clients = [...asked, ...asked].map((filters, n) => new ResumingClient(`client ${n}`, filters, meanings))
  const total = (what: keyof ResumingClient['seen']) => clients.reduce((sum, { seen }) => sum + seen[what], 0)

  let writing = true
  const write = async (events: readonly NostrEvent[]) => {
    for (let at = 0; at < events.length; at += CHUNK) {
      while (writing && total('cuts') < (CUTS * at) / events.length) await delay(2)
      await writeAll(events.slice(at, at + CHUNK), {
        url: () => url,
        window: 3, // small commits, and many of them
        onOk: (event, seq) => {
          expect(accepted.get(event.id)?.seq ?? seq, 'one event, one seq').toBe(seq)
          accepted.set(event.id, { seq, event })
        },
        onRefused: event => refused.push(event),
      })
    }
  }
  const stop = () => {
    writing = false
  }
  const writers = Promise.all(scripts.map(write)).finally(stop)
  const resuming = Promise.all(
    clients.map(async client => {
      const own = dice(seed + clients.indexOf(client))
      while (writing) {
        const frames = 1 + own.below(own.chance(0.5) ? 80 : 20)
        await client.live(url, own, { frames, idleMs: own.below(100) })
        await delay(own.below(50))
      }
    }),
  ).finally(stop)
  for (let restart = 1; restart <= RESTARTS; restart += 1) {
    while (writing && accepted.size + refused.length < (restart * EVENTS) / (RESTARTS + 1)) await delay(2)
    await relay.close()
    relay = await open(data)
    const { port } = new URL(url)
    url = await relay.listen({ port: Number(port) })
  }
  await Promise.all([writers, resuming])

  // The plain reading of what was accepted, in the order in which it was numbered, comes to the same numbers.
  const oracle = new NaiveLog()
  for (const { seq, event } of [...accepted.values()].sort((a, b) => a.seq - b.seq))
    expect(oracle.append(event)).toEqual({ status: 'stored', seq })
  for (const event of refused) expect(oracle.append(event).status).toBe('refused')
  expect(relay.head.last).toBe(oracle.last)

  const fresh = asked.map((filters, n) => new ResumingClient(`fresh ${n}`, filters, meanings))
  for (const client of [...clients, ...fresh]) {
    expect(await client.live(url, random, undefined, oracle.last), `${client.name} catches up`).toBe(true)
    expect(client.fold.ids, client.name).toEqual(new Set(oracle.matching(client.filters, 0).map(({ id }) => id)))
  }
  await relay.close()

  // The game must have been worth playing.
  expect(refused.length).toBeGreaterThan(10)
  expect(total('gone')).toBeGreaterThan(50)
  expect(total('cuts')).toBeGreaterThan(20)
  expect(total('pages')).toBeGreaterThan(40)
}

const seed = testSeed('resume')

test(`clients that page, drop and resume while others write end with exactly what is there, ${ROUNDS} games`, {
  timeout: 60_000 * ROUNDS,
}, async () => {
  for (let round = 0; round < ROUNDS; round += 1) await play(seed + round * 1_000)
})
