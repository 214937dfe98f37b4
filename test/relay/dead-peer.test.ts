import { createMemoryStore, createRelay } from 'posthorn/relay'
import { expect, onTestFinished, test } from 'vitest'
import WebSocket from 'ws'
import { PING_MS, pingInTurns } from '#dist/relay/pings.js'
import { manualTime } from './relay-on-test.ts'

test('a peer that misses two pings is dropped without a handshake, one that answers stays', async () => {
  const time = manualTime()
  const relay = await createRelay({ ...time, store: createMemoryStore() })
  onTestFinished(() => relay.close())
  const url = await relay.listen({ port: 0 })
  const open = async (autoPong: boolean) => {
    const socket = new WebSocket(url, { autoPong })
    const closed = new Promise<number>(resolve => socket.once('close', resolve))
    await new Promise(resolve => socket.once('open', resolve))
    return { socket, closed }
  }
  const [dead, live] = [await open(false), await open(true)]
  await time.advance(PING_MS * 2 + 1_000)
  expect(relay.load.connections).toBe(2)
  await time.advance(PING_MS)
  expect(await dead.closed).toBe(1006)
  await expect.poll(() => relay.load.connections).toBe(1)
  await time.advance(PING_MS * 4)
  expect(live.socket.readyState).toBe(WebSocket.OPEN)
  live.socket.terminate()
})

test('every peer is pinged once a round, and never all of many at the same moment', async () => {
  const { clock, timers, advance } = manualTime()
  const pings = new Map<number, number>()
  const moments = new Map<number, number>()
  const peers = Array.from({ length: 1_003 }, (_, n) => ({
    pingOrDrop() {
      pings.set(n, (pings.get(n) ?? 0) + 1)
      moments.set(clock.monotonic(), (moments.get(clock.monotonic()) ?? 0) + 1)
    },
  }))
  const stop = pingInTurns(timers, peers)
  await advance(PING_MS - 1)
  expect(pings.size).toBe(0)
  for (const round of [1, 2, 3]) {
    await advance(PING_MS)
    expect(pings.size).toBe(peers.length)
    expect(new Set(pings.values())).toEqual(new Set([round]))
  }
  expect(Math.max(...moments.values())).toBe(41)
  stop()
  await advance(PING_MS * 2)
  expect(pings.get(0)).toBe(3)
})
