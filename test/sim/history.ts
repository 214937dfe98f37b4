import type { Agent, HandlerMessage } from 'posthorn'
import { type LogSnapshot, type MailSnapshot, type MeshRelay, type TestMesh, testMesh } from 'posthorn/testing'
import { type Dice, dice } from '../relay/dice.ts'
import { mailboxOf } from './homes.ts'
import { checkCursors, faultsAtRest } from './invariants.ts'
import type { Plan, Step } from './plan.ts'

/** Most is well after the first; the last is long enough for every backoff, rest and comparison to have had its turn. */
const HEALING_MS = [40_000, 40_000, 160_000]

/** Where one key's mail lies: its first home, or a clone of it. */
export interface Home {
  readonly name: string
  readonly pubkey: string
  readonly relays: readonly string[]
  agent: Agent
  saved: MailSnapshot[]
  /** Counts its starts. */
  life: number
  isDead: boolean
  /** Its life was never interrupted, nor its mail put back. */
  untroubled: boolean
  /** What this home had ended when its present life began, or has ended since. */
  finished: Set<string>
}

/** What happened, kept by who looks on. */
export interface World {
  readonly mesh: TestMesh
  readonly homes: Map<string, Home>
  /** Relays that lied, those of them that hid what they had been given, and relays that went back. */
  readonly liars: Set<string>
  readonly hiders: Set<string>
  readonly rewound: Set<string>
  /** Messages that `send` had promised to keep, by home; forgotten when its mail is put back. */
  readonly promised: Map<string, Set<string>>
  /** Ids that any home of a key ever had in its inbox, and those a handler of it returned for. */
  readonly seen: Map<string, Set<string>>
  readonly worked: Map<string, Set<string>>
  readonly asks: { readonly home: string; readonly life: number; readonly text: string; answer: string | undefined }[]
  readonly faults: string[]
  readonly figures: Figures
}

export interface Figures {
  sent: number
  received: number
  handled: number
  /** Of agents, by a crash point or a kill. */
  deaths: number
  restores: number
  rewinds: number
  virtualSeconds: number
}

export interface Told {
  readonly faults: readonly string[]
  readonly figures: Figures
}

const idsIn = (book: Map<string, Set<string>>, key: string): Set<string> => {
  const known = book.get(key) ?? new Set<string>()
  book.set(key, known)
  return known
}

/**
 * Lives through a plan, heals everything, and says what is not as it must be. `harm` does what no agent or relay may, before they heal:
 * it has to be found.
 */
export async function live(
  plan: Plan,
  keys: 'real' | 'stand-in',
  harm?: (world: World) => Promise<void>,
): Promise<Told> {
  const mesh = await testMesh({ seed: plan.seed, relays: plan.relays, keys })
  const world: World = {
    mesh,
    homes: new Map(),
    liars: new Set(),
    hiders: new Set(),
    rewound: new Set(),
    promised: new Map(),
    seen: new Map(),
    worked: new Map(),
    asks: [],
    faults: [],
    figures: { sent: 0, received: 0, handled: 0, deaths: 0, restores: 0, rewinds: 0, virtualSeconds: 0 },
  }
  const chance = dice(plan.seed + 1)
  const logs = new Map<MeshRelay, LogSnapshot[]>(mesh.relays.map(relay => [relay, [relay.snapshot()]]))
  const start = mesh.now

  for (const { name, relays } of plan.agents) {
    const urls = relays.flatMap(number => mesh.relays[number]?.url ?? [])
    const agent = await mesh.agent(name, { relays: urls })
    const home: Home = {
      name,
      pubkey: agent.pubkey,
      relays: urls,
      agent,
      saved: [],
      life: 0,
      isDead: false,
      untroubled: true,
      finished: new Set(),
    }
    home.saved = [mesh.snapshot(name)]
    world.homes.set(name, home)
    begin(world, home, plan.failing, chance)
  }
  for (const [number, step] of plan.steps.entries()) {
    await take(world, plan, step, number, logs, chance)
    await look(world)
    if (world.faults.length > 0) break
  }
  await harm?.(world)
  await heal(world, plan.failing, chance)
  for (const name of world.homes.keys()) world.figures.received += mailboxOf(mesh.snapshot(name)).inbox.length
  world.figures.virtualSeconds = (mesh.now - start) / 1000
  await mesh.close()
  return world
}

