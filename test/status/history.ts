import { existsSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Agent, openAgent } from 'posthorn'
import type { Store } from 'posthorn/relay'
import type { Dial } from '#dist/platform/socket.js'
import { removeDir } from '../helpers/temp-dir.ts'
import { dice } from '../relay/dice.ts'
import { carryOut, close, freeHome, look, mend, open, retryAll } from './act.ts'
import { createWorldTime, until } from './clocks.ts'
import { isKnown } from './known.ts'
import { fault, faultsAtRest, holdAll } from './oracle.ts'
import { createPlace, type Place } from './place.ts'
import type { Plan } from './plan.ts'
import { type Claim, count, type Home, type World } from './world.ts'

/** Healed agents that run on have so long to come to rest by themselves, and so long again once they were started anew; real. */
const REST_MS = 4_000
const RESTARTED_REST_MS = Number(process.env['REST_MS'] ?? 120_000)
/**
 * What an agent remembers of others' relays is an hour old at most; whether a relay that is not its own still has what it acknowledged is
 * asked every six hours (sdk/relays/couriers.ts): one that was put back has lost mail until then.
 */
const SEVEN_HOURS_MS = 25_200_000
/** No power is lost here, so files need not be synced to anything. */
const MEMORY = '/dev/shm'

/** Points at which a test plants a lie. */
export interface Lies {
  readonly agent?: (agent: Agent, home: Home) => Agent
  readonly store?: (store: Store) => Store
}

export interface Told {
  readonly faults: readonly string[]
  readonly known: World['known']
  readonly held: ReadonlyMap<Claim, number>
  readonly exercised: World['exercised']
  readonly restarts: number
  readonly ms: number
}

/** Lives through a plan, holds what is said after each step against what is so, heals everything, and says what is not as it must be. */
export async function live(plan: Plan, lies: Lies = {}): Promise<Told> {
  const began = performance.now()
  const scratch = mkdtempSync(join(existsSync(MEMORY) ? MEMORY : tmpdir(), 'posthorn-status-'))
  const chance = dice(plan.seed + 1)
  const time = createWorldTime()
  const homes = new Map<string, Home>()
  const places: Place[] = []
  const world: World = {
    plan,
    time,
    places,
    homes,
    had: new Map(),
    faults: [],
    known: new Map(),
    held: new Map(),
    exercised: new Map(),
    speak: lies.agent ?? (agent => agent),
    restarts: 0,
  }
  try {
    for (let number = 0; number < plan.relays; number += 1)
      places.push(
        await createPlace({
          number,
          time,
          ...(plan.onDisk ? { data: join(scratch, `relay-${number}`) } : {}),
          chance: share => share !== undefined && share > 0 && chance.chance(share),
          keys: () => [...homes.values()].map(({ pubkey }) => pubkey),
          ...(lies.store ? { alter: lies.store } : {}),
        }),
      )
    await settle(world, scratch)
    for (const [number, step] of plan.steps.entries()) {
      await carryOut(world, step, number)
      await holdAll(world)
      if (world.faults.length > 0) break
    }
    if (world.faults.length === 0) await heal(world)
    for (const home of homes.values()) await close(world, home)
    return { ...world, faults: [...new Set(world.faults)], ms: performance.now() - began }
  } finally {
    for (const home of homes.values()) {
      freeHome(home)
      await home.agent?.close({ timeoutMs: 0 }).catch(() => {})
    }
    for (const place of places) await place.close()
    removeDir(scratch)
  }
}

/** Makes the profiles, and their contacts. */
async function settle(world: World, scratch: string): Promise<void> {
  const { plan, places, homes } = world
  for (const { name, relays } of plan.agents) {
    const used = relays.flatMap(number => places[number] ?? [])
    const folder = join(scratch, plan.layout === 'together' ? 'all' : name, name)
    const agent = await openAgent({
      home: folder,
      name,
      relays: used.map(({ url }) => url),
      presence: false,
      announce: false,
      host: { dial: noDial },
    })
    homes.set(name, {
      name,
      pubkey: agent.pubkey,
      folder,
      relays: used,
      agent: undefined,
      skewMs: 0,
      isFull: false,
      damaged: undefined,
      copies: [],
      restores: 0,
      sent: [],
      writes: [],
      writesAtRestore: 0,
      wasSkewed: false,
      wasFull: false,
      views: new Map(),
      names: new Map(),
    })
    await agent.close({ timeoutMs: 0 })
  }
  if (plan.layout === 'together') return
  for (const home of homes.values()) {
    const agent = await openAgent({ home: home.folder, presence: false, announce: false, host: { dial: noDial } })
    for (const other of homes.values())
      if (other !== home)
        agent.contacts.add(
          other.name,
          other.pubkey,
          plan.layout === 'hinted' ? { relays: other.relays.map(({ url }) => url) } : {},
        )
    await agent.close({ timeoutMs: 0 })
  }
}

/** A network that is not there. */
const noDial: Dial = (_url, events) => {
  queueMicrotask(() => events.onClose(1006, 'offline'))
  return { send() {}, close() {}, terminate() {}, unsentBytes: 0 }
}

/** Everything is right again, and everybody awake; what was given up is tried again, as its user would. Then all must come to rest. */
async function heal(world: World): Promise<void> {
  for (const place of world.places) {
    place.lie({})
    place.refusal = undefined
    place.full = false
    place.skewMs = 0
    place.stall(false)
    await place.start()
    place.cut()
  }
  for (const home of world.homes.values()) {
    freeHome(home)
    mend(home)
    home.skewMs = 0
  }
  await awake(world)
  let restless: readonly string[] = []
  const isAtRest = async () => {
    restless = await faultsAtRest(world)
    return restless.every(what => isKnown(`at rest: ${what}`))
  }
  if (!(await until(REST_MS, isAtRest))) {
    world.restarts += 1
    world.time.pass(SEVEN_HOURS_MS)
    for (const home of world.homes.values()) await close(world, home)
    await awake(world)
    await until(RESTARTED_REST_MS, isAtRest)
  }
  count(world.held, 'at rest')
  for (const what of restless) fault(world, 'at rest', what)
}

async function awake(world: World): Promise<void> {
  for (const home of world.homes.values()) {
    const agent = await open(world, home)
    if (!agent) fault(world, 'at rest', `${home.name} does not open`)
    else retryAll(agent)
  }
  for (const home of world.homes.values())
    for (const { name } of world.homes.values()) if (name !== home.name) await look(world, home, name)
}
