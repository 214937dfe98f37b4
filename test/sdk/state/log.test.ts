import type { Agent } from 'posthorn'
import type { EventTemplate, NostrEvent } from 'posthorn/protocol'
import { type TestMesh, testMesh } from 'posthorn/testing'
import { expect, it, onTestFinished } from 'vitest'
import { entriesOf } from '#dist/sdk/state/log/cover.js'
import { openLog } from '#dist/sdk/state/log/log.js'
import type { Delta, Fork, LogOptions } from '#dist/sdk/state/log/types.js'
import { logHostOf, surroundingsOf } from '#dist/sdk/state/surroundings.js'
import { passing } from './passing.ts'

async function mesh(relays = 1): Promise<TestMesh> {
  const made = await testMesh({ keys: 'stand-in', relays })
  onTestFinished(() => made.close())
  return made
}

const plain = { encode: (text: string) => text, decode: (text: string) => text }

/** A log of texts, whose state is the set of them. */
async function textLog(agent: Agent, authors: readonly string[], options: Partial<LogOptions<string, string>> = {}) {
  const texts = new Set<string>()
  const deltas: Delta<string>[] = []
  const forks: Fork[] = []
  const refused: string[] = []
  const host = await logHostOf(surroundingsOf(agent))
  const log = openLog<string, string>(host, {
    o: 'texts',
    authors: () => new Set(authors),
    delta: plain,
    snapshot: plain,
    onDelta(delta) {
      deltas.push(delta)
      texts.add(delta.payload)
    },
    onSnapshot({ payload }) {
      for (const text of payload.split('\n')) texts.add(text)
      return true
    },
    takeSnapshot: () => ({ payload: [...texts].join('\n') }),
    onFork: fork => forks.push(fork),
    onRefused: (_, reason) => refused.push(reason),
    ...options,
  })
  return {
    log,
    texts,
    deltas,
    forks,
    refused,
    write: (text: string) => log.write(text, { commit: () => void texts.add(text) }),
  }
}

/** An event of this agent's key at its relays, whatever its log says. */
async function publish(agent: Agent, template: Partial<EventTemplate>): Promise<NostrEvent> {
  const { signer, lines } = surroundingsOf(agent)
  const event = await signer.sign({ kind: 34_701, created_at: 1_767_225_600, tags: [], content: '', ...template })
  for (const line of lines()) await line.publish(event)
  return event
}

const SESSION = '019b00000000aaaa'
const deltaTags = (n: number, previous?: string): EventTemplate['tags'] => [
  ['d', `texts:${n % 128}`],
  ['o', 'texts'],
  ['n', String(n)],
  ['g', SESSION],
  ...(previous === undefined ? [] : [['b', previous.slice(0, 16)]]),
]

it('a relay keeps one ring, whatever is written, and who comes late has all of it from the tail and a snapshot', async () => {
  const on = await mesh(2)
  const [alice, bob] = [await on.agent('alice'), await on.agent('bob')]
  const owner = await textLog(alice, [alice.pubkey])
  await passing(on, owner.log.ready())
  for (let n = 1; n <= 140; n += 1) {
    await passing(on, owner.write(`text ${n}`))
    if (n % 20 === 0) await on.advance(100)
    expect(owner.log.status.tail).toBeLessThanOrEqual(128)
  }
  await passing(on, owner.log.flushed(5_000))
  expect(owner.log.status).toMatchObject({ behind: false, unacknowledged: 0 })
  expect(owner.log.status.tail).toBeLessThan(70)
  const { lines } = surroundingsOf(bob)
  const [line] = lines()
  const stored = await passing(on, line?.ask({ kinds: [34_701, 34_702] }, 500, 5_000) ?? expect.unreachable())
  expect(stored.events.length).toBeLessThanOrEqual(130)
  const reader = await textLog(bob, [alice.pubkey])
  await passing(on, reader.log.ready())
  expect([...reader.texts].sort()).toEqual([...owner.texts].sort())
  // What the snapshot covers was not read: its position in the relay's log told where to begin.
  expect(reader.deltas.length).toBeLessThan(70)
  expect([...entriesOf(reader.log.cover())]).toMatchObject([{ author: alice.pubkey, n: 140 }])
})

it('a state of many pieces comes together, and a piece that is missing does not pass for the whole', async () => {
  const on = await mesh()
  const [alice, bob] = [await on.agent('alice'), await on.agent('bob')]
  const owner = await textLog(alice, [alice.pubkey], { auto: false })
  await passing(on, owner.log.ready())
  const long = Array.from({ length: 5 }, (_, n) => `${n} ${'ä€'.repeat(8_000)}`)
  for (const text of long) await passing(on, owner.write(text))
  expect(await passing(on, owner.log.snapshot())).toBe(true)
  const reader = await textLog(bob, [alice.pubkey])
  await passing(on, reader.log.ready())
  expect([...reader.texts].sort()).toEqual(long)
  expect(reader.deltas).toEqual([])
  // Somebody tears it: a piece of the newest snapshot is replaced.
  await publish(alice, {
    kind: 34_702,
    created_at: Math.floor(on.now / 1000) + 100,
    content: 'torn',
    tags: [
      ['d', 'texts:A0'],
      ['o', 'texts'],
      ['i', '0/2'],
      ['x', '0'.repeat(64)],
    ],
  })
  const late = await textLog(await on.agent('carol'), [alice.pubkey])
  await passing(on, late.log.ready())
  expect([...new Set(late.refused)]).toEqual(['pieces of it are missing'])
})

