import { createMemoryMailStore } from 'posthorn'
import { defaultLimits } from 'posthorn/protocol'
import { expect, test } from 'vitest'
import { dialNode } from '#dist/platform/dial-node.js'
import { seededRandom } from '#dist/platform/random.js'
import type { Dial } from '#dist/platform/socket.js'
import { testSeed } from '../helpers/seed.ts'
import { startRelay } from '../helpers/start-relay.ts'
import { alice, bob, eventually, fastTimers, memoryAgent } from './agents.ts'

const SEED = testSeed('cut connections')

/** Connections that die after 1 to `most` received frames. */
function mortalDial(random: { bytes(length: number): Uint8Array }, most: number): Dial {
  return (url, events) => {
    let left = 1 + ((random.bytes(1)[0] ?? 0) % most)
    const spend = () => {
      left -= 1
      if (left === 0) socket.terminate()
      return left >= 0
    }
    const socket = dialNode(url, { ...events, onText: text => spend() && events.onText(text) })
    return {
      send: text => socket.send(text),
      close: (code, reason) => socket.close(code, reason),
      terminate: () => socket.terminate(),
      get unsentBytes() {
        return socket.unsentBytes
      },
    }
  }
}

test('connections cut at random, small pages, a sender that goes on: everything once, in log order', async () => {
  await using relay = await startRelay({ limits: { ...defaultLimits, page: 7 } })
  const random = seededRandom(SEED)
  const timers = fastTimers(50)
  const sender = await memoryAgent(bob, relay.url, { host: { timers, dial: mortalDial(random, 25) } })
  const store = createMemoryMailStore()
  const receiver = await memoryAgent(alice, relay.url, { store, host: { timers, dial: mortalDial(random, 25) } })
  const sent: string[] = []
  for (let n = 0; n < 80; n += 1) {
    sent.push(await sender.send('alice', `${n}`, { public: true }))
    if (n % 10 === 0) await new Promise(resolve => setTimeout(resolve, 20))
  }
  await eventually('all sent', () => sender.status().queue === 0)
  await eventually('all arrived', () => receiver.inbox().length >= sent.length)
  const inbox = receiver.inbox()
  expect(inbox.map(each => each.id).toSorted()).toEqual(sent.toSorted())
  const seqs = inbox.map(each => each.seq ?? 0)
  expect(seqs).toEqual(seqs.toSorted((a, b) => a - b))
  for (const id of sent) {
    const delivery = sender.delivery(id)
    expect(delivery).toMatchObject({ state: expect.stringMatching(/^(stored|received)$/) })
    // A receipt may come where the OK was lost: then the place is not known.
    if (delivery && 'seq' in delivery) expect(delivery.seq).toBe(receiver.read(id)?.seq)
  }
})

test('pages smaller than the mail: asked on until complete', async () => {
  await using relay = await startRelay({ limits: { ...defaultLimits, page: 7 } })
  const sender = await memoryAgent(bob, relay.url)
  for (let n = 0; n < 30; n += 1) await sender.send('alice', `${n}`, { public: true })
  await eventually('sent', () => sender.status().queue === 0)
  const receiver = await memoryAgent(alice, relay.url)
  expect(await receiver.sync()).toMatchObject({ received: 30, new: 30, complete: true, gaps: 0 })
  expect(receiver.inbox().map(each => each.text)).toEqual(Array.from({ length: 30 }, (_, n) => `${n}`))
})