/** After every step: what lies in the stores, and that no cursor is ahead of it. */
async function look(world: World): Promise<void> {
  for (const home of world.homes.values()) {
    const mailbox = mailboxOf(world.mesh.snapshot(home.name))
    const seen = idsIn(world.seen, home.pubkey)
    for (const { id } of mailbox.inbox) seen.add(id)
    if (world.mesh.isAwake(home.name) || home.isDead) continue
    home.isDead = true
    home.untroubled = false
    world.figures.deaths += 1
  }
  await checkCursors(world)
}

/** A new life of a home: handlers, and what it had ended before. */
function begin(world: World, home: Home, failing: number, chance: Dice): void {
  home.life += 1
  home.isDead = false
  const { life, agent } = home
  const { inbox } = mailboxOf(world.mesh.snapshot(home.name))
  home.finished = new Set(inbox.filter(({ state }) => state === 'done').map(effectOf))
  const handler = (message: HandlerMessage) => {
    if (home.life !== life || !world.mesh.isAwake(home.name)) return undefined
    const effect = effectOf(message)
    if (home.finished.has(effect)) world.faults.push(`${home.name} did ${effect} again, which it had ended`)
    if (chance.chance(failing)) throw new Error('not now')
    home.finished.add(effect)
    idsIn(world.worked, home.pubkey).add(message.id)
    world.figures.handled += 1
    return `done: ${message.text}`
  }
  agent.handle('request', handler, { maxAttempts: 40 })
}

/** What must happen once: the message's, or that of all with one key of one sender. */
const effectOf = ({ id, from, idem }: { id: string; from: string; idem?: string }): string =>
  idem === undefined ? id : `${from} ${idem}`

async function take(
  world: World,
  plan: Plan,
  step: Step,
  number: number,
  logs: Map<MeshRelay, LogSnapshot[]>,
  chance: Dice,
): Promise<void> {
  const { mesh, homes, figures } = world
  const home = 'who' in step ? homes.get(step.who) : undefined
  const relay = 'relay' in step ? mesh.relays[step.relay] : undefined
  const isAwake = home !== undefined && mesh.isAwake(home.name)
  switch (step.do) {
    case 'pass':
      await mesh.advance(step.ms)
      break
    case 'send':
      if (home && isAwake) {
        const text = `${step.act} ${number}`
        const ids =
          step.to.length === 1
            ? [await home.agent.send(step.to[0] ?? '', text, { act: step.act })]
            : await home.agent.sendAll(step.to, text, { act: step.act })
        promise(world, home, ids)
      }
      break
    case 'job':
      // The clone wants the same done, and does not know that it is being done.
      for (const each of homes.values())
        if (each.pubkey === home?.pubkey && mesh.isAwake(each.name))
          promise(world, each, [await each.agent.send(step.to, step.key, { act: 'request', idem: step.key })])
      break
    case 'ask':
      if (home && isAwake) {
        const ask: World['asks'][number] = {
          home: home.name,
          life: home.life,
          text: `question ${number}`,
          answer: undefined,
        }
        world.asks.push(ask)
        home.agent.ask(step.to, ask.text, { timeout: 86_400_000 }).then(
          ({ text }) => {
            ask.answer = text
          },
          error => {
            ask.answer = `error: ${error}`
          },
        )
        await mesh.settle()
      }
      break
    case 'kill':
      if (home) await mesh.kill(home.name)
      break
    case 'crash':
      if (home) mesh.killAt(home.name, step.point)
      break
    case 'wake':
      if (home && !isAwake) await wake(world, home, plan.failing, chance)
      break
    case 'cut':
      if (home) await mesh.cut(home.name)
      break
    case 'block':
      if (home && relay) await mesh.block(home.name, relay.url)
      break
    case 'unblock':
      if (home && relay) mesh.unblock(home.name, relay.url)
      break
    case 'save':
      if (home) home.saved = [...home.saved, mesh.snapshot(home.name)].slice(-2)
      break
    case 'restore':
      if (home?.saved.length) {
        figures.restores += 1
        home.untroubled = false
        world.promised.delete(home.name)
        home.life += 1
        home.agent = await mesh.restore(home.name, chance.of(home.saved))
        begin(world, home, plan.failing, chance)
      }
      break
    case 'clone':
      if (home && !homes.has(`${home.name} again`)) await clone(world, home, plan.failing, chance)
      break
    case 'stop':
      await relay?.kill()
      break
    case 'start':
      await relay?.start()
      break
    case 'drop':
      await relay?.cut()
      break
    case 'keep':
      if (relay) logs.get(relay)?.push(relay.snapshot())
      break
    case 'rewind': {
      const kept = relay && logs.get(relay)
      if (relay && kept) {
        figures.rewinds += 1
        world.rewound.add(relay.url)
        const back = chance.below(kept.length)
        // What was kept of a history that is undone is no past of the new one.
        kept.length = back + 1
        const snapshot = kept[back]
        if (snapshot) await relay.rewind(snapshot)
      }
      break
    }
    case 'lie':
      if (relay) {
        world.liars.add(relay.url)
        if (step.lies.withhold || step.lies.drop) world.hiders.add(relay.url)
        relay.lie(step.lies)
      }
  }
}

