import { readFileSync } from 'node:fs'
import { type Clock, systemClock } from '../platform/clock.ts'
import { freeBytes } from '../platform/disk.ts'
import { watchLoopDelay } from '../platform/loop-delay.ts'
import { isLoopback } from '../platform/origin.ts'
import type { OpenTelemetryApi } from '../platform/otel.ts'
import { registeredOpenTelemetry } from '../platform/otel-host.ts'
import { type Random, systemRandom } from '../platform/random.ts'
import type { Socket, SocketEvents } from '../platform/socket.ts'
import { systemTimers, type Timers } from '../platform/timers.ts'
import type { Verifier, VerifierStatus } from '../platform/verifier.ts'
import type { VerifierSetting } from '../platform/verifier-tier.ts'
import { isHex64 } from '../protocol/hex.ts'
import { defaultLimits, type Limits } from '../protocol/limits.ts'
import { normalizeRelayUrl } from '../protocol/url.ts'
import { trustProxies } from './address.ts'
import { type BackupMade, type BackupSchedule, startBackups } from './backups.ts'
import { type CoreChanges, createRelayCore, type EoseHintsSetting } from './core.ts'
import { createReadiness, watchCommits } from './health.ts'
import { IdentitySettings } from './http/identity.ts'
import { createHttp } from './http/router.ts'
import { type RelayIdentity, relayInfo } from './info.ts'
import type { PeerClass } from './log/asker.ts'
import type { RetentionRule } from './log/retention.ts'
import type { Head, Store } from './log/store.ts'
import { listenMetrics, type MetricsServer } from './metrics/listen.ts'
import { meteredAccept, meteredStore, meteredVerifier } from './metrics/metered.ts'
import { createMetrics } from './metrics/prometheus.ts'
import { connectMetrics } from './metrics/sources.ts'
import { timedStore } from './metrics/timed-store.ts'
import { traced } from './metrics/traced.ts'
import { openParts, statusOf } from './parts.ts'
import { NEEDS_URL } from './policy/admission.ts'
import type { Peer, Policy, PolicyFactory } from './policy/policy.ts'
import { openRelayKey } from './policy/relay-key.ts'
import type { PruneReport } from './retention.ts'
import { listen, type RelayServer } from './server.ts'
import { watchTraffic } from './traffic.ts'

export interface RelayOptions {
  /** Folder of the log, made if missing. Without it the log is in memory and ends with the process. */
  readonly data?: string
  /** A log of your own instead. */
  readonly store?: Store
  readonly identity?: RelayIdentity
  readonly limits?: Partial<Limits>
  /** How long events are kept: of all rules the first that names an event decides. Default: for ever. */
  readonly retention?: readonly RetentionRule[]
  /** With `data`: the log's file never grows beyond this; publishing is then refused. Default: the disk. */
  readonly maxLogBytes?: number
  /** With `data`: a checked copy of the log from time to time, beside serving. A failure is told to `onError` as `backup`. Default: none. */
  readonly backups?: BackupSchedule
  readonly onBackup?: (made: BackupMade) => void
  /** False: no search (NIP-50), and no index of words beside the log. Default: true. */
  readonly search?: boolean
  /**
   * `asked`: EOSE hints go to clients that sent `since_seq` or chose the subprotocol `nostr-seq`; others get the EOSE of NIP-01.
   * `always`: to all (NIP-67); some published clients then never see the end of a query. Default: `asked`.
   */
  readonly eoseHints?: EoseHintsSetting
  /** Compress (permessage-deflate) for clients that ask for it: less traffic, more CPU, and up to 100 KB for each of them. Default: false. */
  readonly deflate?: boolean
  /**
   * The URLs clients dial, as configured and never as a request claims. AUTH is offered only if there are any;
   * bound to loopback without them, the loopback names count.
   */
  readonly publicUrls?: readonly string[]
  /** Browser origins that may connect although the relay is for this machine only: bound to loopback, and without a public URL. */
  readonly allowOrigins?: readonly string[]
  /** Who may connect, write and read. Default: `saneDefaults()`. */
  readonly policy?: Policy | PolicyFactory
  /** Keys (64 hex) that own this relay: members by configuration, and given invites (NIP-43). Kept for later starts that name none. */
  readonly owners?: readonly string[]
  /** Proxies whose `X-Forwarded-For` is believed: CIDR blocks, or `loopback`, `private`, `cloudflare`. Default: nobody. */
  readonly trustedProxies?: readonly string[]
  /** Count and time everything, for `metrics()` and `listenMetrics()`. Default: false, which costs nothing. */
  readonly metrics?: boolean
  /**
   * `@opentelemetry/api`, for spans around verifying, commits and queries. Default: that package, if the program has registered a tracer
   * through it before.
   */
  readonly telemetry?: OpenTelemetryApi
  /** Called for every question that took at least `slowQueryMs` (default 500): its shape, never its values. */
  readonly onSlowQuery?: (query: SlowQuery) => void
  readonly slowQueryMs?: number
  readonly clock?: Clock
  readonly timers?: Timers
  readonly random?: Random
  /**
   * What checks signatures: `native` (the system's libsecp256k1), `wasm`, `noble`, or one of your own.
   * Default: POSTHORN_VERIFIER, or `auto`, the first of these that is there.
   */
  readonly verifier?: VerifierSetting | Verifier
  /** Default: written to stderr. */
  readonly onError?: (where: string, error: unknown) => void
}

