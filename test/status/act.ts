import { cpSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Agent, openAgent } from 'posthorn'
import { inProcess, type Outcome } from '../cli/posthorn.ts'
import { fastTimers, pause, SPEED, until } from './clocks.ts'
import { fillDisk, freeDisk } from './disk.ts'
import { note } from './known.ts'
import {
  fault,
  holdComplete,
  holdDoctor,
  holdOutbox,
  holdPublished,
  holdStored,
  holdView,
  holdWaits,
  noteInboxes,
  standingAt,
  waitingFor,
  wasHad,
} from './oracle.ts'
import type { Step, Verb } from './plan.ts'
import { count, type Home, homeOf, type World } from './world.ts'

/** Of one that is to say what it has; virtual. */
const WAIT_MS = 20_000
const CALM_WAIT_MS = 300_000
const waitMs = ({ plan }: World): number => (plan.isCalm ? CALM_WAIT_MS : WAIT_MS)
/** A command's, in seconds. */
const limit = ({ plan }: World): string => (plan.isCalm ? '15' : '1')

/** Nothing here may hang for longer, whatever is wrong; real. */
const LONGEST_MS = 120_000

/** Resolves to what it resolves to, or undefined if it rejects. Says so if it does neither. */
async function settled<T>(world: World, what: string, task: Promise<T>): Promise<T | undefined> {
  let cancel: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<'late'>(resolve => {
    cancel = setTimeout(() => resolve('late'), LONGEST_MS)
  })
  const end = await Promise.race([task.catch(() => undefined), late])
  clearTimeout(cancel)
  if (end === 'late') note(world, `late: ${what} is not over after ${LONGEST_MS} ms`)
  return end === 'late' ? undefined : end
}

export async function open(world: World, home: Home): Promise<Agent | undefined> {
  if (home.agent) return home.agent
  const agent = await settled(
    world,
    `opening ${home.name}`,
    openAgent({
      home: home.folder,
      create: false,
      presence: false,
      host: { clock: world.time.clock(() => home.skewMs, SPEED), timers: fastTimers },
    }),
  )
  if (!agent) return undefined
  agent.handle('request', ({ text }) => `done: ${text}`, { maxAttempts: 50 })
  home.agent = world.speak(agent, home)
  return home.agent
}

export async function close(world: World, home: Home): Promise<void> {
  const { agent } = home
  if (!agent) return
  const unfinished = await settled(world, `closing ${home.name}`, agent.close({ timeoutMs: waitMs(world) }))
  home.agent = undefined
  home.views.clear()
  noteInboxes(world)
  if (unfinished?.unsent === 0) holdOutbox(world, home, 'close: nothing unsent')
}

export async function carryOut(world: World, step: Step, number: number): Promise<void> {
  const home = 'who' in step ? homeOf(world, step.who) : undefined
  const place = 'relay' in step ? world.places[step.relay] : undefined
  if (home) await withHome(world, step, home, number)
  if (place) await withPlace(world, step, place)
  if (step.do === 'pass') world.time.pass(step.ms)
  if (step.do === 'wait') await pause(step.ms)
}

async function withPlace(world: World, step: Step, place: World['places'][number]): Promise<void> {
  switch (step.do) {
    case 'stop':
      count(world.exercised, 'away')
      return place.stop()
    case 'start':
      place.stall(false)
      return place.start()
    case 'stall':
      count(world.exercised, 'stopped process')
      return place.stall(true)
    case 'cut':
      count(world.exercised, 'away')
      return place.cut()
    case 'keep':
      return place.save()
    case 'rewind':
      if (place.saved === 0) return undefined
      count(world.exercised, 'put back')
      return place.rewind(0)
    case 'fill':
    case 'free':
      if (step.do === 'fill') count(world.exercised, 'full relay')
      place.full = step.do === 'fill'
      return undefined
    case 'refuse':
      if (step.how) count(world.exercised, 'refusing')
      place.refusal = step.how
      // As one that was started again with other settings.
      return place.cut()
    case 'lie':
      if (Object.keys(step.lies).length > 0) count(world.exercised, 'liar')
      place.lie(step.lies)
      return place.cut()
    case 'skewRelay':
      if (step.ms !== 0) count(world.exercised, 'relay clock')
      place.skewMs = step.ms
      return undefined
    default:
      return undefined
  }
}

