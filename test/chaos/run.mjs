// Real processes: three relays and up to twenty agents, killed without warning (SIGKILL) during traffic for ROUNDS seconds. Some of their
// folders are put back to older copies, and the clocks of two agents are a day off for the first half. Afterwards
// the sets agree, every sender's states are right and every reader has the state that its author has (verdict.mjs). SEED= repeats who is killed, when, and what is sent; what
// the system makes of it is never quite the same. POSTHORN_TEST_REPORT: where to write {"passed":…,"failed":…}.
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { openAgent } from 'posthorn'
import { isMessage, mailAt } from './log.mjs'
import { ask, kill, posthorn, startAgent, startRelay } from './processes.mjs'
import { randomFrom } from './random.mjs'
import { judge } from './verdict.mjs'

const SECONDS = Number(process.env.ROUNDS ?? 9)
/** Twenty for long; starting them alone takes a short run's time. */
const AGENTS = Number(process.env.AGENTS ?? (SECONDS < 60 ? 12 : 20))
const SEED = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31))
const RELAYS = 3
/** Between two messages of an agent, on average. */
const EVERY_MS = 4_000
/** After the last kill a relay may be tried again in 30 s only, and what it is given then takes its time. */
const SETTLE_MS = Number(process.env.SETTLE_MS ?? 120_000)
const LOOK_MS = 500
/** Whose state each agent reads: so many further on. */
const READS = [1, 7]
const DAY_S = 86_400
/** One in so many agents is ever put back; of the others more can be demanded. */
const PUT_BACK_EVERY = 4
/** Beyond what all of that may take, a run that hangs ends itself. */
const LONGEST_MS = SECONDS * 1_000 + SETTLE_MS + 180_000

console.log(`chaos: ${SECONDS} s, ${RELAYS} relays, ${AGENTS} agents, SEED=${SEED}`)
const began = performance.now()
const scratch = mkdtempSync(join(tmpdir(), 'posthorn-chaos-'))
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }))
setTimeout(() => {
  console.error(`chaos: not over after ${LONGEST_MS / 1_000} s`)
  process.exit(1)
}, LONGEST_MS).unref()
const promises = join(scratch, 'promises')
const journal = name => join(scratch, `${name}.work`)
const writesOf = name => join(scratch, `${name}.writes`)
const linesOf = file =>
  existsSync(file)
    ? readFileSync(file, 'utf8')
        .split('\n')
        .filter(Boolean)
        .map(line => JSON.parse(line))
    : []
const say = text => console.log(`${String(Math.round((performance.now() - began) / 1000)).padStart(4)} s  ${text}`)

const relays = Array.from({ length: RELAYS }, (_, n) => ({
  name: `relay-${n}`,
  data: join(scratch, `relay-${n}`),
  kills: 0,
  rewinds: 0,
}))
for (const relay of relays) Object.assign(relay, await startRelay(relay.name, relay.data, 0))
const urls = relays.map(({ url }) => url)
const agents = await Promise.all(
  Array.from({ length: AGENTS }, async (_, n) => {
    const name = `agent-${n}`
    const home = join(scratch, name)
    mkdirSync(home, { mode: 0o700 })
    // Makes the key, so that all know each other from the start.
    const agent = await openAgent({ home, name, relays: urls, presence: false, announce: false })
    await agent.close({ timeoutMs: 0 })
    return { n, name, home, data: home, pubkey: agent.pubkey, life: 0, kills: 0, rewinds: 0, forgotten: new Set() }
  }),
)
const people = agents.map(({ name, pubkey, home }) => ({ name, pubkey, home }))

async function live(agent, talks) {
  agent.life += 1
  const { name, home, life } = agent
  const seed = SEED + 1_000 * (agent.n + 1) + life
  const reads = READS.map(step => people[(agent.n + step) % AGENTS].name)
  const { child } = await startAgent(
    {
      ...{ name, home, life, seed, people, relays: urls, promises, work: journal(name), writes: writesOf(name), reads },
      everyMs: EVERY_MS,
    },
    agent.clock,
  )
  if (talks) await ask(child, { ask: 'talk' })
  // Only now: who has no child cannot be killed.
  agent.child = child
}

// Ahead, and put right while it runs; behind, and put right when it starts.
agents[0].clock = { offset: DAY_S, jump: -DAY_S }
agents[1].clock = { offset: -DAY_S, jump: 0 }

