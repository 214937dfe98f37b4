import type { NostrEvent } from 'posthorn/protocol'
import { createMemoryStore, createRelay, type Store } from 'posthorn/relay'
import { expect, onTestFinished, test } from 'vitest'
import { notes, person } from '../helpers/events.ts'
import { door } from './late-store.ts'
import { connect, endOf, idsOf, isFor } from './wire.ts'

const alice = person('alice')

/** A relay whose store and verifier fail when told to, and what its operator hears. */
async function start() {
  const failing = {
    append: undefined as Error | undefined,
    read: undefined as Error | undefined,
    verify: undefined as Error | undefined,
  }
  const reads = door()
  const inner = createMemoryStore()
  const orFail = <T>(error: Error | undefined, run: () => Promise<T>): Promise<T> =>
    error === undefined ? run() : Promise.reject(error)
  // The memory store keeps its state beside itself, so its other methods may be taken as they are.
  const store: Store = {
    ...inner,
    get head() {
      return inner.head
    },
    get epochs() {
      return inner.epochs
    },
    append: (events, now) => orFail(failing.append, () => inner.append(events, now)),
    readLog: request => reads.pass().then(() => orFail(failing.read, () => inner.readLog(request))),
    query: request => reads.pass().then(() => orFail(failing.read, () => inner.query(request))),
    count: (filters, reader) => orFail(failing.read, () => inner.count(filters, reader)),
  }
  const verifier = {
    tier: 'failing',
    verify: (events: readonly NostrEvent[]) => orFail(failing.verify, async () => events.map(() => true)),
    close: async () => {},
  }
  const reported: string[] = []
  const relay = await createRelay({ store, verifier, onError: where => reported.push(where) })
  const url = await relay.listen({ port: 0 })
  onTestFinished(() => relay.close())
  return { failing, reads, reported, relay, wire: await connect(url) }
}

test('a commit that fails: every event of it gets OK false `error:`, nothing is told to anyone, the next one works', async () => {
  const { failing, reported, wire } = await start()
  await wire.request('live', {})
  const [one, two, three] = notes(alice, 3) as [NostrEvent, NostrEvent, NostrEvent]
  failing.append = new Error('disk')
  expect((await wire.publish(one)).slice(2)).toEqual([false, expect.stringMatching(/^error: .*try again/)])
  failing.append = Object.assign(new Error('full'), { code: 'SQLITE_FULL' })
  expect((await wire.publish(two)).slice(2)).toEqual([false, expect.stringMatching(/^error: storage full/)])
  failing.append = undefined
  expect((await wire.publish(three)).slice(2)).toEqual([true, 'seq: 1'])
  expect((await wire.publish(one)).slice(2)).toEqual([true, 'seq: 2'])
  await wire.quiet()
  expect(idsOf(wire.received)).toEqual([three.id, one.id])
  expect(reported).toEqual(['log', 'log'])
})

test('a verifier that fails: OK false `error:`, for nothing is known of the event', async () => {
  const { failing, reported, wire } = await start()
  const [event] = notes(alice, 1) as [NostrEvent]
  failing.verify = new Error('thread')
  expect((await wire.publish(event)).slice(2)).toEqual([false, expect.stringMatching(/^error: /)])
  failing.verify = undefined
  expect((await wire.publish(event))[2]).toBe(true)
  expect(reported).toEqual(['verify'])
})

test('a read that fails: CLOSED `error:` for REQ and COUNT, and no subscription is left behind', async () => {
  const { failing, reported, relay, wire } = await start()
  failing.read = new Error('disk')
  for (const filter of [{}, { since_seq: 0 }])
    expect(await wire.request('s', filter)).toEqual(
      expect.arrayContaining([['CLOSED', 's', expect.stringMatching(/^error: /)]]),
    )
  expect((await wire.count({}))[2]).toMatch(/^error: /)
  expect(relay.load.subscriptions).toBe(0)
  expect(reported).toHaveLength(3)
  failing.read = undefined
  expect((await wire.request('s', {})).at(-1)?.[0]).toBe('EOSE')
})

test('a read that fails after its subscription was replaced harms the new one in nothing', async () => {
  const { failing, reads, relay, wire } = await start()
  reads.shut()
  wire.send('REQ', 's', { kinds: [1] })
  await expect.poll(() => reads.waiting).toBe(1)
  failing.read = new Error('disk')
  wire.send('REQ', 's', { kinds: [1], limit: 0 }) // reads nothing
  expect((await wire.find(endOf('s')))[0]).toBe('EOSE')
  reads.open()
  await wire.quiet()
  expect(wire.received.filter(isFor('CLOSED'))).toEqual([])
  expect(relay.load.subscriptions).toBe(1)
})