async function withHome(world: World, step: Step, home: Home, number: number): Promise<void> {
  const { agent } = home
  switch (step.do) {
    case 'open':
      await open(world, home)
      return
    case 'close':
      return close(world, home)
    case 'send': {
      if (!agent) return command(world, home, 'send', step.to, number, step.act)
      const text = `${step.act} ${number}`
      const id = await settled(world, `send by ${home.name}`, agent.send(step.to, text, { act: step.act }))
      if (id !== undefined) took(world, home, id, step.to, text)
      return
    }
    case 'ask':
      if (agent) {
        const answered = agent.ask(step.to, `question ${number}`, { timeout: waitMs(world) }).then(
          ({ text }) => {
            count(world.held, 'answer')
            if (text !== `done: question ${number}`) fault(world, 'answer', `question ${number} is answered ${text}`)
          },
          () => {},
        )
        // Else what comes of it is looked at when it comes.
        if (world.plan.isCalm) await answered
      }
      return
    case 'set':
    case 'unset': {
      const value = step.do === 'set' ? `${home.writes.length}:${'x'.repeat(step.size)}` : undefined
      if (!agent) return step.do === 'set' ? write(world, home, step.key, value ?? '') : undefined
      const done = await settled(
        world,
        `set by ${home.name}`,
        agent.state.set(step.key, value ?? null).then(() => true),
      )
      // Refused by a full disk, it may stand all the same: an error is no promise either way.
      if (done || home.isFull) home.writes.push({ key: step.key, value, isForgotten: false, isUnsure: !done })
      return
    }
    case 'flush':
      if (agent && (await settled(world, `flush by ${home.name}`, agent.state.flush(waitMs(world)))))
        holdPublished(world, home, 'flushed')
      return
    case 'settle':
      await until(LONGEST_MS, () => !agent || agent.status().queue === 0)
      return
    case 'mark': {
      const mail = agent?.inbox({ limit: 20 }).find(({ act, state }) => act === 'inform' && state === 'new')
      if (agent && mail) await settled(world, `mark by ${home.name}`, agent.mark(mail.id, 'done'))
      return
    }
    case 'retry':
      if (agent) retryAll(agent)
      return
    case 'sync': {
      if (!agent) return command(world, home, 'catchup', home.name, number)
      const before = await waitingFor(home)
      const summary = await settled(world, `sync by ${home.name}`, agent.sync({ maxMs: waitMs(world) }))
      if (summary?.complete) holdComplete(world, home, summary, before, home.name)
      return
    }
    case 'look':
      return look(world, home, step.to)
    case 'cli':
      return command(world, home, step.verb, step.to, number)
    case 'skew':
      if (step.ms !== 0) count(world.exercised, 'agent clock')
      home.wasSkewed ||= step.ms !== 0
      home.skewMs = step.ms
      return
    case 'fillHome':
      count(world.exercised, 'full disk')
      home.isFull = true
      home.wasFull = true
      fillDisk(home.folder)
      return
    case 'freeHome':
      return freeHome(home)
    case 'saveHome':
      return saveHome(world, home)
    case 'restoreHome':
      return restoreHome(world, home)
    case 'damage':
      return damage(world, home, step.file)
    case 'mend':
      return mend(home)
    default:
      return
  }
}

export function retryAll(agent: Agent): void {
  for (const { direction, id } of agent.deadLetters.list()) if (direction === 'out') agent.deadLetters.retry(id)
}

export function freeHome(home: Home): void {
  home.isFull = false
  freeDisk(home.folder)
}

