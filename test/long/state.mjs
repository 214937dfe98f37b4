// Fifty agents that sleep and wake for ROUNDS virtual hours, each with a state of its own that others read, over three relays that fail
// now and then. Fails if an acknowledged write is neither visible nor overwritten in the end, if readers differ from owners, or if
// what relays and homes hold grows with time. Same SEED, same run.
import { appendFileSync } from 'node:fs'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { seededRandom, testMesh } from 'posthorn/testing'

const HOURS = Number(process.env.ROUNDS ?? 24)
const AGENTS = Number(process.env.AGENTS ?? 50)
const SEED = Number(process.env.SEED ?? 1)
const MINUTES = Number(process.env.MINUTES ?? 30)
const RELAYS = 3
const KEYS = 24
/** Whose state each agent reads: so many places further on. */
const READS = [1, 7]
const MINUTE = 60_000
/** What a home or a relay holds is compared from here on, hours: before, not everybody has written yet. */
const WARM = Math.ceil(HOURS / 4)
/** Of one author at one relay: a ring of deltas, two snapshots in one piece each. */
const MOST_STORED = 128 + 2
/** A log that has a hundred events behind its snapshot has not been folded for an hour. */
const MOST_TAIL = 100
/** How much more than after the warm-up agents, and relays without their logs, may hold in the end, times. */
const MOST_GROWTH = 1.5
/**
 * What logs and homes, which are in memory here and on disk elsewhere, may grow by for each entry of a log: a relay remembers what it has
 * removed.
 */
const MOST_KEPT_KB = 2

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc')
const random = seededRandom(SEED)
const draw = () => {
  const [a = 0, b = 0, c = 0] = random.bytes(3)
  return ((a << 16) | (b << 8) | c) / 2 ** 24
}
const below = n => Math.floor(draw() * n)
const pick = from => from[below(from.length)]

const started = Date.now()
let signed = 0
const on = await testMesh({
  seed: SEED,
  keys: 'stand-in',
  relays: RELAYS,
  rewindable: false,
  onSigned: ({ kind }) => {
    if (kind === 34_701 || kind === 34_702) signed += 1
  },
})
const urls = on.relays.map(({ url }) => url)
const names = Array.from({ length: AGENTS }, (_, n) => `agent-${n}`)
const counts = { writes: 0, acknowledged: 0, wakes: 0, crashes: 0, sleeps: 0, outages: 0, cuts: 0, blocks: 0 }
/** By agent: what it has acknowledged last of each key, and its numbers. */
const homes = new Map()
for (const name of names) {
  const agent = await on.agent(name)
  homes.set(name, {
    agent,
    pubkey: agent.pubkey,
    life: 1,
    kept: new Map(),
    number: 0,
    state: undefined,
    views: [],
    end: undefined,
  })
}
for (const [index, name] of names.entries()) begin(name, index)
const problems = []

/** Opens what an agent that has just started looks at. What it says once it is dead counts for nothing. */
function begin(name, index) {
  const home = homes.get(name)
  const { life, agent } = home
  home.views = []
  home.state = undefined
  home.end = undefined
  const mine = use => value => {
    if (home.life === life && on.isAwake(name)) use(value)
  }
  agent.state.open().then(
    mine(state => {
      home.state = state
    }),
    () => {},
  )
  for (const step of READS)
    agent.openState(names[(index + step) % AGENTS]).then(
      mine(view => {
        home.views.push(view)
      }),
      () => {},
    )
}

function write(name) {
  const home = homes.get(name)
  const { life } = home
  home.number += 1
  const { number } = home
  const key = `key${below(KEYS)}`
  counts.writes += 1
  const text = `${number} ${'x'.repeat(40 + below(40))}`
  home.agent.state.set(key, text).then(
    () => {
      if (home.life !== life || !on.isAwake(name)) return
      counts.acknowledged += 1
      home.kept.set(key, Math.max(number, home.kept.get(key) ?? 0))
    },
    () => {},
  )
}

async function wake(name, index) {
  const home = homes.get(name)
  home.life += 1
  home.agent = await on.wake(name)
  counts.wakes += 1
  begin(name, index)
}

