import { setTimeout as delay } from 'node:timers/promises'
import type { NostrEvent } from 'posthorn/protocol'
import { createMemoryStore, createRelay, openSqliteStore, type Relay } from 'posthorn/relay'
import { describe, expect, onTestFinished, test } from 'vitest'
import { nowSeconds, person } from '../helpers/events.ts'
import { sharedVerifier } from '../helpers/shared-verifier.ts'
import { tempDir } from '../helpers/temp-dir.ts'
import { type Pipe, pipeTo } from './pipe.ts'
import { manualTime, startRelay } from './relay-on-test.ts'
import { idsOf, isFor, seqsOf } from './wire.ts'

const alice = person('alice')
const KB = 1024
/** Large notes, signed once for all tests. */
const large = Array.from({ length: 90 }, (_, n) =>
  alice.sign({ created_at: nowSeconds() - 200 + n, content: `${n} ${'x'.repeat(8 * KB)}` }),
)
const limits = { outboundHighBytes: 100 * KB, outboundHardBytes: 500 * KB }

async function start(
  options: Parameters<typeof createRelay>[0] = {},
): Promise<{ relay: Relay; writer: Pipe; publish: (events: NostrEvent[]) => Promise<void> }> {
  const relay = await createRelay({
    verifier: await sharedVerifier(),
    store: await openSqliteStore(tempDir()),
    limits,
    ...options,
  })
  onTestFinished(() => relay.close())
  const writer = pipeTo(relay)
  const publish = async (events: NostrEvent[]) => {
    for (const event of events) writer.send('EVENT', event)
    const last = events.at(-1)?.id
    await expect.poll(() => writer.taken.some(isFor('OK', last)), { interval: 5, timeout: 8_000 }).toBe(true)
  }
  return { relay, writer, publish }
}

const eose = (pipe: Pipe, sub: string) =>
  expect.poll(() => pipe.taken.some(isFor('EOSE', sub)), { interval: 5 }).toBe(true)

/** Takes a few frames at a time, with pauses for the relay to go on, until nothing more comes. */
async function trickle(pipe: Pipe, enough: () => boolean): Promise<void> {
  for (let turn = 0; turn < 3_000 && !enough(); turn += 1) {
    pipe.take(6)
    await delay(1)
  }
}