/** A question that took long. */
export interface SlowQuery {
  /** Which conditions it has. */
  readonly shape: string
  /** Milliseconds to its answer, waiting included. */
  readonly ms: number
  readonly rows: number
  /** Milliseconds of the reader's own time; 0 for a log in memory. */
  readonly readerMs: number
  /** `local` (this machine), `key` (authenticated), `address` (not authenticated), `relay` (the relay itself). */
  readonly peer: PeerClass
}

/** What can be told anew without dropping a connection; what is not named stays as it is. */
export interface RelayChanges extends CoreChanges {
  readonly allowOrigins?: readonly string[]
  readonly slowQueryMs?: number
}

export interface Relay {
  /** Where the log ends, and the epoch of this run. */
  readonly head: Head
  /** What checks signatures here, and why nothing faster does. */
  readonly verifier: VerifierStatus
  /** Number of open connections and subscriptions. */
  readonly load: { readonly connections: number; readonly subscriptions: number }
  /** Binds HTTP and WebSocket (default 127.0.0.1, port 7678; 0 picks one) and resolves to the ws:// URL. */
  listen(address?: { readonly host?: string; readonly port?: number }): Promise<string>
  /** Attaches a connection of another transport; without a `peer` it is a part of this process and not throttled. */
  accept(socket: Socket, peer?: Peer): SocketEvents
  /** Everything in `relay/metrics/table.ts` as Prometheus' text; undefined without the option. */
  metrics(): Promise<string | undefined>
  /** Serves that on a port of its own and resolves to its URL. Throws a TypeError without the option. */
  listenMetrics(address: { readonly host: string; readonly port: number }): Promise<string>
  /**
   * Changes a running relay. Connections stay; subscriptions of who may not read any more end with CLOSED. Throws a TypeError for what cannot
   * be kept (AUTH without a URL, members without an owner); nothing has changed then.
   */
  change(changes: RelayChanges): void
  /** Applies the retention rules now. Rejects with PruneRefusedError if something that is to go is damaged. */
  prune(): Promise<PruneReport>
  /** Graceful: answers what came in, closes every connection with 1001, then the log. Safe to call twice. */
  close(): Promise<void>
}

export const DEFAULT_PORT = 7678
const SLOW_QUERY_MS = 500
export const DEFAULT_HOST = '127.0.0.1'

const LOOPBACK_NAMES = ['localhost', '127.0.0.1', '[::1]']

function requireRelayUrl(url: string): string {
  const normal = normalizeRelayUrl(url)
  if (normal === undefined)
    throw new TypeError(`${JSON.stringify(url)} is not a relay URL; write it like wss://relay.example.com`)
  return normal
}

function requireKey(key: string): string {
  if (!isHex64(key)) throw new TypeError('an owner is a public key of 64 lowercase hex characters')
  return key
}

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  version: string
}

/**
 * Opens the log, begins a new epoch, and returns a relay that is ready to {@link Relay.listen}.
 * Rejects with LockedError (the folder has a relay), DatabaseError (the file cannot be used), VerifierUnavailableError (the
 * verifier that was asked for is not here), or the system's error.
 */
