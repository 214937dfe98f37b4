import { setImmediate as turn } from 'node:timers/promises'
import { encodeEvent, type NostrEvent } from 'posthorn/protocol'
import { expect, test } from 'vitest'
import { systemRandom } from '#dist/platform/random.js'
import type { SocketEvents } from '#dist/platform/socket.js'
import { systemTimers } from '#dist/platform/timers.js'
import { createFramePump } from '#dist/sdk/link/frame-pump.js'
import { createLink } from '#dist/sdk/link/link.js'
import { createRepeats } from '#dist/sdk/link/repeats.js'
import { createUnasked } from '#dist/sdk/link/unasked.js'
import { handClock } from '../helpers/hand-clock.ts'
import { startRelay } from '../helpers/start-relay.ts'
import { alice, bob, carol, eventually, memoryAgent, messageTo } from './agents.ts'
import { type Peer, type Script, scriptedRelay } from './scripted-relay.ts'

const EPOCH = '0000000000010000'
const FLOOD = 500_000
const genuine = messageTo(alice, bob, 'genuine')

const isMail = (frame: unknown[]): boolean => frame[0] === 'REQ' && 'since_seq' in (frame[2] as object)
const sinceOf = (frame: unknown[]): number => (frame[2] as { since_seq: number }).since_seq
const isOpen = ({ socket }: Peer): boolean => socket.readyState === socket.OPEN

/** Live at once, and then the same event again and again under rising positions, until the client hangs up. */
const replaying: Script = async (peer, frame) => {
  if (!isMail(frame)) return peer.send('EOSE', frame[1])
  const since = sinceOf(frame)
  peer.send('SEQ', frame[1], since, EPOCH)
  peer.send('EOSE', frame[1], ['finish', `seq:${since}`, `epoch:${EPOCH}`])
  for (let n = 1; n <= FLOOD && isOpen(peer); n += 1) {
    peer.event(frame[1], genuine, since + n)
    if (n % 100 === 0) await turn()
  }
}

/** Page after page, each with the same event and the promise that there is more. */
const paging: Script = (peer, frame) => {
  if (!isMail(frame)) return peer.send('EOSE', frame[1])
  const since = sinceOf(frame)
  peer.send('SEQ', frame[1], since, EPOCH)
  peer.event(frame[1], genuine, since + 1)
  peer.send('EOSE', frame[1], ['more', `seq:${since + 1}`, `epoch:${EPOCH}`, 'scope:aa'])
}

/** No log: the same live event without end. */
const withoutLog: Script = async (peer, frame) => {
  if (isMail(frame)) return peer.send('CLOSED', frame[1], 'invalid: since_seq')
  peer.send('EOSE', frame[1], ['finish'])
  for (let n = 1; n <= FLOOD && isOpen(peer); n += 1) {
    peer.event(frame[1], genuine)
    if (n % 100 === 0) await turn()
  }
}

test.each([
  ['live', replaying],
  ['page after page', paging],
  ['live, by a relay without a log', withoutLog],
])(
  'one genuine event replayed %s: the relay is dropped, the event is had once at most, others’ mail arrives',
  async (_, script) => {
    await using honest = await startRelay()
    let ended = 0
    const relay = await scriptedRelay(script, peer => peer.socket.on('close', () => (ended += 1)))
    const agent = await memoryAgent(alice, [relay.url, honest.url])
    await eventually('dropped', () => ended > 0)
    const { relays } = agent.status()
    expect(relays.find(({ url }) => url === relay.url)).toMatchObject({
      state: 'offline',
      error: expect.stringContaining('invalid events or frames'),
    })
    const sender = await memoryAgent(bob, honest.url, { contacts: [] })
    await sender.send(alice.pubkey, 'from an honest relay', { public: true })
    await eventually('mail', () => agent.inbox().some(({ text }) => text === 'from an honest relay'))
    expect(agent.inbox().filter(({ text }) => text === 'genuine').length).toBeLessThanOrEqual(1)
  },
)

