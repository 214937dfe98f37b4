import { type Random, seededRandom } from '../platform/random.ts'
import type { Dial, SocketEvents } from '../platform/socket.ts'
import { nobleVerifier } from '../platform/verifier.ts'
import { defaultLimits } from '../protocol/limits.ts'
import { publicKeyOf } from '../protocol/signature.ts'
import { createRelayCore, type RelayCore } from '../relay/core.ts'
import { createMemoryStore } from '../relay/log/memory.ts'
import type { Store } from '../relay/log/store.ts'
import { type Agent, type Contact, type MailStore, type OpenAgentOptions, openAgent } from '../sdk/index.ts'
import { createMemoryMailStore } from '../sdk/mail/memory-store.ts'
import { createPipe, type Pipe } from './pipe.ts'
import { createVirtualTime } from './virtual-time.ts'

export interface TestMeshOptions {
  /** Everything random follows from it; a run with the same seed and the same calls is the same run. Default 1. */
  readonly seed?: number
  /** Wall clock at the start, ms since 1970. Default 2026-01-01. */
  readonly startMs?: number
}

/** A relay and agents in one process: memory log, pipes for sockets, time that moves only when told to. */
export interface TestMesh {
  readonly url: string
  /** ms since 1970, virtual. */
  readonly now: number
  /** Starts an agent under a name, with a key and mail of its own. All agents of a mesh are each other's contacts. */
  agent(name: string, options?: Pick<OpenAgentOptions, 'accept'>): Promise<Agent>
  /** As SIGKILL does: the agent's connection drops, nothing is flushed, nothing of it runs or writes again. Its key and mail stay. */
  kill(name: string): Promise<void>
  /** Starts a killed (or closed) agent again on its key and mail. Handlers have to be registered anew, as in a new process. */
  wake(name: string, options?: Pick<OpenAgentOptions, 'accept'>): Promise<Agent>
  /** Drops the agent's connection; it reconnects after its usual wait. */
  cut(name: string): Promise<void>
  /** Takes the relay down without warning. Its log stays. */
  killRelay(): Promise<void>
  /** Brings the relay back on the same log, under a new epoch. */
  startRelay(): Promise<void>
  /** Lets `ms` pass, with everything that is due in them. */
  advance(ms: number): Promise<void>
  /** Lets everything happen that needs no time passing. */
  settle(): Promise<void>
  /** Ends all agents and the relay. */
  close(): Promise<void>
}

interface Resident {
  readonly secretKey: Uint8Array
  readonly store: MailStore
  /** Set while it runs. */
  incarnation: Incarnation | undefined
}
interface Incarnation extends Life {
  readonly agent: Agent
  pipe: Pipe | undefined
}

const START_MS = Date.UTC(2026, 0, 1)
const URL = 'ws://mesh.test'

