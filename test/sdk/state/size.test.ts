import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { StateView } from 'posthorn'
import { createMemoryStore, createRelay } from 'posthorn/relay'
import { expect, it, onTestFinished } from 'vitest'
import { dialNode } from '#dist/platform/dial-node.js'
import type { Dial } from '#dist/platform/socket.js'
import { parseDelta } from '#dist/protocol/state.js'
import { sharedVerifier } from '../../helpers/shared-verifier.ts'
import { alice, bob, eventually, memoryAgent } from '../agents.ts'

/** What one small change may cost on the wire: an event frame as a reader of the SDK gets it, with its header. Bytes. */
const MOST = 450
const MOST_COMPRESSED = 170
const digits = (n: number) => String(n).length

async function startRelay(deflate = false): Promise<string> {
  const relay = await createRelay({ store: createMemoryStore(), verifier: await sharedVerifier(), deflate })
  onTestFinished(() => relay.close())
  return relay.listen({ port: 0 })
}

/** Somebody with a record that is not published whole any more, and one small change after the other for a reader. */
async function largeRecord(url: string) {
  const owner = await memoryAgent(alice, url)
  const own = await owner.state.open()
  await own.update(Object.fromEntries(Array.from({ length: 30 }, (_, n) => [`key${n}`, 'x'.repeat(60)])))
  expect(await own.flush()).toBe(true)
  return async (view: StateView, n: number) => {
    await own.set('key7', 1_000 + n)
    expect(await own.flush()).toBe(true)
    await eventually('it is told', () => view.get('key7') === 1_000 + n)
  }
}

it(`a small change of a large record travels in at most ${MOST} bytes`, async () => {
  const url = await startRelay()
  const frames: string[] = []
  const dial: Dial = (to, events, how) =>
    dialNode(
      to,
      {
        ...events,
        onText(text) {
          frames.push(text)
          events.onText(text)
        },
      },
      how,
    )
  const change = await largeRecord(url)
  const reader = await memoryAgent(bob, url, { host: { dial } })
  const view = await reader.openState(alice.pubkey)
  expect(await view.ready()).toBe(true)
  for (const n of [1, 2]) await change(view, n)
  const [, , event, seq] = JSON.parse(frames.findLast(text => text.includes('"kind":34701')) ?? '[]')
  const delta = parseDelta(event)
  if (!delta.ok) throw new Error(delta.error)
  expect(delta.value).toMatchObject({ o: 's', previous: expect.stringMatching(/^[0-9a-f]{16}$/) })
  // As it will be when the relay has tens of thousands of events, and the session thousands.
  const grown =
    digits(10_000) - digits(seq) + (digits(1_000) - digits(delta.value.n)) + (digits(127) - digits(delta.value.n))
  const header = 4
  const bytes = Buffer.byteLength(frames.findLast(text => text.includes('"kind":34701')) ?? '') + header
  expect(bytes + grown).toBeLessThanOrEqual(MOST)
})

it(`and in ${MOST_COMPRESSED} where relay and reader compress`, async () => {
  const relay = new URL(await startRelay(true))
  let bytes = 0
  const proxy = createServer(near => {
    const far = connect(Number(relay.port), relay.hostname)
    far.on('data', data => {
      bytes += data.length
    })
    near.pipe(far).pipe(near)
  })
  onTestFinished(() => void proxy.close())
  proxy.listen(0, '127.0.0.1')
  await once(proxy, 'listening')
  const address = proxy.address()
  if (typeof address !== 'object' || address === null) throw new Error('no port')
  const change = await largeRecord(relay.origin === 'null' ? relay.href : relay.origin)
  const reader = await memoryAgent(bob, `ws://127.0.0.1:${address.port}`, { deflate: true })
  const view = await reader.openState(alice.pubkey)
  expect(await view.ready()).toBe(true)
  const each: number[] = []
  for (let n = 1; n <= 12; n += 1) {
    const before = bytes
    await change(view, n)
    each.push(bytes - before)
  }
  // The first ones have little to refer to.
  const last = each.slice(-8)
  expect(last.reduce((sum, one) => sum + one, 0) / last.length).toBeLessThanOrEqual(MOST_COMPRESSED)
})