export async function createRelay(options: RelayOptions = {}): Promise<Relay> {
  const limits: Limits = Object.freeze({ ...defaultLimits, ...options.limits })
  const timers = options.timers ?? systemTimers
  const publicUrls = options.publicUrls ?? []
  const isTrustedProxy = trustProxies(options.trustedProxies ?? [])
  const urls = new Set(publicUrls.map(requireRelayUrl))
  const onError = options.onError ?? ((where, error) => console.error(`posthorn relay: ${where}:`, error))
  const clock = options.clock ?? systemClock
  const opened = await openParts(options, onError)
  const telemetry = options.telemetry ?? (await registeredOpenTelemetry())
  const parts = telemetry === undefined ? opened : traced(opened, telemetry)
  const metrics = options.metrics === true ? await createMetrics(clock) : undefined
  const verifier = metrics === undefined ? parts.verifier : meteredVerifier(parts.verifier, metrics.meter)
  const { onSlowQuery } = options
  let { slowQueryMs = SLOW_QUERY_MS, allowOrigins = [] } = options
  const timed =
    onSlowQuery === undefined
      ? parts.store
      : timedStore(parts.store, clock, {
          query: (ms, shape, rows, peer, readerMs) =>
            ms >= slowQueryMs && onSlowQuery({ shape, ms: Math.round(ms), rows, peer, readerMs: Math.round(readerMs) }),
        })
  const { store, failing } = watchCommits(metrics === undefined ? timed : meteredStore(timed, metrics.meter))
  const random = options.random ?? systemRandom
  const begin = async () =>
    createRelayCore({
      store,
      verifier,
      limits,
      urls,
      retention: options.retention ?? [],
      search: options.search !== false,
      eoseHints: options.eoseHints,
      onError,
      clock,
      timers,
      random,
      policy: options.policy,
      owners: options.owners?.map(requireKey),
      key: await openRelayKey(options.data, random),
    })
  const giveUp = async (error: unknown) => {
    await Promise.allSettled([store.close(), verifier.close()])
    throw error
  }
  const identity = await IdentitySettings.load(store, options.identity ?? {}).catch(giveUp)
  const core = await begin().catch(giveUp)
  const loopDelay = watchLoopDelay()
  const traffic = watchTraffic(core.http.clock, timers, () => core.head.last)
  const { data } = options
  const readiness = createReadiness({
    store,
    failing,
    clock,
    timers,
    loopDelay,
    freeBytes: data === undefined ? undefined : () => freeBytes(data),
  })
  const accept = metrics === undefined ? core.accept : meteredAccept(core.accept, metrics.meter)
  const backups =
    options.backups === undefined || data === undefined
      ? undefined
      : await startBackups({ ...options.backups, data, clock, timers, onBackup: options.onBackup, onError }).catch(
          async error => {
            await core.close()
            throw error
          },
        )
  if (metrics !== undefined)
    connectMetrics(metrics, {
      core,
      store,
      limits,
      data,
      readiness,
      version,
      verifier,
      backups: backups && (() => backups.status),
    })
  const answer = createHttp({
    host: core.http,
    identity,
    retention: {
      get rules() {
        return core.retention
      },
      run: core.prune,
    },
    stats: () => ({
      connections: core.connections,
      subscriptions: core.subscriptions,
      head: core.head,
      uptimeS: traffic.uptimeS,
      log: { everyS: traffic.everyS, samples: traffic.samples },
    }),
    readiness,
    allowOrigins: () => allowOrigins,
    info: () =>
      relayInfo(identity.current, limits, core.head, version, {
        self: core.admission.self,
        terms: core.admission.terms,
        auth: urls.size > 0,
        owned: core.admission.membership.hasOwners,
        search: options.search !== false,
        eoseHints: options.eoseHints === 'always',
      }),
  })
  const servers = new Set<RelayServer>()
  const metricsServers = new Set<MetricsServer>()
  let closing: Promise<void> | undefined

  const close = async () => {
    loopDelay.close()
    traffic.stop()
    await backups?.stop()
    // The core sends the 1001s; the servers see the handshakes through.
    const answered = core.close()
    await Promise.all([
      answered,
      ...[...servers].map(server => server.close(answered)),
      ...[...metricsServers].map(server => server.close()),
    ])
  }
  return {
    get head() {
      return core.head
    },
    verifier: statusOf(verifier),
    get load() {
      return { connections: core.connections, subscriptions: core.subscriptions }
    },
    async listen({ host = DEFAULT_HOST, port = DEFAULT_PORT } = {}) {
      const local = publicUrls.length === 0 && isLoopback(host)
      if (core.admission.terms.needsAuth === true && publicUrls.length === 0 && !local) throw new TypeError(NEEDS_URL)
      const server = await listen({
        host,
        port,
        limits,
        reach: { local, isTrustedProxy },
        deflate: options.deflate === true,
        allowOrigins: () => allowOrigins,
        timers,
        refuse: core.admission.refuseConnection,
        accept,
        answer,
      })
      servers.add(server)
      if (local) {
        const { port: bound } = new URL(server.url)
        for (const name of LOOPBACK_NAMES) urls.add(`ws://${name}:${bound}`)
      }
      return server.url
    },
    accept,
    change(changes) {
      core.change(changes)
      allowOrigins = changes.allowOrigins ?? allowOrigins
      slowQueryMs = changes.slowQueryMs ?? slowQueryMs
    },
    prune: core.prune,
    metrics: async () => metrics?.text(),
    async listenMetrics(address) {
      if (metrics === undefined) throw new TypeError('this relay keeps no metrics; create it with metrics: true')
      const server = await listenMetrics(metrics, address, onError)
      metricsServers.add(server)
      return server.url
    },
    close: () => {
      closing ??= close()
      return closing
    },
  }
}
