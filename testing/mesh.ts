import { forkRandom, seededRandom } from '../platform/random.ts'
import { createLocalSign } from '../platform/sign-local.ts'
import type { Dial } from '../platform/socket.ts'
import { nobleVerifier } from '../platform/verifier.ts'
import type { NostrEvent } from '../protocol/event.ts'
import { defaultLimits, type Limits } from '../protocol/limits.ts'
import { publicKeyOf } from '../protocol/signature.ts'
import { type LocalSigner, localSigner } from '../sdk/identity/local-signer.ts'
import { trusted } from '../sdk/identity/signer.ts'
import { type Agent, type Contact, type OpenAgentOptions, openAgent } from '../sdk/index.ts'
import { loadSeldom } from '../sdk/load-seldom.ts'
import { loadState } from '../sdk/state/lazy-desk.ts'
import { type CrashPoint, createLife, type Life } from './life.ts'
import { createMeshMail, type MailSnapshot, type MeshMail } from './mesh-mail.ts'
import { type MeshRelay, type RunningMeshRelay, refusedPipe, startMeshRelay } from './mesh-relay.ts'
import { standInPublicKey, standInSigner, standInVerifier } from './stand-in-keys.ts'
import { createVirtualTime } from './virtual-time.ts'

export interface TestMeshOptions {
  /** Everything random follows from it; a run with the same seed and the same calls is the same run. Default 1. */
  readonly seed?: number
  /** Wall clock at the start, ms since 1970. Default 2026-01-01. */
  readonly startMs?: number
  /** How many relays; default 1. */
  readonly relays?: number
  /** Limits of one relay (from 0) that differ from the defaults, like `createdAtFuture` (s). */
  readonly relayLimits?: (index: number) => Partial<Limits>
  /**
   * `stand-in`: hashes in place of signatures and sealing, for thousands of runs instead of dozens; everything else is as it is with
   * real keys, but nothing can be wrapped. Default `real`.
   */
  readonly keys?: 'real' | 'stand-in'
  /**
   * False: relays keep no journal of all that was ever written, and so cannot be put back to an older state; for runs that last. Default
   * true.
   */
  readonly rewindable?: boolean
  /** Told of every event that an agent signs, sent or not. */
  onSigned?(event: NostrEvent): void
}

export interface MeshAgentOptions extends Pick<OpenAgentOptions, 'accept'> {
  /** Tells others that it is there: status, heartbeat, will, card. Default false here, so that a mesh is quiet. */
  readonly presence?: boolean
  /** Addresses of the agent's relays; default all of the mesh, and on waking those it had. */
  readonly relays?: readonly string[]
}

/** Relays and agents in one process: memory logs, pipes for sockets, time that moves only when told to. */
export interface TestMesh {
  /** Address of the first relay. */
  readonly url: string
  readonly relays: readonly MeshRelay[]
  /** ms since 1970, virtual. */
  readonly now: number
  /** Timers that agents and relays have set and not cancelled. */
  readonly timers: number
  /** Starts an agent under a name, with a key and mail of its own. All agents of a mesh are each other's contacts. */
  agent(name: string, options?: MeshAgentOptions): Promise<Agent>
  /** As SIGKILL does: the agent's connections drop, nothing is flushed, nothing of it runs or writes again. Its key and mail stay. */
  kill(name: string): Promise<void>
  /** The same at a later point, in the middle of whatever the agent does then. */
  killAt(name: string, point: CrashPoint): void
  /** False from its death on. What the object of a dead agent says means nothing. */
  isAwake(name: string): boolean
  /** Starts a killed (or closed) agent again on its key and mail. Handlers have to be registered anew, as in a new process. */
  wake(name: string, options?: MeshAgentOptions): Promise<Agent>
  /** The agent's mail as it is now, awake or not. */
  snapshot(name: string): MailSnapshot
  /** Kills the agent if it is awake and wakes it on older mail, as from a backup. */
  restore(name: string, from: MailSnapshot, options?: MeshAgentOptions): Promise<Agent>
  /** Starts a second agent with the key of `name` and a copy of its mail (now, or of a snapshot), as a copied disk does. */
  clone(name: string, as: string, options?: MeshAgentOptions & { readonly from?: MailSnapshot }): Promise<Agent>
  /** Drops the agent's connections (to one relay, or all); it reconnects after its usual wait. */
  cut(name: string, relay?: string): Promise<void>
  /** Cuts the agent off from a relay until {@link unblock}: connections drop and new ones fail. */
  block(name: string, relay: string): Promise<void>
  unblock(name: string, relay: string): void
  /** Takes the first relay down without warning. Its log stays. */
  killRelay(): Promise<void>
  /** Brings the first relay back on the same log, under a new epoch. */
  startRelay(): Promise<void>
  /** Moves the wall clock, ms since 1970, of all agents and relays; what waits goes on waiting as long as before. */
  setWallClock(ms: number): void
  /** Sets the wall clock of one agent so many ms ahead of everybody's (below 0: behind), awake or not; what waits goes on waiting as long as before. */
  skew(name: string, ms: number): void
  /** Lets `ms` pass, with everything that is due in them. */
  advance(ms: number): Promise<void>
  /** Lets everything happen that needs no time passing. */
  settle(): Promise<void>
  /** Ends all agents and relays. */
  close(): Promise<void>
}

interface Resident {
  readonly secretKey: Uint8Array
  readonly pubkey: string
  mail: MeshMail
  relays: readonly string[]
  readonly blocked: Set<string>
  skewMs: number
  /** Set while it runs. */
  life: Life | undefined
  agent: Agent | undefined
}

const START_MS = Date.UTC(2026, 0, 1)
/** Of all meshes of this process: what it loads is loaded once. */
const sign = createLocalSign()

