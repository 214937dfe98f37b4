import { forkRandom, type Random } from '../platform/random.ts'
import type { SocketEvents } from '../platform/socket.ts'
import type { Verifier } from '../platform/verifier.ts'
import type { Limits } from '../protocol/limits.ts'
import { createRelayCore, type RelayCore } from '../relay/core.ts'
import type { RelayKey } from '../relay/policy/relay-key.ts'
import { type Lies, lieOn } from './liar.ts'
import { createMeshLog, createPlainMeshLog, type LogSnapshot, type MeshLog } from './mesh-log.ts'
import { createPipe, type Pipe } from './pipe.ts'
import type { VirtualTime } from './virtual-time.ts'

/** One relay of a mesh. */
export interface MeshRelay {
  readonly url: string
  readonly isRunning: boolean
  /** Open connections. */
  readonly connections: number
  /** Number of the newest entry of its log. */
  readonly last: number
  /** Whether its log has this event, whatever it tells others. */
  has(id: string): Promise<boolean>
  /** Its place there. */
  seqOf(id: string): Promise<number | undefined>
  /** Of its present run, or of the last one. */
  readonly epoch: string
  /** Takes it down without warning. Its log stays. */
  kill(): Promise<void>
  /** Brings it back on its log, under a new epoch. */
  start(): Promise<void>
  /** Drops every connection to it; agents come back after their usual wait. */
  cut(): Promise<void>
  /** Its log as it is now. Throws where relays are not `rewindable`. */
  snapshot(): LogSnapshot
  /** Puts its log back to a snapshot, as a restored backup does: what was acknowledged since is lost. Runs again afterwards. */
  rewind(to: LogSnapshot): Promise<void>
  /** From now on it lies like this; `{}` makes it honest again. */
  lie(lies: Lies): void
}

/** The mesh's side of it. */
export interface RunningMeshRelay extends MeshRelay {
  /** Opens a connection, or reports that there is none. */
  connect(events: SocketEvents, onEnd: () => void): Pipe
}

export interface MeshRelayOptions {
  readonly time: VirtualTime
  readonly random: Random
  readonly verifier: Verifier
  /** The relay's own, kept over restarts. Default: a fresh one at each start. */
  readonly key?: RelayKey | undefined
  readonly rewindable: boolean
  readonly limits: Limits
}

export async function startMeshRelay(
  url: string,
  { time, random, verifier, key, rewindable, limits }: MeshRelayOptions,
): Promise<RunningMeshRelay> {
  const liar = forkRandom(random)
  const pipes = new Set<Pipe>()
  let log: MeshLog = rewindable ? await createMeshLog() : createPlainMeshLog()
  let core: RelayCore | undefined
  let lies: Lies = {}

  async function start(): Promise<void> {
    core ??= await createRelayCore({
      store: log.store,
      clock: time.clock,
      timers: time.timers,
      random,
      verifier,
      key,
      limits,
      urls: new Set([url]),
      onError: (where, error) => {
        throw new Error(`the mesh's relay failed at ${where}`, { cause: error })
      },
    })
    await time.settle()
  }

  async function cut(): Promise<void> {
    for (const pipe of [...pipes]) pipe.cut()
    await time.settle()
  }

  async function kill(): Promise<void> {
    const dying = core
    core = undefined
    for (const pipe of [...pipes]) pipe.cut()
    await dying?.close()
    await time.settle()
  }

  await start()
  return {
    url,
    get isRunning() {
      return core !== undefined
    },
    get connections() {
      return pipes.size
    },
    get last() {
      return log.store.head.last
    },
    has: async id => (await log.store.seqsOf([id]))[0] !== undefined,
    seqOf: async id => (await log.store.seqsOf([id]))[0],
    get epoch() {
      return log.store.head.epoch
    },
    kill,
    start,
    cut,
    snapshot: () => log.snapshot(),
    async rewind(to) {
      await kill()
      log = await createMeshLog(to)
      await start()
    },
    lie(next) {
      lies = next
    },
    connect(events, onEnd) {
      const running = core
      if (running === undefined) return refusedPipe(events, onEnd)
      const pipe = createPipe(
        events,
        socket =>
          lieOn(
            socket,
            honest => running.accept(honest),
            () => lies,
            liar,
          ),
        () => {
          pipes.delete(pipe)
          onEnd()
        },
      )
      pipes.add(pipe)
      return pipe
    },
  }
}

/** Nobody is there: told as any failure to connect is. */
export function refusedPipe(events: SocketEvents, onEnd: () => void): Pipe {
  queueMicrotask(() => {
    onEnd()
    events.onClose(1006, 'connection refused')
  })
  return { client: { send() {}, close() {}, terminate() {}, unsentBytes: 0 }, cut() {} }
}