/** `send` has returned: from now on the message is kept. A send in whose middle the agent died promised nothing. */
function promise(world: World, home: Home, ids: readonly string[]): void {
  const kept = new Set(mailboxOf(world.mesh.snapshot(home.name)).outbox.map(({ id }) => id))
  for (const id of ids)
    if (world.mesh.isAwake(home.name) || kept.has(id)) {
      if (!idsIn(world.promised, home.name).has(id)) world.figures.sent += 1
      idsIn(world.promised, home.name).add(id)
    }
}

async function wake(world: World, home: Home, failing: number, chance: Dice): Promise<void> {
  home.untroubled = false
  home.life += 1
  home.agent = await world.mesh.wake(home.name)
  begin(world, home, failing, chance)
}

async function clone(world: World, home: Home, failing: number, chance: Dice): Promise<void> {
  const { mesh, homes } = world
  const from = chance.of([...home.saved, mesh.snapshot(home.name)])
  const name = `${home.name} again`
  home.untroubled = false
  const agent = await mesh.clone(home.name, name, { from, relays: home.relays })
  const twin: Home = { ...home, name, agent, saved: [], life: 0, untroubled: false, finished: new Set() }
  homes.set(name, twin)
  begin(world, twin, failing, chance)
}

/** Everybody is honest, there, and awake; then nothing more is done to them until all is as it must be, or should be by now. */
async function heal(world: World, failing: number, chance: Dice): Promise<void> {
  const { mesh, homes } = world
  for (const relay of mesh.relays) {
    relay.lie({})
    await relay.start()
  }
  for (const home of homes.values()) {
    for (const { url } of mesh.relays) mesh.unblock(home.name, url)
    // No crash point is left armed.
    mesh.killAt(home.name, { at: 'write', nth: Number.POSITIVE_INFINITY })
    if (!mesh.isAwake(home.name)) await wake(world, home, failing, chance)
  }
  let restless: readonly string[] = []
  for (const ms of HEALING_MS) {
    await mesh.advance(ms)
    await look(world)
    restless = await faultsAtRest(world)
    if (restless.length === 0) break
  }
  world.faults.push(...restless)
}
