import { SimplePool, useWebSocketImplementation } from 'nostr-tools/pool'
import { connect, type Presence, type PresenceState } from 'posthorn'
import type { NostrEvent } from 'posthorn/protocol'
import { testMesh } from 'posthorn/testing'
import { expect, onTestFinished, test } from 'vitest'
import WebSocket from 'ws'
import type { Line } from '#dist/sdk/link/line.js'
import { createLines } from '#dist/sdk/link/lines.js'
import { observe } from '#dist/sdk/presence/observer.js'
import { createVirtualTime } from '#dist/testing/virtual-time.js'
import { nowSeconds } from '../helpers/events.ts'
import { startRelay } from '../helpers/start-relay.ts'
import { alice, bob, carol, eventually, memoryAgent } from './agents.ts'

useWebSocketImplementation(WebSocket)

/** What an observer was told of one key, in order, without repeats. */
function follow(agent: Awaited<ReturnType<typeof memoryAgent>>, who: string) {
  const told: PresenceState[] = []
  let last: Presence | undefined
  agent.presence.watch([who], presence => {
    last = presence
    if (told.at(-1) !== presence.state) told.push(presence.state)
  })
  return {
    told,
    get last() {
      return last
    },
  }
}

test('status, heartbeat, suspicion, loss and return, by the observer’s own clock', async () => {
  const mesh = await testMesh()
  onTestFinished(mesh.close)
  const a = await mesh.agent('alice')
  await mesh.agent('bob', { presence: true })
  const seen = follow(a, 'bob')
  await mesh.advance(1_000)
  expect(seen.told).toEqual(['online'])
  await mesh.advance(300_000)
  expect(seen.told).toEqual(['online'])
  expect(seen.last).toMatchObject({ heard: true, sessions: [{ session: expect.any(String) }] })
  await mesh.kill('bob')
  await mesh.advance(29_000)
  expect(seen.told).toEqual(['online'])
  await mesh.advance(2_000)
  expect(seen.told).toEqual(['online', 'offline'])
  await mesh.wake('bob', { presence: true })
  await mesh.advance(2_000)
  expect(seen.told).toEqual(['online', 'offline', 'online'])
  expect(await a.presence.get('bob')).toMatchObject({ state: 'online' })
})

test('the observer’s own absence is nobody else’s silence: counted from its reconnect, unknown meanwhile', async () => {
  const mesh = await testMesh()
  onTestFinished(mesh.close)
  const a = await mesh.agent('alice')
  const b = await mesh.agent('bob', { presence: true })
  const seen = follow(a, 'bob')
  await mesh.advance(1_000)
  await b.presence.set({ activity: 'reading' })
  await mesh.killRelay()
  await mesh.advance(200_000)
  expect(seen.told).toEqual(['online', 'unknown'])
  await mesh.startRelay()
  await mesh.advance(40_000)
  expect(seen.told.slice(0, 3)).toEqual(['online', 'unknown', 'online'])
  expect(seen.told).not.toContain('offline')
  expect(seen.last).toMatchObject({ activity: 'reading' })
})

test('a status nobody stands behind is suspect at 45 s and offline at 90 s, from when it was looked for', async () => {
  const time = createVirtualTime(Date.now())
  // Said yesterday by a program that neither leaves a will nor beats.
  const said = carol.sign({
    kind: 34_706,
    created_at: nowSeconds() - 86_400,
    tags: [['d', 'old']],
    content: '{"state":"online"}',
  })
  const line: Line = {
    url: 'ws://r',
    isOpen: true,
    publish: async () => ({ accepted: true, message: '' }),
    leaveWill: async () => ({ accepted: true, message: '' }),
    watch(_filters, { onEvent, onLive }) {
      queueMicrotask(() => {
        onEvent(said)
        onLive?.()
      })
      return () => {}
    },
    follow: () => () => {},
    ask: async () => ({ events: [], invalid: 0, complete: false }),
    subscribe: () => () => {},
    feeds: () => expect.unreachable(),
  }
  const times: [number, PresenceState][] = []
  await time.advance(1_000)
  const { stop } = observe({ ...time, lines: createLines([line]) }, [carol.pubkey], ({ state, heard }) => {
    expect(heard).toBe(false)
    times.push([time.clock.monotonic() - 1_000, state])
  })
  await time.advance(200_000)
  stop()
  expect(times).toEqual([
    [0, 'online'],
    [45_000, 'suspect'],
    [90_000, 'offline'],
  ])
})

