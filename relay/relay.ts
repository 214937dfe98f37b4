import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { type Clock, systemClock } from '../platform/clock.ts'
import { type Random, systemRandom } from '../platform/random.ts'
import type { Socket, SocketEvents } from '../platform/socket.ts'
import { systemTimers, type Timers } from '../platform/timers.ts'
import type { Verifier } from '../platform/verifier.ts'
import { createVerifierPool } from '../platform/verifier-pool.ts'
import { defaultLimits, type Limits } from '../protocol/limits.ts'
import { createRelayCore } from './core.ts'
import { type RelayIdentity, relayInfo } from './info.ts'
import { createMemoryStore } from './log/memory.ts'
import { openSqliteStore } from './log/sqlite/store.ts'
import type { Head, Store } from './log/store.ts'
import { listen, type RelayServer } from './server.ts'

export interface RelayOptions {
  /** Folder of the log, made if missing. Without it the log is in memory and ends with the process. */
  readonly data?: string
  /** A log of your own instead. */
  readonly store?: Store
  readonly identity?: RelayIdentity
  readonly limits?: Partial<Limits>
  /** Browser origins that may connect although the relay is bound to loopback. */
  readonly allowOrigins?: readonly string[]
  readonly clock?: Clock
  readonly timers?: Timers
  readonly random?: Random
  readonly verifier?: Verifier
  /** Default: written to stderr. */
  readonly onError?: (where: string, error: unknown) => void
}

export interface Relay {
  /** Where the log ends, and the epoch of this run. */
  readonly head: Head
  readonly verifier: string
  /** Number of open connections and subscriptions. */
  readonly load: { readonly connections: number; readonly subscriptions: number }
  /** Binds HTTP and WebSocket (default 127.0.0.1, port 7678; 0 picks one) and resolves to the ws:// URL. */
  listen(address?: { readonly host?: string; readonly port?: number }): Promise<string>
  /** Attaches a connection of another transport. */
  accept(socket: Socket): SocketEvents
  /** Graceful: answers what came in, closes every connection with 1001, then the log. Safe to call twice. */
  close(): Promise<void>
}

export const DEFAULT_PORT = 7678
export const DEFAULT_HOST = '127.0.0.1'

/** One core is left to the event loop and the log's threads. */
const verifierThreads = (): number => Math.max(1, availableParallelism() - 1)

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  version: string
}

/**
 * Opens the log, begins a new epoch, and returns a relay that is ready to {@link Relay.listen}.
 * Rejects with LockedError (the folder has a relay), DatabaseError (the file cannot be used), or the system's error.
 */
export async function createRelay(options: RelayOptions = {}): Promise<Relay> {
  const store =
    options.store ?? (options.data === undefined ? createMemoryStore() : await openSqliteStore(options.data))
  const verifier = options.verifier ?? createVerifierPool(verifierThreads())
  const limits: Limits = Object.freeze({ ...defaultLimits, ...options.limits })
  const timers = options.timers ?? systemTimers
  const onError = options.onError ?? ((where, error) => console.error(`posthorn relay: ${where}:`, error))
  const core = await createRelayCore({
    store,
    verifier,
    limits,
    onError,
    clock: options.clock ?? systemClock,
    timers,
    random: options.random ?? systemRandom,
  }).catch(async error => {
    await Promise.allSettled([store.close(), verifier.close()])
    throw error
  })
  const servers = new Set<RelayServer>()
  let closing: Promise<void> | undefined

  const close = async () => {
    // The core sends the 1001s; the servers see the handshakes through.
    const answered = core.close()
    await Promise.all([answered, ...[...servers].map(server => server.close(answered))])
  }
  return {
    get head() {
      return core.head
    },
    verifier: verifier.tier,
    get load() {
      return { connections: core.connections, subscriptions: core.subscriptions }
    },
    async listen({ host = DEFAULT_HOST, port = DEFAULT_PORT } = {}) {
      const server = await listen({
        host,
        port,
        maxFrameBytes: limits.frameBytes,
        allowOrigins: options.allowOrigins ?? [],
        timers,
        accept: core.accept,
        info: () => relayInfo(options.identity ?? {}, limits, core.head, version),
      })
      servers.add(server)
      return server.url
    },
    accept: core.accept,
    close: () => {
      closing ??= close()
      return closing
    },
  }
}