/** The home promised to keep it. */
function took(world: World, home: Home, id: string, to: string, text: string): void {
  if (!home.sent.some(sent => sent.id === id)) home.sent.push({ id, from: home.name, to, text, isForgotten: false })
  if (!homeOf(world, to).relays.some(place => home.relays.includes(place))) count(world.exercised, 'elsewhere')
}

export async function look(world: World, home: Home, author: string): Promise<void> {
  const { agent } = home
  if (!agent || home.views.has(author)) return
  const view = await settled(world, `openState by ${home.name}`, agent.openState(author))
  if (view) home.views.set(author, view)
}

async function saveHome(world: World, home: Home): Promise<void> {
  await close(world, home)
  const folder = `${home.folder}.copy${home.copies.length}`
  cpSync(home.folder, folder, { recursive: true, filter: from => !/\/lock\./.test(from) })
  home.copies.push({ folder, sent: home.sent.length, writes: home.writes.length })
}

async function restoreHome(world: World, home: Home): Promise<void> {
  const copy = home.copies.at(-1)
  if (!copy || home.damaged) return
  count(world.exercised, 'home put back')
  await close(world, home)
  noteInboxes(world)
  rmSync(home.folder, { recursive: true, force: true })
  cpSync(copy.folder, home.folder, { recursive: true, preserveTimestamps: true })
  home.restores += 1
  for (const sent of home.sent.slice(copy.sent)) sent.isForgotten = true
  for (const written of home.writes.slice(copy.writes)) written.isForgotten = true
  home.writesAtRestore = home.writes.length
}

async function damage(world: World, home: Home, file: NonNullable<Home['damaged']>['file']): Promise<void> {
  const path = join(home.folder, file)
  if (home.damaged || !existsSync(path)) return
  await close(world, home)
  count(world.exercised, 'damaged file')
  home.damaged = { file, before: readFileSync(path) }
  for (const beside of ['-wal', '-shm']) rmSync(path + beside, { force: true })
  writeFileSync(path, Buffer.alloc(8_192, 0xa5))
}

export function mend(home: Home): void {
  if (!home.damaged) return
  const { file, before } = home.damaged
  const path = join(home.folder, file)
  for (const beside of ['-wal', '-shm']) rmSync(path + beside, { force: true })
  if (before) writeFileSync(path, before)
  home.damaged = undefined
}

async function run(world: World, home: Home, args: readonly string[]): Promise<Outcome | undefined> {
  return settled(
    world,
    `posthorn ${args.slice(0, 2).join(' ')} of ${home.name}`,
    world.time.during(home.skewMs, () => inProcess([...args, '--home', home.folder, '--json'])),
  )
}

// biome-ignore lint/suspicious/noExplicitAny: what a command prints, read field by field
function jsonOf({ stdout }: Outcome): any {
  try {
    return JSON.parse(stdout.split('\n')[0] ?? '') as unknown
  } catch {
    return {}
  }
}

async function write(world: World, home: Home, key: string, value: string): Promise<void> {
  const outcome = await run(world, home, ['state', 'set', '--text', '--timeout', limit(world), key, value])
  const said = outcome ? jsonOf(outcome) : {}
  // Kept, published or not: it said which.
  if (typeof said.published === 'boolean') home.writes.push({ key, value, isForgotten: false, isUnsure: false })
  if (outcome?.code !== 0) return
  count(world.held, 'exit 0')
  if (said.published !== true) fault(world, 'exit 0', `state set of ${home.name} exits 0: ${outcome.stdout}`)
  else holdPublished(world, home, 'published')
}