test('the will is left before the status, and dated one above it', async () => {
  await using relay = await startRelay()
  const heard: unknown[][] = []
  const { dialNode } = await import('#dist/platform/dial-node.js')
  await memoryAgent(alice, relay.url, {
    presence: true,
    host: {
      dial(url, events) {
        const socket = dialNode(url, events)
        return {
          ...socket,
          send(text) {
            heard.push(JSON.parse(text))
            socket.send(text)
          },
          get unsentBytes() {
            return socket.unsentBytes
          },
        }
      },
    },
  })
  const find = (verb: string, kind: number) =>
    heard.findIndex(([type, event]) => type === verb && (event as NostrEvent).kind === kind)
  await eventually('the status is out', () => find('EVENT', 34_706) >= 0)
  const will = heard[find('WILL', 34_706)]?.[1] as NostrEvent
  const status = heard[find('EVENT', 34_706)]?.[1] as NostrEvent
  expect(find('WILL', 34_706)).toBeGreaterThan(-1)
  expect(find('WILL', 34_706)).toBeLessThan(find('EVENT', 34_706))
  expect(will.created_at).toBe(status.created_at + 1)
  expect(will.tags).toContainEqual(['relay', relay.url])
  expect(JSON.parse(will.content)).toMatchObject({ state: 'lost' })
})

test('rich status, goodbye with a time to wake, and several sessions of one key', async () => {
  await using relay = await startRelay()
  const b = await memoryAgent(bob, relay.url)
  const seen = follow(b, 'alice')
  const desk = await memoryAgent(alice, relay.url, { presence: true, host: { session: 'desk' } })
  const phone = await memoryAgent(alice, relay.url, { presence: true, host: { session: 'phone' } })
  await desk.presence.set({ activity: 'reviewing', mood: 'curious', energy: 0.5, attention: -0.2, acceptsWork: true })
  await eventually(
    'both are seen',
    () => seen.last?.sessions.length === 2 && seen.last.sessions.some(each => each.mood),
  )
  expect(seen.last?.sessions.find(({ session }) => session === 'desk')).toMatchObject({
    state: 'online',
    activity: 'reviewing',
    mood: 'curious',
    energy: 0.5,
    attention: -0.2,
    acceptsWork: true,
  })
  const wakesAt = nowSeconds() + 3_600
  await phone.presence.set({ wakesAt })
  await phone.close()
  await desk.close()
  await eventually('both are gone', () => seen.last?.state === 'asleep')
  expect(seen.last).toMatchObject({ session: 'phone', state: 'asleep', wakesAt })
  expect(seen.last?.sessions.map(({ state }) => state)).toEqual(['asleep', 'offline'])
  expect(() => desk.presence.set({ energy: 2 })).not.toThrow()
  await expect(b.presence.set({ energy: 2 })).rejects.toThrow(RangeError)
  await expect(b.presence.set({ mood: 'x'.repeat(257) })).rejects.toThrow(RangeError)
})