async function live(name, index) {
  const home = homes.get(name)
  if (!on.isAwake(name)) {
    if (draw() < 1 / 60) await wake(name, index)
    return
  }
  if (home.end !== undefined) return
  const die = draw()
  if (die < 1 / 80) {
    counts.crashes += 1
    write(name)
    if (die < 1 / 160)
      on.killAt(name, { at: pick(['keep', 'sign', 'send', 'hear']), nth: 1 + below(4), after: draw() < 0.5 })
    else await on.kill(name)
  } else if (die < 1 / 40) {
    counts.sleeps += 1
    const { life } = home
    home.end = home.agent.close({ timeoutMs: 5_000 }).then(
      () => home.life === life && on.kill(name),
      () => home.life === life && on.kill(name),
    )
  } else if (draw() < 1 / 6) for (let burst = 1 + below(4); burst > 0; burst -= 1) write(name)
}

async function weather() {
  for (const relay of on.relays)
    if (relay.isRunning) {
      if (draw() < 1 / 120) {
        counts.outages += 1
        await relay.kill()
      } else if (draw() < 1 / 240) {
        counts.cuts += 1
        await relay.cut()
      }
    } else if (draw() < 1 / 12) await relay.start()
  if (draw() < 1 / 20) {
    counts.blocks += 1
    await on.block(pick(names), pick(urls))
  }
  if (draw() < 1 / 30) for (const url of urls) for (const name of names) on.unblock(name, url)
}

/** Entries that the relays' logs have had. */
const entries = () => on.relays.reduce((sum, { last }) => sum + last, 0)
const heap = () => {
  collect()
  return process.memoryUsage().heapUsed
}

/** Whose the heap is: what is gone when all agents are, then all relays, is theirs; what is left is logs, homes and this program. */
async function weigh(hour) {
  for (const [index, name] of names.entries()) if (!on.isAwake(name)) await wake(name, index)
  for (const relay of on.relays) if (!relay.isRunning) await relay.start()
  for (const url of urls) for (const name of names) on.unblock(name, url)
  await on.advance(5 * MINUTE)
  const all = heap()
  for (const name of names) {
    await on.kill(name)
    const home = homes.get(name)
    home.life += 1
    home.agent = undefined
    home.state = undefined
    home.views = []
    home.end = undefined
  }
  await on.advance(MINUTE)
  const withoutAgents = heap()
  for (const relay of on.relays) await relay.kill()
  await on.advance(MINUTE)
  const kept = heap()
  for (const relay of on.relays) await relay.start()
  for (const [index, name] of names.entries()) await wake(name, index)
  const mb = bytes => Math.round(bytes / 1e5) / 10
  return {
    hour,
    agentsMb: mb(all - withoutAgents),
    relaysMb: mb(withoutAgents - kept),
    keptMb: mb(kept),
    entries: entries(),
  }
}

/** Rows of the largest home's state, the longest tail, and the heap of everything here. */
function look(hour) {
  collect()
  let rows = 0
  let tail = 0
  for (const name of names) {
    let own = 0
    for (const [table, content] of on.snapshot(name).rows) if (table.startsWith('state ')) own += content.size
    rows = Math.max(rows, own)
    const home = homes.get(name)
    if (on.isAwake(name) && home.state) tail = Math.max(tail, home.state.view.status.tail)
  }
  const heapMb = Math.round(process.memoryUsage().heapUsed / 1e5) / 10
  return {
    hour,
    rows,
    tail,
    timers: on.timers,
    heapMb,
    entries: entries(),
    awake: names.filter(name => on.isAwake(name)).length,
  }
}

const hours = []
const weights = []
let outOfTime = false
for (let minute = 1; minute <= HOURS * 60 && !outOfTime; minute += 1) {
  await weather()
  for (const [index, name] of names.entries()) await live(name, index)
  for (let part = 0; part < 4; part += 1) await on.advance(MINUTE / 4)
  if (minute % 60 === 0) {
    hours.push(look(minute / 60))
    console.log(JSON.stringify({ ...hours.at(-1), seconds: Math.round((Date.now() - started) / 1000) }))
    if (minute === WARM * 60) weights.push(await weigh(WARM))
    outOfTime = Date.now() - started > MINUTES * MINUTE
  }
}
if (outOfTime) problems.push(`out of time after ${hours.length} hours`)

// The weather clears, everybody is awake, and somebody comes who was never there.
for (const relay of on.relays) if (!relay.isRunning) await relay.start()
for (const url of urls) for (const name of names) on.unblock(name, url)
await on.advance(MINUTE)
for (const [index, name] of names.entries()) if (!on.isAwake(name)) await wake(name, index)
await on.advance(10 * MINUTE)
weights.push(await weigh(hours.length))
await on.advance(10 * MINUTE)

