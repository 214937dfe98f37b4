import { createMemoryMailStore } from 'posthorn'
import type { NostrEvent } from 'posthorn/protocol'
import { expect, test } from 'vitest'
import { createBreaker } from '#dist/sdk/link/breaker.js'
import { corrupt, nowSeconds } from '../helpers/events.ts'
import { startRelay } from '../helpers/start-relay.ts'
import { alice, bob, eventually, memoryAgent, messageTo } from './agents.ts'
import { type Peer, type Script, scriptedRelay } from './scripted-relay.ts'

const EPOCH = '0000000000010000'
const FOREVER = Number.MAX_SAFE_INTEGER
const genuine = messageTo(alice, bob, 'genuine')
const old = messageTo(alice, bob, 'old and replayed')

const begin = (peer: Peer, frame: unknown[]) =>
  peer.send('SEQ', frame[1], (frame[2] as { since_seq: number }).since_seq, EPOCH)
const finish = (peer: Peer, frame: unknown[], seq: number) =>
  peer.send('EOSE', frame[1], ['finish', `seq:${seq}`, `epoch:${EPOCH}`])

/** Answers the inbox's REQ with `events`, then EOSE. */
const serving =
  (events: (n: number) => NostrEvent, count: number, seq = count): Script =>
  (peer, frame) => {
    if (frame[0] !== 'REQ' || !('since_seq' in frame[2])) return
    begin(peer, frame)
    for (let n = 1; n <= count; n += 1) peer.event(frame[1], events(n), n)
    finish(peer, frame, seq)
  }

const forged = (n: number): NostrEvent => ({ ...genuine, content: `forged ${n}` })
const future = messageTo(alice, bob, 'signed, ten years ahead', nowSeconds() + 315_360_000)
const tampered = Array.from({ length: 20 }, (_, n) => corrupt(messageTo(alice, bob, `${n}`), 'sig'))

/** How one relay misbehaves, and what of it may arrive: events that are genuine, whoever serves them. */
const lies: [string, Script, { greet?: (peer: Peer) => void; arrives?: string[] }][] = [
  ['wrong content under a right id', serving(forged, 3), {}],
  ['a flood of forgeries', serving(n => tampered[n % 20] ?? genuine, 2_000), {}],
  ['events dated ten years ahead', serving(() => future, 1), { arrives: [future.content] }],
  ['one event, replayed a thousand times', serving(() => old, 1_000), { arrives: [old.content] }],
  ['a position at the end of all numbers', serving(() => old, 1, FOREVER), { arrives: [old.content] }],
  [
    'positions that jump back and forth',
    (peer, frame) => {
      if (frame[0] !== 'REQ' || !('since_seq' in frame[2])) return
      begin(peer, frame)
      finish(peer, frame, 50)
      for (let n = 0; n < 200; n += 1) peer.send('SEQ', frame[1], n % 2 === 0 ? FOREVER : 1, EPOCH)
    },
    {},
  ],
  ['everything withheld', serving(() => old, 0, 10), {}],
  [
    'a page without end',
    (peer, frame) => {
      if (frame[0] !== 'REQ' || !('since_seq' in frame[2])) return
      begin(peer, frame)
      for (let n = 1; n <= 1_500; n += 1) peer.event(frame[1], old, n)
    },
    { arrives: [old.content] },
  ],
  [
    'pages that go nowhere',
    (peer, frame) => {
      if (frame[0] !== 'REQ' || !('since_seq' in frame[2])) return
      begin(peer, frame)
      peer.send('EOSE', frame[1], ['more', `seq:${frame[2].since_seq}`, `epoch:${EPOCH}`])
    },
    {},
  ],
  [
    'cursors that are always unknown',
    (peer, frame) => {
      if (frame[0] === 'REQ' && 'since_seq' in frame[2])
        peer.send('CLOSED', frame[1], 'invalid: cursor-unknown common:7')
    },
    {},
  ],
  [
    'challenges without end',
    () => {},
    {
      greet(peer) {
        for (let n = 0; n < 1_000; n += 1) peer.send('AUTH', `challenge ${n}`)
      },
    },
  ],
  ['a frame of two megabytes', () => {}, { greet: peer => peer.socket.send(`["NOTICE","${'x'.repeat(2_000_000)}"]`) }],
  [
    'garbage',
    () => {},
    {
      greet(peer) {
        for (const text of ['[', 'null', '["EVENT"]', '["EVENT",1,2]', '{}', '["OK"]', '["EOSE",{}]', ''])
          peer.socket.send(text)
      },
    },
  ],
  ['a closed door', () => {}, { greet: peer => peer.socket.terminate() }],
]

test.each(lies)(
  '%s: hides nothing, forges nothing, and stops nobody else’s mail',
  async (_, script, { greet, arrives = [] }) => {
    await using honest = await startRelay()
    const liar = await scriptedRelay(script, greet)
    const store = createMemoryMailStore()
    const agent = await memoryAgent(alice, [liar.url, honest.url], { store })
    const sender = await memoryAgent(bob, honest.url)
    await sender.send('alice', 'from an honest relay')
    const publisher = await (await import('posthorn')).connect(honest.url)
    await publisher.publish(genuine)
    await publisher.close()
    const wanted = ['from an honest relay', 'genuine', ...arrives].toSorted()
    const texts = () => agent.inbox().map(({ text }) => text)
    await eventually('all that is genuine', () => wanted.every(text => texts().includes(text)))
    expect(texts().toSorted()).toEqual(wanted)
    const [hostile, trusted] = agent.status().relays
    expect(trusted).toMatchObject({ state: 'live', position: 2, mayMiss: false })
    expect(trusted).not.toHaveProperty('error')
    // Neither hammered with connections, nor answered for ever.
    expect(liar.connections).toBeLessThanOrEqual(4)
    expect(liar.heard.length).toBeLessThanOrEqual(40)
    expect(hostile?.url).toBe(liar.url)
    expect(await sender.send('alice', 'and more')).toMatch(/^[0-9a-f]{64}$/)
    await eventually('more', () => texts().includes('and more'))
  },
)

test('the breaker: five in ten seconds open it, a minute later one probe, whose first misdeed opens it again', () => {
  let now = 0
  const breaker = createBreaker({ now: () => now, monotonic: () => now })
  const at = (ms: number) => {
    now = ms
    return breaker.failure()
  }
  expect([at(0), at(1), at(2), at(3), at(10_000)]).toEqual([false, false, false, false, false])
  expect([breaker.waitMs, at(10_000), breaker.waitMs]).toEqual([0, true, 60_000])
  now = 70_000
  expect(breaker.waitMs).toBe(0)
  expect([at(70_000), breaker.waitMs]).toEqual([true, 60_000])
  now = 130_000
  breaker.success()
  expect([at(130_000), at(130_001), breaker.waitMs]).toEqual([false, false, 0])
})