/** A command of a home that no agent has open; an agent that has it is closed first: what runs beside one has tests of its own. */
async function command(
  world: World,
  home: Home,
  verb: Verb,
  to: string,
  number: number,
  act = 'inform',
): Promise<void> {
  await close(world, home)
  switch (verb) {
    case 'send': {
      const text = `${act} ${number} by command`
      const who = world.plan.layout === 'together' ? to : homeOf(world, to).name
      const outcome = await run(world, home, ['send', '--timeout', limit(world), '--act', act, who, text])
      if (!outcome) return
      const { id, state, relay } = jsonOf(outcome)
      if (typeof id === 'string') took(world, home, id, to, text)
      if (state === 'stored') holdStored(world, home, id, relay, `send of ${home.name}`)
      if (/waits there for/.test(outcome.stderr)) holdWaits(world, to, relay, `send of ${home.name}`)
      if (outcome.code !== 0) return
      count(world.held, 'exit 0')
      if (state === undefined || state === 'queued' || state === 'refused')
        fault(world, 'exit 0', `send of ${home.name} exits 0: ${outcome.stdout}`)
      return
    }
    case 'catchup': {
      const before = await waitingFor(home)
      const outcome = await run(world, home, ['catchup', '--max-ms', `${limit(world)}500`])
      if (!outcome) return
      const said = jsonOf(outcome)
      noteInboxes(world)
      if (said.complete === true) holdComplete(world, home, said, before, `catchup of ${home.name}`)
      if (said.complete === true && said.queue === 0) holdOutbox(world, home, 'queue empty')
      if (outcome.code !== 0) return
      count(world.held, 'exit 0')
      if (said.complete !== true) fault(world, 'exit 0', `catchup of ${home.name} exits 0: ${outcome.stdout}`)
      if (said.invalid > 0 || said.gaps > 0)
        fault(world, 'exit 0', `catchup of ${home.name} exits 0 with ${said.invalid} forged events`)
      return
    }
    case 'status': {
      const outcome = await run(world, home, ['status', '--timeout', limit(world)])
      if (!outcome) return
      const said = jsonOf(outcome)
      noteInboxes(world)
      if (said.queue === 0) holdOutbox(world, home, 'queue empty')
      if (outcome.code !== 0) return
      count(world.held, 'exit 0')
      if (home.damaged && home.damaged.file !== 'state.db')
        fault(world, 'exit 0', `status of ${home.name} exits 0 with a damaged ${home.damaged.file}`)
      return
    }
    case 'doctor': {
      const before = await waitingFor(home)
      const outcome = await run(world, home, ['doctor', '--timeout', limit(world)])
      if (!outcome) return
      const { findings = [] } = jsonOf(outcome)
      holdDoctor(world, home, { findings, isWell: /all well/.test(outcome.stderr), before })
      return
    }
    case 'set':
      return write(world, home, `k${number % 4}`, `${home.writes.length}:by command`)
    case 'get': {
      const author = homeOf(world, to)
      const before = await standingAt(author)
      const outcome = await run(world, home, ['state', 'get', '--of', to, '--timeout', limit(world)])
      if (outcome?.code !== 0 || /is missing at these relays/.test(outcome.stderr)) return
      count(world.held, 'exit 0')
      const { values = {} } = jsonOf(outcome)
      return holdView(world, home, author, key => [values[key]], before)
    }
    case 'receipts': {
      const sent = home.sent.findLast(({ isForgotten }) => !isForgotten)
      if (!sent) return
      const outcome = await run(world, home, ['receipts', sent.id, '--timeout', limit(world)])
      if (!outcome) return
      noteInboxes(world)
      const { state, relay } = jsonOf(outcome)
      if (state === 'stored') holdStored(world, home, sent.id, relay, `receipts of ${home.name}`)
      if (state === 'received' || state === 'done') {
        count(world.held, 'received')
        if (!wasHad(world, home, sent))
          fault(world, 'received', `receipts of ${home.name} say that ${sent.to} has ${sent.id.slice(0, 8)}`)
      }
      return
    }
    case 'inbox':
      await run(world, home, ['inbox', '--timeout', limit(world)])
      return
    default:
      return verb satisfies never
  }
}