export async function testMesh(options: TestMeshOptions = {}): Promise<TestMesh> {
  const time = createVirtualTime(options.startMs ?? START_MS)
  const random = seededRandom(options.seed ?? 1)
  const residents = new Map<string, Resident>()
  const log = createMemoryStore()
  let relay: RelayCore | undefined

  const contacts = (): Contact[] =>
    [...residents].map(([name, { secretKey }]) => ({ name, pubkey: publicKeyOf(secretKey) }))

  const startRelay = async () => {
    relay ??= await createRelayCore({
      store: keepOpen(log),
      clock: time.clock,
      timers: time.timers,
      random,
      verifier: nobleVerifier,
      limits: defaultLimits,
      urls: new Set([URL]),
      onError: (where, error) => {
        throw new Error(`the mesh's relay failed at ${where}`, { cause: error })
      },
    })
    await time.settle()
  }

  const start = async (name: string, resident: Resident, accept: OpenAgentOptions['accept']): Promise<Agent> => {
    const life: { alive: boolean; pipe: Pipe | undefined } = { alive: true, pipe: undefined }
    const dial: Dial = (_url, events) => {
      const running = relay
      if (running === undefined || !life.alive) {
        queueMicrotask(() => events.onClose(1006, 'connection refused'))
        return { send() {}, close() {}, terminate() {}, unsentBytes: 0 }
      }
      const pipe = createPipe(
        whileAlive(life, events),
        socket => running.accept(socket),
        () => {
          if (life.pipe === pipe) life.pipe = undefined
        },
      )
      life.pipe = pipe
      return pipe.client
    }
    const agent = await openAgent({
      name,
      relays: [URL],
      ...(accept === undefined ? {} : { accept }),
      host: {
        clock: time.clock,
        timers: { after: (ms, run, how) => time.timers.after(ms, () => life.alive && run(), how) },
        random: forked(random),
        verifier: nobleVerifier,
        dial,
        store: mortalStore(life, resident.store),
        secretKey: resident.secretKey,
        contacts,
      },
    })
    resident.incarnation = Object.assign(life, { agent })
    await time.settle()
    return agent
  }

  const residentOf = (name: string): Resident => {
    const resident = residents.get(name)
    if (resident === undefined) throw new Error(`this mesh has no agent ${name}; start it with mesh.agent('${name}')`)
    return resident
  }

  await startRelay()
  return {
    url: URL,
    get now() {
      return time.clock.now()
    },
    async agent(name, { accept } = {}) {
      if (residents.has(name)) throw new Error(`${name} exists; wake it with mesh.wake('${name}')`)
      const resident: Resident = { secretKey: random.bytes(32), store: createMemoryMailStore(), incarnation: undefined }
      residents.set(name, resident)
      return start(name, resident, accept)
    },
    async kill(name) {
      const life = residentOf(name).incarnation
      if (life === undefined) return
      life.alive = false
      life.pipe?.cut()
      residentOf(name).incarnation = undefined
      await time.settle()
    },
    async wake(name, { accept } = {}) {
      const resident = residentOf(name)
      if (resident.incarnation?.alive) throw new Error(`${name} is awake`)
      return start(name, resident, accept)
    },
    async cut(name) {
      residentOf(name).incarnation?.pipe?.cut()
      await time.settle()
    },
    async killRelay() {
      const dying = relay
      relay = undefined
      for (const { incarnation } of residents.values()) incarnation?.pipe?.cut()
      await dying?.close()
      await time.settle()
    },
    startRelay,
    advance: time.advance,
    settle: time.settle,
    async close() {
      for (const { incarnation } of residents.values())
        if (incarnation?.alive) await closeNow(incarnation.agent, time.advance)
      await relay?.close()
      relay = undefined
    },
  }
}

interface Life {
  alive: boolean
}

const whileAlive = (life: Life, events: SocketEvents): SocketEvents => ({
  onOpen: () => life.alive && events.onOpen?.(),
  onText: text => life.alive && events.onText(text),
  onClose: (code, reason) => life.alive && events.onClose(code, reason),
})

/** What an agent still does after its death happens to an empty store that nobody ever reads. */
function mortalStore(life: Life, store: MailStore): MailStore {
  const afterlife = createMemoryMailStore()
  return new Proxy(store, {
    get: (_target, name) => {
      const target = life.alive ? store : afterlife
      const member: unknown = Reflect.get(target, name, target)
      return typeof member === 'function' ? member.bind(target) : member
    },
  })
}

/** The log outlives the relay that serves it. */
const keepOpen = (store: Store): Store =>
  new Proxy(store, { get: (target, name) => (name === 'close' ? async () => {} : Reflect.get(target, name, target)) })

/** A stream of its own, so that one agent's draws do not shift another's. */
const forked = (random: Random): Random => {
  const [a = 0, b = 0, c = 0, d = 0] = random.bytes(4)
  return seededRandom((a << 24) | (b << 16) | (c << 8) | d)
}

/** Closing flushes and waits in virtual time, so time has to move meanwhile. */
async function closeNow(agent: Agent, advance: (ms: number) => Promise<void>): Promise<void> {
  let closed = false
  const closing = agent.close({ timeoutMs: 0 }).then(() => {
    closed = true
  })
  for (let tries = 0; !closed && tries < 20; tries++) await advance(1_000)
  await closing
}