// A few at a time: each start takes most of a core for half a second.
for (let n = 0; n < AGENTS; n += 4) await Promise.all(agents.slice(n, n + 4).map(agent => live(agent, false)))
say('all are up')

let over = false
/** Kills one of `victims` after another, each away for a while, beside the others. */
async function rage(victims, seed, { everyMs, awayMs, revive }) {
  const random = randomFrom(seed)
  const returning = new Set()
  for (;;) {
    await delay(everyMs * (0.5 + random()))
    const victim = victims[Math.floor(random() * victims.length)]
    const away = random() * awayMs
    if (over) break
    if (!victim.child) continue
    const { child } = victim
    victim.child = undefined
    victim.kills += 1
    const back = kill(child)
      .then(() => delay(away))
      .then(() => revive(victim))
      .finally(() => returning.delete(back))
    returning.add(back)
    // Fails the run below, where it is waited for.
    back.catch(() => {})
  }
  await Promise.all(returning)
}

/** Kills a victim, does something to what it leaves, and brings it back. */
async function operate(victim, revive, change) {
  while (!victim.child) await delay(100)
  const { child } = victim
  victim.child = undefined
  victim.kills += 1
  await kill(child)
  change()
  await revive(victim)
}

/** Puts the folder of one of `victims` after another back to a copy that was made a while before. */
async function putBack(victims, seed, revive) {
  const random = randomFrom(seed)
  const times = Math.max(1, Math.floor(SECONDS / 30))
  const pauseMs = (SECONDS * 1_000 * 0.6) / times / 2
  for (let n = 0; n < times; n += 1) {
    const victim = victims[Math.floor(random() * victims.length)]
    const copy = `${victim.data}.copy`
    let life
    await delay(pauseMs * 0.3)
    await operate(victim, revive, () => {
      // Of a lock only who holds it knows anything.
      cpSync(victim.data, copy, { recursive: true, filter: from => !/[/]lock\./.test(from) })
      life = victim.life
    })
    await delay(pauseMs)
    await operate(victim, revive, () => {
      rmSync(victim.data, { recursive: true })
      cpSync(copy, victim.data, { recursive: true })
      rmSync(copy, { recursive: true })
      victim.rewinds += 1
      for (let each = life + 1; each <= victim.life; each += 1) victim.forgotten.add(each)
    })
  }
}

async function reviveRelay(relay) {
  Object.assign(relay, await startRelay(relay.name, relay.data, new URL(relay.url).port))
}

const reviveAgent = agent => live(agent, true)

async function setClocks() {
  await delay(SECONDS * 500)
  const [ahead, behind] = agents
  while (!ahead.child) await delay(100)
  // Of one that is dead by the next start the clock is right then.
  ahead.clock = undefined
  ahead.child.kill('SIGUSR2')
  behind.clock = undefined
  await operate(behind, reviveAgent, () => {})
}

await Promise.all(agents.map(({ child }) => ask(child, { ask: 'talk' })))
const rages = Promise.all([
  rage(relays, SEED, { everyMs: 4_000, awayMs: 3_000, revive: reviveRelay }),
  rage(agents, SEED + 1, { everyMs: 1_200, awayMs: 3_000, revive: reviveAgent }),
  putBack(relays, SEED + 2, reviveRelay),
  putBack(
    agents.filter(({ n }) => n % PUT_BACK_EVERY === PUT_BACK_EVERY - 1),
    SEED + 3,
    reviveAgent,
  ),
  setClocks(),
])
await Promise.race([delay(SECONDS * 1_000), rages])
over = true
await rages
await Promise.all(agents.map(({ child }) => ask(child, { ask: 'hush' })))
const promised = linesOf(promises)
const kills = list => list.reduce((sum, each) => sum + each.kills, 0)
const rewinds = list => list.reduce((sum, each) => sum + each.rewinds, 0)
say(`${promised.length} messages promised, ${kills(relays)} relays and ${kills(agents)} agents killed; now quiet`)

