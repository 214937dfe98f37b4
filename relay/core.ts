import type { Clock } from '../platform/clock.ts'
import type { Random } from '../platform/random.ts'
import { SharedText } from '../platform/shared-text.ts'
import type { Socket, SocketEvents } from '../platform/socket.ts'
import { every, type Timers } from '../platform/timers.ts'
import type { Verifier } from '../platform/verifier.ts'
import { CLOSE } from '../protocol/close-codes.ts'
import type { NostrEvent } from '../protocol/event.ts'
import type { Limits } from '../protocol/limits.ts'
import { REASONS, reason } from '../protocol/reasons.ts'
import { createChallenge } from './auth.ts'
import { Connection, type ConnectionHost } from './connection.ts'
import { EpochKeeper } from './epoch-keeper.ts'
import type { Source } from './follower.ts'
import type { GateTerms } from './gate.ts'
import type { HttpHost } from './http/host.ts'
import { Ingest } from './ingest.ts'
import { LiveIndex } from './live.ts'
import { type RetentionRule, requireRules } from './log/retention.ts'
import type { Head, Store } from './log/store.ts'
import { AccessLists } from './policy/access-lists.ts'
import { type Admission, createAdmission } from './policy/admission.ts'
import type { Peer, Policy, PolicyFactory } from './policy/policy.ts'
import { originOf } from './policy/rates.ts'
import { openRelayKey, type RelayKey } from './policy/relay-key.ts'
import { saneDefaults } from './policy/sane-defaults.ts'
import { TokenBuckets } from './policy/token-buckets.ts'
import { createReads } from './reads.ts'
import { type PruneReport, startRetention } from './retention.ts'
import { WillKeeper } from './wills.ts'

/** Positions told to quiet log-order subscriptions at most this often. */
const CHECKPOINT_MS = 15_000
/** Expired events leave the disk this often; they are never served in between. */
const SWEEP_MS = 60_000
/** A relay that stops verifies what it has taken in for so long; the whole stop is to take 5 s. */
const LAST_ANSWERS_MS = 2_000

/** Who gets EOSE hints: clients that have shown that they read them, or all. */
export type EoseHintsSetting = 'asked' | 'always'

export interface CoreOptions {
  readonly store: Store
  readonly clock: Clock
  readonly timers: Timers
  readonly random: Random
  readonly verifier: Verifier
  readonly limits: Limits
  /** The relay's own URLs as clients dial them; AUTH is offered only if there are any. More may be added while running. */
  readonly urls: Set<string>
  /** How long events are kept. Default: for ever. */
  readonly retention?: readonly RetentionRule[]
  /** False: searches (NIP-50) are refused. Default: true. */
  readonly search?: boolean
  /** `always`: hints on every EOSE (NIP-67), also for clients that have not shown that they read them. Default: `asked`. */
  readonly eoseHints?: EoseHintsSetting | undefined
  /** Default: {@link saneDefaults}. */
  readonly policy?: Policy | PolicyFactory | undefined
  /** Keys that own this relay (64 hex). */
  readonly owners?: readonly string[] | undefined
  /** The relay's own key. Default: a fresh one. */
  readonly key?: RelayKey | undefined
  /** What an operator should know; `error` is the cause. */
  readonly onError: (where: string, error: unknown) => void
}

/** What a running relay can be told anew. */
export interface CoreChanges {
  readonly retention?: readonly RetentionRule[]
  readonly policy?: Policy | PolicyFactory
}

/** The relay without a network: accepts open sockets, of whatever transport. */
export interface RelayCore {
  readonly head: Head
  readonly limits: Limits
  readonly connections: number
  readonly subscriptions: number
  /** Wills on deposit. */
  readonly wills: number
  /** What its HTTP side is made of. */
  readonly http: HttpHost
  /** Who may connect, write and read. */
  readonly admission: Admission
  /** The rules that hold. */
  readonly retention: readonly RetentionRule[]
  /**
   * Attaches an open connection; the caller feeds what the socket does into the returned handlers. A `peer` that is not given
   * is a part of this process: unthrottled.
   */
  accept(socket: Socket, peer?: Peer): SocketEvents
  /** Retention and policy from now on; what is not named stays. Throws a TypeError for what cannot be kept; nothing has changed then. */
  change(changes: CoreChanges): void
  /** Applies the retention rules now; they are also applied from time to time. Rejects with PruneRefusedError. */
  prune(): Promise<PruneReport>
  /** Answers what was received as far as 2 s allow, closes every connection with 1001, closes store and verifier. */
  close(): Promise<void>
}