describe('a reader that stops', () => {
  test.each(['log', 'plain'])(
    '%s: is pushed nothing above the high mark and catches up exactly from the log',
    async mode => {
      const { relay, publish } = await start()
      const pipe = pipeTo(relay)
      pipe.send('REQ', 's', mode === 'log' ? { since_seq: 0, kinds: [1] } : { kinds: [1] })
      await eose(pipe, 's')
      pipe.stall()
      await publish(large.slice(0, 60))
      expect(pipe.unsent).toBeGreaterThan(100 * KB)
      expect(pipe.most).toBeLessThan(120 * KB)
      expect(pipe.closed).toBeUndefined()
      await trickle(pipe, () => idsOf(pipe.taken).length >= 50)
      await publish(large.slice(60)) // while it is catching up
      await trickle(pipe, () => idsOf(pipe.taken).length >= large.length)
      pipe.flow()
      await delay(50)
      expect(idsOf(pipe.taken)).toEqual(large.map(({ id }) => id))
      if (mode === 'log') expect(seqsOf(pipe.taken.filter(isFor('EVENT')))).toEqual(large.map((_, n) => n + 1))
      expect(pipe.closed).toBeUndefined()
    },
  )

  test('while a stored query is being sent: pages wait, nothing is lost or repeated, live follows', async () => {
    const { relay, publish } = await start()
    await publish(large.slice(0, 80))
    const pipe = pipeTo(relay)
    pipe.stall()
    pipe.send('REQ', 's', { kinds: [1], limit: 500 })
    await delay(100)
    expect(pipe.most).toBeLessThan(100 * KB + 300 * KB)
    await publish(large.slice(80))
    await trickle(pipe, () => idsOf(pipe.taken).length >= large.length)
    const stored = idsOf(pipe.taken.slice(0, pipe.taken.findIndex(isFor('EOSE'))))
    expect(stored).toEqual(
      large
        .slice(0, stored.length)
        .map(({ id }) => id)
        .reverse(),
    )
    expect(new Set(idsOf(pipe.taken)).size).toBe(large.length)
    expect(idsOf(pipe.taken)).toHaveLength(large.length)
  })

  test('with many subscriptions behind at once it is served one page at a time, not closed', async () => {
    const { relay, publish } = await start()
    await publish(large)
    const pipe = pipeTo(relay)
    pipe.stall()
    for (let n = 0; n < 8; n += 1) pipe.send('REQ', `log ${n}`, { since_seq: 0, kinds: [1] })
    for (let n = 0; n < 8; n += 1) pipe.send('REQ', `plain ${n}`, { kinds: [1] })
    await delay(200)
    await trickle(pipe, () => pipe.closed !== undefined || idsOf(pipe.taken).length >= 16 * large.length)
    expect(pipe.closed).toBeUndefined()
    expect(pipe.most).toBeLessThan(limits.outboundHardBytes)
    for (let n = 0; n < 8; n += 1) {
      expect(seqsOf(pipe.taken.filter(isFor('EVENT', `log ${n}`)))).toEqual(large.map((_, m) => m + 1))
      expect(idsOf(pipe.taken.filter(isFor('EVENT', `plain ${n}`)))).toHaveLength(large.length)
    }
  })

  test('ephemerals are dropped first', async () => {
    const { relay, publish, writer } = await start()
    const pipe = pipeTo(relay)
    pipe.send('REQ', 's', {})
    await eose(pipe, 's')
    pipe.stall()
    await publish(large.slice(0, 20))
    const ephemeral = alice.sign({ kind: 24_700, created_at: nowSeconds() })
    writer.send('EVENT', ephemeral)
    await expect.poll(() => writer.taken.some(isFor('OK', ephemeral.id))).toBe(true)
    pipe.flow()
    await expect.poll(() => idsOf(pipe.taken).length).toBe(20)
    expect(idsOf(pipe.taken)).not.toContain(ephemeral.id)
  })

  test('above the hard limit: 1013, and its subscriptions are forgotten', async () => {
    const { relay } = await start({ store: createMemoryStore() })
    const pipe = pipeTo(relay)
    pipe.send('REQ', 's', { kinds: [1] })
    await eose(pipe, 's')
    pipe.stall()
    for (let n = 0; n < 20_000 && pipe.closed === undefined; n += 1) pipe.send('HELLO')
    expect(pipe.closed?.code).toBe(1013)
    expect(pipe.most).toBeLessThan(limits.outboundHardBytes + KB)
    pipe.send('REQ', 'more', {}) // what was already on its way
    await delay(20)
    expect(relay.load).toEqual({ connections: 1, subscriptions: 0 }) // the writer's
  })

  test('30 s without progress: its subscriptions are CLOSED by name, then 1013; any progress starts the time anew', async () => {
    const time = manualTime()
    const { relay, publish } = await start({ clock: time.clock, timers: time.timers })
    const pipe = pipeTo(relay)
    pipe.send('REQ', 's', { since_seq: 0 })
    await eose(pipe, 's')
    pipe.stall()
    await publish(large.slice(0, 30))
    await time.advance(29_000)
    pipe.take(1)
    await time.advance(29_000)
    expect(pipe.closed).toBeUndefined()
    await time.advance(1_000)
    expect(pipe.closed?.code).toBe(1013)
    pipe.flow()
    expect(pipe.taken.at(-1)).toEqual(['CLOSED', 's', expect.stringMatching(/^error: too slow/)])
    expect(relay.load.subscriptions).toBe(0)
  })
})

test('over a real socket: a client that stops reading is resumed, and others notice nothing', async () => {
  const { connect } = await startRelay({ data: tempDir(), limits: { outboundHighBytes: 64 * KB, page: 10_000 } })
  const [slow, fast, writer] = [await connect(), await connect(), await connect()]
  await slow.request('s', { since_seq: 0 })
  await fast.request('f', { since_seq: 0 })
  for (const event of large) writer.send('EVENT', event)
  await expect.poll(() => idsOf(fast.received).length, { timeout: 8_000 }).toBe(large.length)
  slow.socket.pause()
  // Far more than the kernel's buffers hold, from the log.
  const subs = Array.from({ length: 30 }, (_, n) => `again ${n}`)
  for (const sub of subs) slow.send('REQ', sub, { since_seq: 0 })
  await delay(300)
  const extra = alice.sign({ created_at: nowSeconds() })
  expect((await writer.publish(extra))[2]).toBe(true)
  await expect.poll(() => idsOf(fast.received).at(-1)).toBe(extra.id)
  slow.socket.resume()
  const wanted = [...large, extra].map(({ id }) => id)
  for (const sub of ['s', ...subs])
    await expect.poll(() => idsOf(slow.received.filter(isFor('EVENT', sub))), { timeout: 8_000 }).toEqual(wanted)
  expect(slow.socket.readyState).toBe(slow.socket.OPEN)
})