async function look() {
  const logs = await Promise.all(urls.map(mailAt))
  const mail = new Map(logs.flatMap(log => [...log]))
  const reports = new Map()
  for (const { child, pubkey, name } of agents) {
    const sent = [...mail.values()].filter(event => isMessage(event) && event.pubkey === pubkey).map(({ id }) => id)
    const said = promised.filter(({ from }) => from === name).map(({ id }) => id)
    reports.set(pubkey, await ask(child, { ask: 'report', sent: [...new Set([...sent, ...said])] }))
  }
  const runs = agents.flatMap(({ name }) => linesOf(journal(name)).map(line => ({ ...line, name })))
  const lives = new Map(agents.map(({ pubkey, life }) => [pubkey, life]))
  const writes = new Map(agents.map(({ pubkey, name }) => [pubkey, linesOf(writesOf(name))]))
  const forgotten = new Map(agents.map(({ pubkey, forgotten }) => [pubkey, forgotten]))
  const putBack = new Set(agents.filter(({ rewinds }) => rewinds > 0).map(({ pubkey }) => pubkey))
  const wrongOnes = new Set([agents[0], agents[1]].map(({ name }) => name))
  const given = { people, mail, promised, runs, reports, lives, writes, forgotten, putBack, wrongOnes }
  return { logs, mail, runs, ...judge(given) }
}

const quiet = performance.now()
let rest
let waiting
do {
  await delay(LOOK_MS)
  waiting = await Promise.all(agents.map(({ child }) => ask(child, { ask: 'waits' })))
  const calm = waiting.every(({ queue, open, away }) => queue + open + away === 0)
  rest = calm ? await look() : undefined
} while ((rest === undefined || rest.problems.length > 0) && performance.now() < quiet + SETTLE_MS)
const settled = Math.round((performance.now() - quiet) / 1000)
const problems = []
if (rest === undefined) {
  for (const [n, { queue, open, away }] of waiting.entries())
    if (queue + open + away > 0) problems.push(`agent-${n}: ${queue} queued, ${open} open, ${away} relays not live`)
  rest = await look()
}
problems.push(...rest.problems)
say(`at rest after ${settled} s`)

// A receipt ends the wait for further copies, so a relay that was away may lack what it brought the others. Reconciled they are the same.
const { size } = rest.mail
const lacking = rest.logs.map(log => size - log.size)
for (const [from, to] of [
  [0, 1],
  [1, 2],
  [0, 1],
]) {
  const { code, said } = await posthorn('sync', urls[from], urls[to], '--json')
  // `sync` calls it a failure, open: a newer version of an address, which was all the other side had, is there already.
  const isOutdated = said.split('\n').every(line => !/ refused \d/.test(line) || / invalid: outdated/.test(line))
  if (code !== 0 && !(code === 1 && isOutdated))
    problems.push(`sync of relay-${from} and relay-${to} ended with ${code}: ${said}`)
}
const after = await look()
for (const [n, log] of after.logs.entries())
  if (log.size !== size) problems.push(`relay-${n} has ${log.size} events of mail, all together ${size}`)
problems.push(...after.problems.filter(problem => !problems.includes(problem)).map(problem => `after sync: ${problem}`))

for (const { child } of [...agents, ...relays]) await kill(child)
for (const { name, data } of relays) {
  const { code, said } = await posthorn('relay', 'check', '--data', data)
  if (code !== 0) problems.push(`${name} is damaged: ${said}`)
}

const handled = new Set(rest.runs.map(({ id }) => id)).size
const figures = {
  test: 'chaos',
  ...{ seed: SEED, seconds: SECONDS, relays: RELAYS, agents: AGENTS },
  killed: { relays: kills(relays), agents: kills(agents) },
  putBack: { relays: rewinds(relays), agents: rewinds(agents) },
  ...rest.figures,
  promised: promised.length,
  messages: [...rest.mail.values()].filter(isMessage).length,
  receipts: [...rest.mail.values()].filter(event => !isMessage(event)).length,
  handled,
  handledAgain: rest.runs.length - handled,
  settledAfterSeconds: settled,
  mostLackingAtOneRelayBeforeSync: Math.max(...lacking),
  problems: problems.length,
}
if (process.env.FIGURES) appendFileSync(process.env.FIGURES, `${JSON.stringify(figures)}\n`)
if (process.env.POSTHORN_TEST_REPORT)
  writeFileSync(
    process.env.POSTHORN_TEST_REPORT,
    JSON.stringify(problems.length === 0 ? { passed: 1, failed: 0 } : { passed: 0, failed: 1 }),
  )
say(JSON.stringify(figures))
for (const problem of problems.slice(0, 30)) console.error(problem)
process.exit(problems.length === 0 ? 0 : 1)