test('hostile presence: replayed heartbeats, sessions without end and junk keep nobody alive and cost little', async () => {
  await using relay = await startRelay()
  const b = await memoryAgent(bob, relay.url)
  const seen = follow(b, 'alice')
  const client = await connect(relay.url)
  const say = (kind: number, d: string, content: string, created_at = nowSeconds()) =>
    client.publish(alice.sign({ kind, created_at, tags: [['d', d]], content }))
  await say(34_706, 'a', '{"state":"offline","energy":7,"activity":5}')
  await eventually('it is read', () => seen.last?.state === 'offline')
  expect(seen.last).not.toHaveProperty('energy')
  expect(seen.last).not.toHaveProperty('activity')
  // Older than the goodbye: a straggler, or a replay.
  await say(24_706, 'a', '', nowSeconds() - 60)
  // Of a session that nobody knows, but a quarter of an hour old.
  await say(24_706, 'replayed', '', nowSeconds() - 910)
  await say(34_706, 'b', '{"state":"offline"}')
  await eventually('what came behind it is read', () => seen.last?.sessions.some(each => each.session === 'b') === true)
  expect(seen.last?.sessions.map(each => each.session).sort()).toEqual(['a', 'b'])
  for (const junk of ['', 'x', '[]', '{"state":"alive"}', `{"state":"online","activity":"${'x'.repeat(5_000)}"}`])
    await say(34_706, `junk ${junk.length}`, junk)
  for (let n = 0; n < 30; n += 1) await say(34_706, `s${n}`, '{"state":"offline"}', nowSeconds() + n)
  await eventually('the newest is read', () => seen.last?.sessions.some(({ session }) => session === 's29') === true)
  expect(seen.last?.state).toBe('offline')
  expect(seen.last?.sessions.length).toBeLessThanOrEqual(16)
  await client.close()
})

test('plain Nostr clients read presence and card', async () => {
  await using relay = await startRelay()
  const a = await memoryAgent(alice, relay.url, { presence: true })
  await a.sync()
  await a.card.set({
    description: 'reviews code',
    skills: [{ id: 'review', name: 'Review', description: '', tags: ['Code'] }],
  })
  await a.presence.set({ activity: 'waiting' })
  const pool = new SimplePool()
  onTestFinished(() => pool.destroy())
  const card = await pool.get([relay.url], { kinds: [14_705], '#t': ['code'], authors: [alice.pubkey] })
  expect(JSON.parse(card?.content ?? '')).toMatchObject({
    name: 'alice',
    description: 'reviews code',
    supportedInterfaces: [{ url: relay.url, protocolBinding: 'urn:nostr:kind:4700' }],
    skills: [{ id: 'review' }],
  })
  const status = await pool.get([relay.url], { kinds: [34_706], authors: [alice.pubkey] })
  expect(status?.tags).toContainEqual(['status', 'online'])
  expect(JSON.parse(status?.content ?? '')).toMatchObject({ state: 'online', activity: 'waiting' })
})

test('a relay that joins at run time carries everything: card, presence, its will, what is watched and heard', async () => {
  const mesh = await testMesh({ seed: 21, relays: 2 })
  const [one, two] = mesh.relays
  if (!one || !two) throw new Error('no relays')
  const bob = await mesh.agent('bob', { relays: [one.url], presence: true })
  const carol = await mesh.agent('carol', { relays: [two.url], presence: true })
  const [watched, heard]: [string[], string[]] = [[], []]
  bob.presence.watch(['carol'], ({ state }) => void watched.push(state))
  bob.on('ephemeral', ({ text }) => void heard.push(text))
  await mesh.advance(5_000)
  expect(await until(mesh, carol.card.get('bob'))).toBeUndefined()
  expect(watched).toEqual([])

  const { text } = await carol.invites.create()
  await bob.invites.accept(text)
  await mesh.advance(5_000)
  expect(await until(mesh, carol.card.get('bob'))).toMatchObject({ card: { name: 'bob' } })
  expect(await until(mesh, carol.presence.get('bob'))).toMatchObject({ state: 'online' })
  expect(watched.at(-1)).toBe('online')
  await until(mesh, carol.send('bob', 'psst', { ephemeral: true }))
  expect(heard).toEqual(['psst'])
  await bob.presence.set({ activity: 'told at both' })
  await mesh.kill('bob')
  await mesh.advance(35_000)
  expect(await until(mesh, carol.presence.get('bob'))).toMatchObject({ state: 'offline', activity: 'told at both' })
  await mesh.close()
})

/** A promise that needs virtual time to pass. */
async function until<T>(mesh: { advance(ms: number): Promise<void> }, promise: Promise<T>): Promise<T> {
  let over = false
  promise.finally(() => {
    over = true
  })
  while (!over) await mesh.advance(500)
  return promise
}