export async function testMesh(options: TestMeshOptions = {}): Promise<TestMesh> {
  // Reading a file takes the host's time, which a virtual clock does not wait for.
  await Promise.all([loadSeldom(), loadState()])
  const time = createVirtualTime(options.startMs ?? START_MS)
  const random = seededRandom(options.seed ?? 1)
  const residents = new Map<string, Resident>()
  const relays: RunningMeshRelay[] = []

  const standIn = options.keys === 'stand-in'
  const verifier = standIn ? standInVerifier : nobleVerifier

  const witnessed = (signer: LocalSigner): LocalSigner => ({
    ...signer,
    sign(template) {
      const event = signer.sign(template)
      options.onSigned?.(event)
      return event
    },
  })

  const contacts = (): Contact[] => [...residents].map(([name, { pubkey }]) => ({ name, pubkey }))

  const dialFor = (resident: Resident, life: Life): Dial =>
    life.dial((url, events, onEnd) => {
      const relay = relays.find(each => each.url === url)
      return relay === undefined || !life.isAlive || resident.blocked.has(url)
        ? refusedPipe(events, onEnd)
        : relay.connect(events, onEnd)
    })

  async function start(
    name: string,
    resident: Resident,
    { accept, presence, relays: given }: MeshAgentOptions,
  ): Promise<Agent> {
    const life = createLife(() => {
      resident.life = undefined
      resident.agent = undefined
    })
    const own = forkRandom(random)
    resident.relays = given ?? resident.relays
    resident.life = life
    const agent = await openAgent({
      name,
      relays: resident.relays,
      presence: presence ?? false,
      ...(accept === undefined ? {} : { accept }),
      host: {
        clock: { ...time.clock, now: () => time.clock.now() + resident.skewMs },
        timers: life.timers(time.timers),
        random: own,
        verifier,
        dial: dialFor(resident, life),
        store: life.store(resident.mail.store),
        state: life.state(resident.mail.state),
        signer: trusted(
          life.signer(
            witnessed(standIn ? standInSigner(resident.secretKey, own) : localSigner(resident.secretKey, own, sign)),
          ),
        ),
        contacts,
      },
    })
    resident.agent = agent
    await time.settle()
    return agent
  }

  const residentOf = (name: string): Resident => {
    const resident = residents.get(name)
    if (resident === undefined) throw new Error(`this mesh has no agent ${name}; start it with mesh.agent('${name}')`)
    return resident
  }

  function settle(name: string, secretKey: Uint8Array, mail: MeshMail, urls: readonly string[]): Resident {
    if (residents.has(name)) throw new Error(`${name} exists; wake it with mesh.wake('${name}')`)
    const pubkey = standIn ? standInPublicKey(secretKey) : publicKeyOf(secretKey)
    const resident: Resident = {
      secretKey,
      pubkey,
      mail,
      relays: urls,
      blocked: new Set(),
      skewMs: 0,
      life: undefined,
      agent: undefined,
    }
    residents.set(name, resident)
    return resident
  }

  async function kill(name: string): Promise<void> {
    residentOf(name).life?.end()
    await time.settle()
  }

  async function cut(name: string, relay?: string): Promise<void> {
    residentOf(name).life?.cut(relay)
    await time.settle()
  }

  const count = options.relays ?? 1
  const urlOf = (index: number) => (count === 1 ? 'ws://mesh.test' : `ws://${index + 1}.mesh.test`)
  // The only relay draws from the mesh itself: runs recorded before there were several stay the same.
  for (let index = 0; index < count; index += 1) {
    const own = count === 1 ? random : forkRandom(random)
    const key = standIn ? standInSigner(own.bytes(32), own) : undefined
    relays.push(
      await startMeshRelay(urlOf(index), {
        time,
        verifier,
        random: own,
        key,
        rewindable: options.rewindable ?? true,
        limits: { ...defaultLimits, ...options.relayLimits?.(index) },
      }),
    )
  }
  const [first] = relays
  if (first === undefined) throw new RangeError('a mesh has at least one relay')

  return {
    url: first.url,
    relays,
    get now() {
      return time.clock.now()
    },
    get timers() {
      return time.pending
    },
    async agent(name, how = {}) {
      const urls = relays.map(({ url }) => url)
      return start(name, settle(name, random.bytes(32), createMeshMail(), urls), how)
    },
    kill,
    killAt: (name, point) => residentOf(name).life?.end(point),
    isAwake: name => residentOf(name).life !== undefined,
    async wake(name, how = {}) {
      const resident = residentOf(name)
      if (resident.life) throw new Error(`${name} is awake`)
      return start(name, resident, how)
    },
    snapshot: name => residentOf(name).mail.snapshot(),
    async restore(name, from, how = {}) {
      await kill(name)
      const resident = residentOf(name)
      resident.mail = createMeshMail(from)
      return start(name, resident, how)
    },
    async clone(name, as, { from, ...how } = {}) {
      const original = residentOf(name)
      const mail = createMeshMail(from ?? original.mail.snapshot())
      return start(as, settle(as, original.secretKey, mail, original.relays), how)
    },
    cut,
    async block(name, relay) {
      residentOf(name).blocked.add(relay)
      await cut(name, relay)
    },
    unblock: (name, relay) => void residentOf(name).blocked.delete(relay),
    killRelay: first.kill,
    startRelay: first.start,
    setWallClock: time.setWallClock,
    skew(name, ms) {
      residentOf(name).skewMs = ms
    },
    advance: time.advance,
    settle: time.settle,
    async close() {
      for (const { life, agent } of residents.values()) if (life && agent) await closeNow(agent, time.advance)
      for (const relay of relays) await relay.kill()
    },
  }
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
