import { expect } from 'vitest'
import { handClock } from '../helpers/hand-clock.ts'
import { pipeTo } from '../relay/pipe.ts'
import { isFor } from '../relay/wire.ts'
import { nip } from './rules.ts'

// Rules of this file move it on together: they read the relay's time, never the system's.
const clock = handClock()
const seconds = () => Math.floor(clock.now() / 1000)
const { rule } = nip('40', { clock, limits: { outboundHighBytes: 4_096 } })

rule('an event that has expired is refused', async ({ open, alice }) => {
  const client = await open()
  for (const at of [seconds() - 1, seconds(), 1])
    expect(await client.refused(alice.sign({ created_at: seconds() - 9, tags: [['expiration', String(at)]] }))).toMatch(
      /^invalid: expired/,
    )
  await client.store(alice.sign({ created_at: seconds(), tags: [['expiration', String(seconds() + 1)]] }))
})

rule('an expired event is never served, although it is still on the disk', async ({ open, alice, relay }) => {
  const client = await open()
  const tags = [['expiration', String(seconds() + 50)]]
  const event = alice.sign({ created_at: seconds(), tags, content: 'brief visit' })
  await client.store(event)
  const filter = { authors: [alice.pubkey] }
  expect(await client.ids(filter)).toEqual([event.id])
  const { last } = relay.head
  clock.advance(50_000)
  expect(await client.ids(filter)).toEqual([])
  expect(await client.ids({ ids: [event.id] })).toEqual([])
  expect(await client.ids({ ...filter, since_seq: 0, gone: true })).toEqual([])
  expect((await client.count(filter))[2]).toEqual({ count: 0 })
  // Nothing has removed it in between.
  expect(relay.head.last).toBe(last)
})

rule(
  'a subscription is not sent an event that expired while it waited for a slow reader',
  async ({ alice, open, relay }) => {
    const reader = pipeTo(relay)
    reader.send('REQ', 's', { authors: [alice.pubkey] })
    await expect.poll(() => reader.taken.some(isFor('EOSE', 's'))).toBe(true)
    reader.stall()
    const writer = await open()
    const big = alice.sign({ created_at: seconds(), content: 'x'.repeat(6_000) })
    const brief = alice.sign({ created_at: seconds(), tags: [['expiration', String(seconds() + 5)]] })
    const lasting = alice.sign({ created_at: seconds(), content: 'lasting' })
    await writer.store(big, brief, lasting)
    clock.advance(6_000)
    reader.flow()
    await expect.poll(() => reader.taken.filter(isFor('EVENT')).map(frame => frame[2])).toEqual([big, lasting])
  },
)

rule('expiration does not make ephemeral events stored, nor keep them from those who listen', async scene => {
  const { open, alice } = scene
  const [reader, writer] = [await open(), await open()]
  await reader.request('s', { authors: [alice.pubkey] })
  for (const at of [seconds() - 10, seconds() + 100]) {
    const event = alice.sign({ kind: 20_000, created_at: seconds(), tags: [['expiration', String(at)]] })
    await writer.store(event)
    expect(await reader.next()).toEqual(['EVENT', 's', event])
    expect(await writer.ids({ ids: [event.id] })).toEqual([])
  }
})