async function passing(task) {
  let settled = false
  const end = () => {
    settled = true
  }
  task.then(end, end)
  for (let tries = 0; !settled && tries < 1_200; tries += 1) await on.advance(tries < 20 ? 10 : 500)
  return settled ? task : undefined
}
for (const name of names)
  if ((await passing(homes.get(name).agent.state.flush(120_000))) !== true) problems.push(`${name} cannot flush`)
const late = new Map()
let newcomer
for (const name of names) {
  newcomer ??= await on.agent('newcomer')
  const view = await passing(newcomer.openState(name))
  if ((await passing(view.ready(60_000))) !== true) problems.push(`the newcomer does not get ${name}`)
  late.set(name, view)
}
await on.advance(3 * MINUTE)

let lost = 0
let differing = 0
let keys = 0
for (const [index, name] of names.entries()) {
  const home = homes.get(name)
  const own = await passing(home.agent.openState())
  const seen = [late.get(name), own]
  for (const step of READS) {
    const reader = homes.get(names[(index - step + 7 * AGENTS) % AGENTS])
    seen.push(...reader.views.filter(view => view.author === home.pubkey))
  }
  if (seen.length !== 2 + READS.length) problems.push(`${name} is read by ${seen.length - 2}`)
  for (const view of seen) {
    if (view.digest !== own.digest) differing += 1
    for (const [key, number] of home.kept) {
      keys += 1
      if (!(Number(String(view.get(key) ?? '0').split(' ')[0]) >= number)) lost += 1
    }
  }
}
if (lost > 0) problems.push(`${lost} acknowledged writes are neither visible nor overwritten`)
if (differing > 0) problems.push(`${differing} views differ from their owner's state`)

/** What relays store of each author, by asking them. */
const stored = []
const { lines } = (await import('#dist/sdk/state/surroundings.js')).surroundingsOf(await on.agent('auditor'))
await on.advance(MINUTE)
for (const line of lines())
  for (const name of names) {
    const filter = { kinds: [34_701, 34_702], authors: [homes.get(name).pubkey] }
    const page = await passing(line.ask(filter, 500, 30_000))
    stored.push(page === undefined ? Number.POSITIVE_INFINITY : page.events.length)
  }
const mostStored = Math.max(...stored)
if (mostStored > MOST_STORED) problems.push(`a relay stores ${mostStored} events of one author's state`)

const hundredth = value => Math.round(value * 100) / 100
let keptKbPerEntry
const before = hours.filter(({ hour }) => hour <= WARM)
const after = hours.filter(({ hour }) => hour > WARM)
const most = (list, pickOf) => Math.max(...list.map(pickOf))
// A short look has hardly begun to grow.
if (hours.length >= 12) {
  if (most(after, ({ tail }) => tail) > MOST_TAIL) problems.push(`a tail of ${most(after, ({ tail }) => tail)}`)
  const growth = most(after, ({ rows }) => rows) / most(before, ({ rows }) => rows)
  const [first, last] = weights
  keptKbPerEntry = hundredth(((last.keptMb - first.keptMb) * 1_000) / Math.max(1, last.entries - first.entries))
  if (keptKbPerEntry > MOST_KEPT_KB) problems.push(`logs and homes grew by ${keptKbPerEntry} KB for each entry`)
  for (const whose of ['agentsMb', 'relaysMb'])
    if (last[whose] > Math.max(1, first[whose]) * MOST_GROWTH)
      problems.push(`${whose}: ${first[whose]}, then ${last[whose]}`)
  if (growth > 1.5) problems.push(`the largest home grew ${hundredth(growth)} times after the first ${WARM} hours`)
}
const figures = {
  test: 'state',
  agents: AGENTS,
  relays: RELAYS,
  virtualHours: hours.length,
  seed: SEED,
  ...counts,
  signed,
  checked: keys,
  lost,
  differing,
  mostStored,
  keptKbPerEntry,
  weights,
  hours,
  problems: problems.length,
}
if (process.env.FIGURES) appendFileSync(process.env.FIGURES, `${JSON.stringify(figures)}\n`)
console.log(JSON.stringify(figures))
for (const problem of problems) console.error(problem)
process.exit(problems.length === 0 ? 0 : 1)
