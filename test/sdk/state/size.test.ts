import { createMemoryStore, createRelay } from 'posthorn/relay'
import { expect, it, onTestFinished } from 'vitest'
import { dialNode } from '#dist/platform/dial-node.js'
import type { Dial } from '#dist/platform/socket.js'
import { parseDelta } from '#dist/protocol/state.js'
import { sharedVerifier } from '../../helpers/shared-verifier.ts'
import { alice, bob, eventually, memoryAgent } from '../agents.ts'

/** What one small change may cost on the wire: an event frame as a reader of the SDK gets it, with its header. Bytes. */
const MOST = 450
const digits = (n: number) => String(n).length

it(`a small change of a large record travels in at most ${MOST} bytes`, async () => {
  const relay = await createRelay({ store: createMemoryStore(), verifier: await sharedVerifier() })
  onTestFinished(() => relay.close())
  const url = await relay.listen({ port: 0 })
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
  const owner = await memoryAgent(alice, url)
  const own = await owner.state.open()
  await own.update(Object.fromEntries(Array.from({ length: 30 }, (_, n) => [`key${n}`, 'x'.repeat(60)])))
  expect(await own.flush()).toBe(true)
  const reader = await memoryAgent(bob, url, { host: { dial } })
  const view = await reader.openState(alice.pubkey)
  expect(await view.ready()).toBe(true)
  for (const n of [1, 2]) {
    await own.set('key7', 1_000 + n)
    expect(await own.flush()).toBe(true)
    await eventually('it is told', () => view.get('key7') === 1_000 + n)
  }
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
