import type { Agent, StateView } from 'posthorn'
import type { NostrEvent } from 'posthorn/protocol'
import { type MailSnapshot, type TestMesh, testMesh } from 'posthorn/testing'
import { expect, it } from 'vitest'
import { type Random, randomFloat, seededRandom } from '#dist/platform/random.js'
import { parseDelta } from '#dist/protocol/state.js'
import { testSeed } from '../../helpers/seed.ts'
import { passing } from './passing.ts'

const seed = testSeed('state histories')
/** `HISTORIES=200` for a longer look. */
const HISTORIES = Number(process.env['HISTORIES'] ?? 4)

interface Story {
  readonly on: TestMesh
  readonly random: Random
  /** Every event that was signed, by place. */
  readonly signed: Map<string, NostrEvent>
  readonly twice: string[]
  readonly written: Map<string, Set<number>>
  /** The last write of each key that was acknowledged as kept. */
  readonly kept: Map<string, number>
  readonly hits: { tried: number; kept: number }
}

const pick = <T>(random: Random, from: readonly T[]): T => from[Math.floor(randomFloat(random) * from.length)] as T

async function tell(at: number, withOthers: boolean): Promise<Story & { views: StateView[]; owners: Agent[] }> {
  const random = seededRandom(at)
  const signed = new Map<string, NostrEvent>()
  const twice: string[] = []
  const on = await testMesh({
    seed: at,
    keys: 'stand-in',
    relays: 3,
    onSigned(event) {
      if (event.kind !== 34_701) return
      const delta = parseDelta(event)
      if (!delta.ok) throw new Error(delta.error)
      const { o, session, n } = delta.value
      const place = `${event.pubkey.slice(0, 8)} ${o} ${session} ${n}`
      if (signed.has(place) && signed.get(place)?.id !== event.id) twice.push(place)
      signed.set(place, event)
    },
  })
  const written = new Map<string, Set<number>>()
  const kept = new Map<string, number>()
  const hits = { tried: 0, kept: 0 }
  const story = { on, random, signed, twice, written, kept, hits }
  const agents = new Map<string, Agent>([['alice', await on.agent('alice')]])
  const awake = new Set(['alice'])
  const urls = on.relays.map(({ url }) => url)
  const bob = await on.agent('bob')
  const views = [await passing(on, bob.openState('alice'))]
  let backup: MailSnapshot | undefined
  let count = 0
  const homes = () => [...agents.keys()]

  for (let step = 0; step < 45; step += 1) {
    const name = pick(random, homes())
    const agent = agents.get(name) as Agent
    const draw = randomFloat(random)
    if (!on.isAwake(name)) awake.delete(name)
    if (draw < 0.55 && awake.has(name)) {
      count += 1
      const key = `key${Math.floor(randomFloat(random) * 40)}`
      // Long values, so that it soon goes by deltas and snapshots.
      const number = count
      const keptIt = () => on.isAwake(name) && kept.set(key, Math.max(number, kept.get(key) ?? 0))
      void agent.state.set(key, `${number} ${'x'.repeat(40)}`).then(keptIt, () => {})
      written.set(key, (written.get(key) ?? new Set()).add(number))
      hits.tried += 1
      const counted = () => {
        // The dead say so, too.
        if (on.isAwake(name)) hits.kept += 1
      }
      void agent.state.count('hits').then(counted, () => {})
      if (draw < 0.1) void agent.state.add('tags', count % 7).catch(() => {})
      if (draw > 0.5) void agent.state.remove('tags', count % 7).catch(() => {})
      await on.advance(randomFloat(random) * 400)
    } else if (draw < 0.68) await on.advance(randomFloat(random) * 20_000)
    else if (draw < 0.74 && awake.has(name))
      on.killAt(name, { at: pick(random, ['keep', 'sign', 'send', 'hear'] as const), after: draw < 0.71 })
    else if (draw < 0.82 && !awake.has(name)) {
      agents.set(name, await on.wake(name))
      awake.add(name)
    } else if (draw < 0.86) await on.block(name, pick(random, urls))
    else if (draw < 0.92) for (const url of urls) on.unblock(name, url)
    else if (draw < 0.94) await pick(random, on.relays).cut()
    else if (draw < 0.96 && withOthers) backup = on.snapshot('alice')
    else if (draw < 0.98 && withOthers && backup) {
      agents.set('alice', await on.restore('alice', backup))
      awake.add('alice')
    } else if (withOthers && !agents.has('double')) {
      agents.set('double', await on.clone('alice', 'double'))
      awake.add('double')
    } else on.setWallClock(on.now - 300_000 * randomFloat(random))
  }
  for (const relay of on.relays) await relay.start()
  const owners: Agent[] = []
  for (const name of homes()) {
    for (const url of urls) on.unblock(name, url)
    if (on.isAwake(name)) await on.kill(name)
    const agent = await on.wake(name)
    owners.push(agent)
    await passing(on, agent.state.open())
  }
  await on.advance(200_000)
  for (const agent of owners) await passing(on, agent.state.flush(60_000))
  await on.advance(200_000)
  // Somebody who was never there before.
  const carol = await on.agent('carol')
  views.push(await passing(on, carol.openState('alice')))
  await passing(on, views[1]?.ready() ?? Promise.resolve(false))
  await on.advance(100_000)
  return { ...story, views, owners }
}

for (let index = 0; index < HISTORIES; index += 1) {
  const at = seed + index
  it(`${index % 2 ? 'with a clone and restored backups' : 'with crashes and outages'}: everybody comes to the same state (SEED=${at})`, async () => {
    const { on, views, owners, twice, written, kept, hits } = await tell(at, index % 2 === 1)
    try {
      expect(twice).toEqual([])
      const contents = [...views, ...(await Promise.all(owners.map(agent => agent.openState())))]
      for (const view of contents) {
        expect(view.content()).toEqual(contents[0]?.content())
        expect(view.digest).toBe(contents[0]?.digest)
        expect(view.status).toMatchObject({ behind: false, gaps: [] })
      }
      for (const [key, value] of Object.entries(views[0]?.content().values ?? {})) {
        const [number] = String(value).split(' ')
        expect(written.get(key)).toContain(Number(number))
        // Acknowledged: visible, or overwritten by something later.
        if (index % 2 === 0) expect(Number(number)).toBeGreaterThanOrEqual(kept.get(key) ?? 0)
      }
      if (index % 2 === 1) return
      expect(Object.keys(views[0]?.content().values ?? {})).toEqual(expect.arrayContaining([...kept.keys()]))
      const counted = views[0]?.counter('hits') ?? 0
      expect(counted).toBeGreaterThanOrEqual(hits.kept)
      expect(counted).toBeLessThanOrEqual(hits.tried)
    } finally {
      await on.close()
    }
  })
}