it('two events for one place are a fork: told with both as proof, and nothing above it counts', async () => {
  const on = await mesh(2)
  const [alice, bob] = [await on.agent('alice'), await on.agent('bob')]
  const reader = await textLog(bob, [alice.pubkey])
  await passing(on, reader.log.ready())
  const first = await publish(alice, { tags: deltaTags(1), content: 'one' })
  const second = await publish(alice, { tags: deltaTags(2, first.id), content: 'two' })
  const other = await publish(alice, { tags: deltaTags(2, first.id), content: 'zwei', created_at: 1_767_225_601 })
  await publish(alice, { tags: deltaTags(3, other.id), content: 'drei' })
  await on.advance(1_000)
  expect([...reader.texts]).toEqual(['one', 'two'])
  expect(reader.forks).toMatchObject([{ author: alice.pubkey, session: SESSION, n: 2, reason: 'two-events' }])
  expect(reader.forks[0]?.proof.map(text => JSON.parse(text).id)).toEqual([second.id, other.id])
  expect([...entriesOf(reader.log.cover())]).toMatchObject([{ session: SESSION, n: 1 }])
})

it('a chain that does not hold is a fork; what is made badly is refused, and by whom is known', async () => {
  const on = await mesh()
  const [alice, bob] = [await on.agent('alice'), await on.agent('bob')]
  const reader = await textLog(bob, [alice.pubkey])
  await passing(on, reader.log.ready())
  await publish(alice, { tags: deltaTags(1), content: 'one' })
  await publish(alice, { tags: deltaTags(2, 'f'.repeat(64)), content: 'two' })
  // Somebody else's word; another document's address; an address of another number.
  await publish(bob, { tags: deltaTags(3, 'e'.repeat(64)), content: 'three' })
  await publish(alice, { tags: [['d', 'texts:9'], ...deltaTags(8, 'e'.repeat(64)).slice(1)] })
  await publish(alice, { tags: deltaTags(1).map(tag => (tag[0] === 'd' ? ['d', 'other:1'] : tag)) })
  await on.advance(1_000)
  expect([...reader.texts]).toEqual(['one'])
  expect(reader.forks).toMatchObject([{ n: 2, reason: 'chain' }])
  expect(reader.refused).toEqual(Array(2).fill('tag d is not the address of this document and number'))
})

it('what one relay has lost another brings; what nobody has is told as a gap', async () => {
  const on = await mesh(2)
  const [alice, bob] = [await on.agent('alice'), await on.agent('bob')]
  const [, second = expect.unreachable()] = on.relays
  await on.block('bob', second.url)
  const reader = await textLog(bob, [alice.pubkey])
  await passing(on, reader.log.ready())
  const [firstLine, secondLine] = surroundingsOf(alice).lines()
  const sign = (n: number, previous: string | undefined, content: string) =>
    surroundingsOf(alice).signer.sign({
      kind: 34_701,
      created_at: 1_767_225_600,
      tags: deltaTags(n, previous),
      content,
    })
  const one = await sign(1, undefined, 'one')
  const two = await sign(2, one.id, 'two')
  const three = await sign(3, two.id, 'three')
  await firstLine?.publish(one)
  await secondLine?.publish(two)
  await firstLine?.publish(three)
  await on.advance(1_000)
  expect([...reader.texts]).toEqual(['one', 'three'])
  expect(reader.log.status).toMatchObject({ behind: true, gaps: [{ author: alice.pubkey, session: SESSION, n: 2 }] })
  on.unblock('bob', second.url)
  await on.advance(120_000)
  expect([...reader.texts].sort()).toEqual(['one', 'three', 'two'])
  expect(reader.log.status).toMatchObject({ behind: false, gaps: [] })
})

it('a new process writes in a new session above every one seen, and takes over no slot that is not covered', async () => {
  const on = await mesh()
  const alice = await on.agent('alice')
  const first = await textLog(alice, [alice.pubkey], { auto: false })
  await passing(on, first.log.ready())
  for (let n = 1; n <= 5; n += 1) await passing(on, first.write(`before ${n}`))
  await passing(on, first.log.flushed(5_000))
  await on.kill('alice')
  on.setWallClock(on.now - 600_000)
  const again = await on.wake('alice')
  const second = await textLog(again, [alice.pubkey], { auto: false })
  for (let n = 1; n <= 5; n += 1) second.texts.add(`before ${n}`)
  await passing(on, second.log.ready())
  const place = await passing(on, second.write('after'))
  expect(place.n).toBe(1)
  expect(place.session > (first.log.session ?? '')).toBe(true)
  await passing(on, second.log.flushed(5_000))
  const bob = await on.agent('bob')
  const reader = await textLog(bob, [alice.pubkey])
  await passing(on, reader.log.ready())
  expect([...reader.texts].sort()).toEqual(['after', ...Array.from({ length: 5 }, (_, n) => `before ${n + 1}`)])
})
