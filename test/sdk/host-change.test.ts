import { createVirtualTime, seededRandom } from 'posthorn/testing'
import { expect, test } from 'vitest'
import type { Socket, SocketEvents } from '#dist/platform/socket.js'
import { createLink } from '#dist/sdk/link/link.js'

/** A link to a relay that is played by hand, on a host that tells of changes. */
function scene(options: { reconnect?: boolean } = {}) {
  const time = createVirtualTime(0)
  const dials: { events: SocketEvents; sent: string[] }[] = []
  const listeners = new Set<() => void>()
  const link = createLink({
    url: 'ws://relay.test',
    clock: time.clock,
    timers: time.timers,
    random: seededRandom(1),
    reconnect: options.reconnect ?? true,
    onHostChange(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    dial(_url, events) {
      const sent: string[] = []
      dials.push({ events, sent })
      const socket: Socket = {
        send: text => void sent.push(text),
        close: () => events.onClose(1000, ''),
        terminate: () => events.onClose(1006, 'terminated'),
        unsentBytes: 0,
      }
      return socket
    },
    onOpen() {},
    onDown() {},
  })
  const change = () => {
    for (const listener of listeners) listener()
  }
  const latest = () => {
    const dial = dials.at(-1)
    if (!dial) throw new Error('nothing was dialled')
    return dial
  }
  return { time, dials, listeners, link, change, latest }
}

test('a wait for the next attempt is cut short', async () => {
  const { time, dials, change, latest } = scene()
  for (let tries = 0; tries < 6; tries += 1) {
    latest().events.onClose(1006, 'no network')
    await time.advance(60_000)
  }
  latest().events.onClose(1006, 'no network')
  const before = dials.length
  change()
  expect(dials.length).toBe(before + 1)
  await time.advance(0)
  change()
  expect(dials.length, 'an attempt under way is left alone').toBe(before + 1)
})

test('an open connection is asked for a sign of life, and dropped within 10 s without one', async () => {
  const { time, dials, change, latest } = scene()
  latest().events.onOpen?.()
  await time.advance(5_000)
  const first = latest()
  const asked = first.sent.length
  change()
  expect(first.sent.length).toBe(asked + 1)
  await time.advance(9_000)
  expect(dials.length).toBe(1)
  await time.advance(5_000)
  expect(dials.length).toBe(2)
})

test('a relay that misbehaved is not tried sooner for it', async () => {
  const { time, dials, change, latest, link } = scene()
  latest().events.onOpen?.()
  await time.advance(1_000)
  link.drop('it lied', true)
  change()
  expect(dials.length).toBe(1)
  await time.advance(61_000)
  expect(dials.length).toBe(2)
})

test('a closed link listens no more, and one that does not reconnect never did', async () => {
  const { link, listeners } = scene()
  expect(listeners.size).toBe(1)
  await link.close()
  expect(listeners.size).toBe(0)
  expect(scene({ reconnect: false }).listeners.size).toBe(0)
})
