import { createMemoryStore, createRelay } from 'posthorn/relay'
import { expect, onTestFinished, test } from 'vitest'
import WebSocket from 'ws'
import { manualTime } from './relay-on-test.ts'

const PING_MS = 25_000

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