/** A link whose far end is written by hand: no network between a flood and what it costs. */
function linkTo(): { say(text: string): void; reqs: string[]; readonly ended: boolean } {
  let events: SocketEvents | undefined
  let ended = false
  const reqs: string[] = []
  const link = createLink({
    url: 'ws://hand',
    clock: handClock(),
    timers: systemTimers,
    random: systemRandom,
    reconnect: false,
    dial: (_, handlers) => {
      events = handlers
      return {
        send: text => void reqs.push(text),
        close: () => {},
        terminate: () => {
          ended = true
        },
        unsentBytes: 0,
      }
    },
    onOpen() {},
    onDown() {},
  })
  events?.onOpen?.()
  link.subscribe('REQ', [{ kinds: [1] }], () => {})
  return {
    reqs,
    say: text => events?.onText(text),
    get ended() {
      return ended
    },
  }
}

const event = encodeEvent(carol.sign({}))
const NOBODY = '0'.repeat(64)
const unasked: Record<string, string> = {
  'an EVENT for no subscription': `["EVENT","zzz",${event}]`,
  'EOSE for no subscription': '["EOSE","zzz"]',
  'EOSE again': '["EOSE","1",["finish"]]',
  'OK for no event': `["OK","${NOBODY}",true,""]`,
  NOTICE: '["NOTICE","slow down"]',
  'AUTH, the same challenge': '["AUTH","challenge"]',
  'CLOSED for no subscription': '["CLOSED","zzz","error: x"]',
  'COUNT for no question': '["COUNT","zzz",{"count":1}]',
  'SEQ again': `["SEQ","1",7,"${EPOCH}"]`,
  'GONE, not asked for': `["GONE","1",7,"${NOBODY}","deleted"]`,
  'NEG-MSG for no session': '["NEG-MSG","zzz","61"]',
  'NEG-ERR for no session': '["NEG-ERR","zzz","error: x"]',
  'a frame type of its own': '["HELLO","x"]',
}

test.each(Object.entries(unasked))('a flood of %s ends the connection, a few of them do not', (_, text) => {
  const link = linkTo()
  for (let n = 0; n < 1_000; n += 1) link.say(text)
  expect(link.ended).toBe(false)
  let sent = 1_000
  for (; sent < FLOOD && !link.ended; sent += 1) link.say(text)
  expect(link.ended).toBe(true)
  expect(sent).toBeLessThan(40_000)
})

test('what came late of an ended subscription is forgiven at the rate that buffers explain', () => {
  const clock = handClock()
  const isTooMuch = createUnasked(clock)
  const megabyte = 1024 * 1024
  for (let n = 0; n < 30; n += 1) expect(isTooMuch(megabyte)).toBe(false)
  expect([isTooMuch(megabyte), isTooMuch(megabyte), isTooMuch(megabyte)]).toContain(true)
  clock.advance(60_000)
  for (let n = 0; n < 30; n += 1) expect(isTooMuch(megabyte)).toBe(false)
})

test('copies are tolerated up to a number, and the memory of them is bounded', () => {
  const repeats = createRepeats(1)
  expect([repeats('a'), repeats('a'), repeats('a'), repeats('b')]).toEqual([false, false, true, false])
  for (let n = 0; n < 5_000; n += 1) repeats(`other ${n}`)
  expect(repeats('a')).toBe(false)
})

/** How many copies a pump holds before it says that it is too much, while the verifier answers nothing. */
function heldOf(of: NostrEvent): number {
  let isOver = false
  const pump = createFramePump({
    verifier: { verify: () => new Promise(() => {}) } as never,
    wanted: undefined,
    onEvents() {},
    onFrame() {},
    onOverflow: () => {
      isOver = true
    },
    onError() {},
  })
  let held = 0
  for (; held < 100_000 && !isOver; held += 1) pump.push({ type: 'EVENT', sub: '1', event: of })
  pump.stop()
  return held
}

test('what waits for verification is bounded by all of its text, tags too, and by the number of tags', () => {
  const noteWith = (tags: string[][], content = '') => carol.sign({ tags, content })
  expect(heldOf(noteWith([], 'x'.repeat(60_000)))).toBeLessThan(300)
  expect(heldOf(noteWith([['x', 'y'.repeat(60_000)]]))).toBeLessThan(300)
  expect(heldOf(noteWith(Array.from({ length: 2_000 }, () => ['x'])))).toBeLessThan(120)
  expect(heldOf(noteWith([Array.from({ length: 5_000 }, () => '')]))).toBeLessThan(150)
  expect(heldOf(noteWith([]))).toBeGreaterThan(10_000)
})
