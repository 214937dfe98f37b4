import { join } from 'node:path'
import type { Clock } from '../../platform/clock.ts'
import type { Timers } from '../../platform/timers.ts'
import { type Agent, createProfile, openAgent } from '../../sdk/index.ts'
import { within } from '../wait.ts'
import type { AgentChild, Nursery, RelayChild } from './children.ts'
import { type Claims, see } from './claims.ts'
import type { HandledMessage } from './protocol.ts'

/** No step takes longer, in ms; a step that does is a failed claim. */
const STEP_MS = 30_000

export interface Stage {
  /** Messages that wait for the sleeper. */
  readonly waiting: number
  readonly folder: string
  readonly nursery: Nursery
  readonly claims: Claims
  readonly clock: Clock
  readonly timers: Timers
  readonly signal: AbortSignal
}

/** What the wake cost. */
export interface Figures {
  /** Events received over the wire. */
  readonly events: number
  /** Bytes received over the wire. */
  readonly bytes: number
  /** From asking the relay to everything recorded, in ms. */
  readonly ms: number
  /** From starting the process to the last handler, in ms. */
  readonly totalMs: number
}

/** The demo from first to last line. Throws at the first claim that does not hold. */
export async function tell(stage: Stage): Promise<Figures> {
  const { claims } = stage
  claims.chapter('A relay and two agents')
  const relay = await startRelay(stage)
  const homes = makeProfiles(stage, relay.url)
  const alice = await openAgent({ home: homes.alice, create: false })
  try {
    const bob = await startBob(stage, homes.bob)
    await exchange(stage, alice, bob)

    claims.chapter('Bob falls asleep, mail arrives')
    await kill(stage, bob, 'bob-killed', `bob's process ${bob.pid} was killed (SIGKILL)`)
    const sent = await sendMail(stage, alice)

    claims.chapter('The relay dies and returns')
    await kill(stage, relay, 'relay-killed', `the relay's process ${relay.pid} was killed (SIGKILL)`)
    await restartRelay(stage, relay.url)

    claims.chapter('Bob wakes')
    return await wake(stage, homes.bob, alice.pubkey, sent)
  } finally {
    await alice.close({ timeoutMs: 0 })
  }
}

/** A step of the story; too slow is a failure like any other. */
async function step<T>({ timers, signal }: Stage, what: string, promise: Promise<T>): Promise<T> {
  const done = await within(
    promise.then(value => ({ value })),
    { timers, signal, ms: STEP_MS },
  )
  see(done !== undefined, signal.aborted ? 'interrupted' : `${what}: not within ${STEP_MS / 1000} s`)
  return done.value
}

async function startRelay(stage: Stage): Promise<RelayChild> {
  const { claims, nursery, folder } = stage
  let relay: RelayChild | undefined
  await claims.check('relay-listening', 'a relay listens, its log in a temporary folder', async () => {
    relay = await step(stage, 'the relay', nursery.relay(join(folder, 'relay'), 0))
  })
  see(relay !== undefined, 'no relay')
  return relay
}

function makeProfiles({ folder }: Stage, url: string) {
  const home = (name: string) => createProfile({ home: join(folder, 'agents', name), name, relays: [url] }).home
  return { alice: home('alice'), bob: home('bob') }
}

async function startBob(stage: Stage, home: string): Promise<AgentChild> {
  const bob = stage.nursery.agent(home)
  await stage.claims.check('bob-awake', `alice is here, bob runs as process ${bob.pid}`, async () => {
    await step(stage, 'bob', bob.awake)
    const { summary } = await step(stage, 'bob', bob.caughtUp)
    see(summary.complete, `bob did not catch up with an empty relay: ${summary.status}`)
  })
  return bob
}

async function exchange(stage: Stage, alice: Agent, bob: AgentChild): Promise<void> {
  const question = 'is the bridge open?'
  await stage.claims.check('message-each-way', `alice asked bob “${question}”, bob answered, both sealed`, async () => {
    const answer = await step(stage, 'the answer', alice.ask('bob', question, { timeout: STEP_MS }))
    const [asked, ...more] = bob.handled
    see(asked?.text === question && asked.from === alice.pubkey, `bob was asked ${JSON.stringify(asked)}`)
    see(more.length === 0, `bob was asked ${more.length + 1} times`)
    see(answer.text === `looked into: ${question}`, `the answer was ${JSON.stringify(answer.text)}`)
    see(
      answer.fromName === 'bob' && answer.replyTo === asked.id,
      `the answer came from ${answer.fromName ?? answer.from}`,
    )
    see(answer.private, 'the answer travelled in clear text')
  })
}