/** Begins an epoch and then serves. Rejects if the store cannot be written. */
export async function createRelayCore(options: CoreOptions): Promise<RelayCore> {
  const { store, clock, timers, random, verifier, limits, urls, onError } = options
  let rules = requireRules(options.retention ?? [])
  const live = new LiveIndex()
  let stopping = false
  const connections = new Set<Connection>()
  const epochs = new EpochKeeper(store, clock, random)
  await epochs.begin()
  const lists = await AccessLists.load(store)
  const stopSignal = new AbortController()

  // What live subscriptions have been handed, which trails the store's own head by a moment.
  let head: Head = store.head
  const readAhead = { store, timers, now: () => source.now(), removals: 0, held: 0 }
  const source: Source = {
    store,
    get head() {
      return head
    },
    now: () => Math.floor(clock.now() / 1000),
    pendingEphemerals: limits.pendingEphemerals,
  }

  /** Positions told under the old epoch end where the new one starts, so log-order subscriptions begin anew. */
  const checkEpoch = async () => {
    if (!(await epochs.check())) return
    head = { ...head, epoch: store.head.epoch }
    for (const connection of connections)
      for (const follower of [...connection.followers])
        if (follower.mode === 'log') connection.closeSubscription(follower.sub, REASONS.newEpoch)
  }

  const admission = await createAdmission({
    policy: options.policy ?? saneDefaults(),
    owners: options.owners ?? [],
    key: options.key ?? (await openRelayKey(undefined, random)),
    store,
    lists,
    limits,
    clock,
    random,
    publish: event => publishOwn(event),
    onMembersChanged: () => endShutOut(),
    onError,
  })
  const publishOwn = (event: NostrEvent) =>
    new Promise<void>((resolve, reject) => {
      const sender = { keys: [admission.self], unthrottled: true }
      ingest.push(event, sender, (accepted, message) => (accepted ? resolve() : reject(new Error(message))))
    })
  const endShutOut = () => {
    for (const connection of connections)
      if (admission.isShutOut(connection))
        for (const { sub } of [...connection.followers])
          connection.closeSubscription(
            sub,
            connection.keys.length === 0
              ? reason('auth-required', 'authenticate to read here')
              : reason('restricted', 'you are no member of this relay any more'),
          )
  }
  const { refuseWrite, charge } = admission
  const terms = (): GateTerms => ({ limits, urls, now: source.now(), charge, refuseWrite, retention: rules })
  const retention = startRetention({ store, timers, rules: () => rules, now: () => source.now(), onError })
  const wills = new WillKeeper({
    store,
    timers,
    terms,
    publish: (event, sender, answer) => ingest.push(event, sender, answer),
    onError,
  })
  const ingest: Ingest = new Ingest({
    store,
    verifier,
    clock,
    terms,
    beforeCommit: checkEpoch,
    onCommit: commit => {
      if (commit.entries.some(({ op }) => op !== 'stored')) readAhead.removals += 1
      live.publish(commit)
      head = { epoch: store.head.epoch, last: commit.last }
    },
    onEphemeral: event => {
      const listeners = live.listenersTo(event)
      if (listeners.length === 0) return undefined
      return json => {
        const text = new SharedText(json)
        for (const follower of listeners) follower.passOn(text)
      }
    },
    onRequest: event => admission.request(event),
    isBanned: id => lists.isEventBanned(id),
    onError,
  })

  const searchable = options.search !== false
  const reads = createReads({ store, source, limits, timers, admission, searchable, onError })
  const cancels = [
    every(timers, CHECKPOINT_MS, () => {
      checkEpoch().catch(error => onError('epoch', error))
      for (const follower of live) follower.checkpoint()
    }),
    every(timers, SWEEP_MS, () => {
      store.sweepExpired(source.now()).catch(error => onError('sweep', error))
    }),
  ]

  const inbound = new TokenBuckets({ burst: limits.inboundBytesBurst, perMinute: limits.inboundBytesPerMinute, clock })
  const host: ConnectionHost = {
    charge,
    received: (peer, bytes) => (peer.unthrottled ? 0 : inbound.spend(originOf(peer.address), bytes)),
    limits,
    timers,
    ingest,
    live,
    verifier,
    wills,
    readAhead,
    negentropy: { store, timers, limits, now: source.now, onError, refuseRead: reads.refuse, held: 0 },
    urls,
    eoseHintsAlways: options.eoseHints === 'always',
    get authRequired() {
      return admission.terms.authRequired === true
    },
    penalize: admission.penalize,
    leave(connection, peer) {
      connections.delete(connection)
      admission.leave(peer)
    },
    challenge: () => createChallenge(random),
    now: source.now,
    subscribe: reads.subscribe,
    count: reads.count,
  }
  const http: HttpHost = {
    limits,
    clock,
    timers,
    verifier,
    ingest,
    live,
    source,
    lists,
    admission,
    urls,
    stopping: stopSignal.signal,
    underway: new Set(),
    onError,
    refuseRead: reads.refuse,
    judge: reads.judge,
    hints: reads.hints,
  }
  // A ban that was written when the relay died before the removal.
  await ingest.remove(lists.listBannedEvents().map(({ value }) => value))
  await wills.start()
  await admission.refreshMembers()
  return {
    get head() {
      return head
    },
    limits,
    http,
    get connections() {
      return connections.size
    },
    get subscriptions() {
      return live.size
    },
    get wills() {
      return wills.size
    },
    admission,
    accept(socket, peer = { unthrottled: true }) {
      admission.enter(peer)
      const connection = new Connection(socket, peer, host)
      connections.add(connection)
      if (stopping) connection.end(CLOSE.goingAway, 'the relay is stopping')
      else connection.open()
      return connection
    },
    change(changes) {
      const nextRules = changes.retention && requireRules(changes.retention)
      if (changes.policy !== undefined) admission.replacePolicy(changes.policy, urls.size > 0)
      if (nextRules !== undefined) rules = nextRules
      if (changes.policy === undefined) return
      endShutOut()
      admission.refreshMembers().catch(error => onError('members', error))
    },
    get retention() {
      return rules
    },
    prune: retention.run,
    async close() {
      stopping = true
      stopSignal.abort()
      for (const cancel of cancels) cancel()
      wills.stop()
      for (const connection of connections) connection.stopReading()
      await Promise.allSettled(http.underway)
      const impatient = timers.after(LAST_ANSWERS_MS, () => ingest.dropUnverified())
      await ingest.idle()
      impatient()
      for (const connection of connections) connection.end(CLOSE.goingAway, 'the relay is stopping')
      await retention.stop()
      await verifier.close()
      await store.close()
    },
  }
}