async function kill({ claims }: Stage, child: AgentChild | RelayChild, name: string, text: string): Promise<void> {
  await claims.check(name, text, async () => {
    const how = await child.kill()
    see(how === 'SIGKILL', `it ended otherwise: ${how}`)
  })
}

async function sendMail(stage: Stage, alice: Agent): Promise<Map<string, string>> {
  const sent = new Map<string, string>()
  const { waiting } = stage
  await stage.claims.check(
    'mail-stored',
    `alice wrote him ${waiting} messages; the relay said OK to each`,
    async () => {
      for (let n = 1; n <= waiting && !stage.signal.aborted; n++) {
        const text = `message ${n} of ${waiting}`
        sent.set(await alice.send('bob', text), text)
      }
      for (const id of sent.keys()) {
        const delivery = await step(stage, 'an OK', alice.stored(id, { timeout: STEP_MS }))
        see(delivery.state === 'stored', `${id} is ${delivery.state}`)
      }
      see(sent.size === waiting, `${sent.size} different ids for ${waiting} messages`)
    },
  )
  return sent
}

async function restartRelay(stage: Stage, url: string): Promise<void> {
  const { claims, nursery, folder } = stage
  await claims.check('relay-restarted', 'it was started again on the same log and address', async () => {
    const relay = await step(stage, 'the relay', nursery.relay(join(folder, 'relay'), Number(new URL(url).port)))
    see(relay.url === url, `it listens at ${relay.url}, before at ${url}`)
  })
}

async function wake(
  stage: Stage,
  home: string,
  alicePubkey: string,
  sent: ReadonlyMap<string, string>,
): Promise<Figures> {
  const { claims, nursery, clock } = stage
  const missed = sent.size
  const start = clock.monotonic()
  const bob = nursery.agent(home)
  const { summary, verified, rejected, inbox } = await claims.check(
    'caught-up',
    'bob woke, caught up with the relay, and worked it all off',
    async () => {
      await step(stage, 'bob', bob.awake)
      const { summary, verified, rejected } = await step(stage, 'catching up', bob.caughtUp)
      see(summary.complete, `he stopped at ${summary.received} events, ${summary.status}`)
      await step(stage, 'working off the mail', bob.handledCount(missed))
      // Asked after the last handler, so that a message too many would be seen here.
      return { summary, verified, rejected, inbox: await step(stage, 'his inbox', bob.list()) }
    },
  )
  const totalMs = Math.round(clock.monotonic() - start)
  const texts = [...sent.values()]
  const handled = [...bob.handled]
  await claims.check('exactly-those', `he has exactly the ${missed} messages he missed, word for word`, () => {
    const missing = [...sent.keys()].filter(id => !handled.some(message => message.id === id))
    const foreign = handled.filter(message => sent.get(message.id) !== message.text || message.from !== alicePubkey)
    see(missing.length === 0, `${missing.length} are missing`)
    see(foreign.length === 0, `${foreign.length} were never sent like that`)
    // Beside them may come receipts for what he sent before.
    see(
      summary.new === missed && summary.received >= missed,
      `the relay sent ${summary.received}, ${summary.new} of them new`,
    )
    see(summary.bytes > 0, 'the cost was not counted')
  })
  await claims.check('in-order', 'in the order of the relay’s log', () => {
    see(ascending(handled), 'their sequence numbers do not ascend')
    see(
      handled.every((message, index) => message.text === texts[index]),
      'they came in another order than they were sent',
    )
  })
  await claims.check('once', 'each of them once', () => {
    see(handled.length === missed, `handlers ran ${handled.length} times`)
    see(new Set(inbox).size === inbox.length, 'his inbox holds one of them twice')
    // Beside them only the question of before.
    see(inbox.length === missed + 1, `his inbox holds ${inbox.length} messages`)
  })
  await claims.check('verified', 'each hash and signature verified before he saw it', () => {
    see(verified >= missed, `only ${verified} were verified`)
    see(rejected === 0 && summary.invalid === 0, `${Math.max(rejected, summary.invalid)} did not hold`)
  })
  return { events: summary.new, bytes: summary.bytes, ms: Math.round(summary.ms), totalMs }
}

const ascending = (messages: readonly HandledMessage[]): boolean =>
  messages.every((message, index) => message.seq > (messages[index - 1]?.seq ?? 0))
