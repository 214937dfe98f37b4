import type { Clock } from '../platform/clock.ts'
import type { Random } from '../platform/random.ts'
import type { Socket, SocketEvents } from '../platform/socket.ts'
import { every, type Timers } from '../platform/timers.ts'
import type { Verifier } from '../platform/verifier.ts'
import { CLOSE } from '../protocol/close-codes.ts'
import type { Filter } from '../protocol/filter.ts'
import { encode } from '../protocol/frames.ts'
import type { EoseHints } from '../protocol/hints.ts'
import type { Limits } from '../protocol/limits.ts'
import { REASONS, reason } from '../protocol/reasons.ts'
import { scopeOf, type Withholding, withholding } from './access.ts'
import { Connection } from './connection.ts'
import { EpochKeeper } from './epoch-keeper.ts'
import { Follower, type Source } from './follower.ts'
import { Ingest } from './ingest.ts'
import { LiveIndex } from './live.ts'
import type { Head, Store } from './log/store.ts'
import { createJudge, openLogPage } from './log-request.ts'
import { sendStored } from './query.ts'

/** Positions told to quiet log-order subscriptions at most this often. */
const CHECKPOINT_MS = 15_000
/** Expired events leave the disk this often; they are never served in between. */
const SWEEP_MS = 60_000
/** Nothing is ever pruned in this version, so every cursor is complete. */
const FLOOR = 1

export interface CoreOptions {
  readonly store: Store
  readonly clock: Clock
  readonly timers: Timers
  readonly random: Random
  readonly verifier: Verifier
  readonly limits: Limits
  /** What an operator should know; `error` is the cause. */
  readonly onError: (where: string, error: unknown) => void
}

/** The relay without a network: accepts open sockets, of whatever transport. */
export interface RelayCore {
  readonly head: Head
  readonly limits: Limits
  readonly connections: number
  readonly subscriptions: number
  /** Attaches an open connection; the caller feeds what the socket does into the returned handlers. */
  accept(socket: Socket): SocketEvents
  /** Answers what was received, closes every connection with 1001, closes store and verifier. */
  close(): Promise<void>
}

/** Begins an epoch and then serves. Rejects if the store cannot be written. */
export async function createRelayCore(options: CoreOptions): Promise<RelayCore> {
  const { store, clock, timers, random, verifier, limits, onError } = options
  const live = new LiveIndex()
  let stopping = false
  const connections = new Set<Connection>()
  const epochs = new EpochKeeper(store, clock, random)
  await epochs.begin()

  // What live subscriptions have been handed, which trails the store's own head by a moment.
  let head: Head = store.head
  const source: Source = {
    store,
    get head() {
      return head
    },
    now: () => Math.floor(clock.now() / 1000),
  }

  /** Positions told under the old epoch end where the new one starts, so log-order subscriptions begin anew. */
  const checkEpoch = async () => {
    if (!(await epochs.check())) return
    head = { ...head, epoch: store.head.epoch }
    for (const connection of connections)
      for (const follower of [...connection.followers])
        if (follower.mode === 'log') connection.closeSubscription(follower.sub, REASONS.newEpoch)
  }

  const ingest = new Ingest({
    store,
    verifier,
    clock,
    limits,
    beforeCommit: checkEpoch,
    onCommit: commit => {
      live.publish(commit)
      head = { epoch: store.head.epoch, last: commit.last }
    },
    onEphemeral: (event, json) => live.publishEphemeral(event, json, limits.pendingEphemerals),
    onError,
  })

  const hints = (keys: readonly string[], withheld: Withholding): EoseHints => ({
    epoch: head.epoch,
    scope: scopeOf(keys),
    withheld: withheld === 'some',
  })

  /** Runs the asynchronous part of a request; a failure is answered by its reason, never by silence. */
  const attempt = (run: () => Promise<void>, refuse: (message: string) => void) => {
    run().catch(error => {
      onError('query', error)
      refuse(reason('error', 'the log could not be read; try again'))
    })
  }

  const refuseStrangers = (connection: Connection, sub: string, withheld: Withholding): boolean => {
    if (withheld !== 'all') return false
    connection.send(encode.closed(sub, reason('auth-required', 'these kinds are served only to the keys they name')))
    return true
  }

  const subscribe = (connection: Connection, sub: string, filters: readonly Filter[]): void => {
    const { keys } = connection
    const withheld = withholding(filters, keys)
    if (refuseStrangers(connection, sub, withheld)) return
    const log = openLogPage(filters, limits.page)
    if (!log.ok) return connection.send(encode.closed(sub, reason('invalid', log.error)))
    const mode = log.value === undefined ? 'plain' : 'log'
    const follower = new Follower({ sub, filters, keys, mode, gone: log.value?.gone === true }, connection, source)
    connection.adopt(follower)
    const answer = async () => {
      if (log.value === undefined) {
        const end = await sendStored({ sub, filters, keys, limits }, connection, source, () => follower.closed)
        if (end === undefined) return
        const { complete, seq } = end
        connection.send(encode.eose(sub, { ...hints(keys, withheld), seq, ...(complete ? { complete } : {}) }))
        return follower.follow(seq)
      }
      const { cursor, size } = log.value
      const refusal = await judge(cursor)
      if (follower.closed) return
      if (refusal !== undefined) return connection.closeSubscription(sub, refusal)
      connection.send(encode.seq(sub, cursor.seq, head.epoch))
      const page = await follower.page(cursor.seq, size)
      if (page === undefined) return
      connection.send(encode.eose(sub, { ...hints(keys, withheld), ...page, floor: FLOOR }))
      if (page.complete === 'finish') follower.goLive()
      else connection.retire(sub)
    }
    attempt(answer, message => {
      // Its id may meanwhile belong to another subscription.
      if (!follower.closed) connection.closeSubscription(sub, message)
    })
  }

  const count = (connection: Connection, sub: string, filters: readonly Filter[]): void => {
    const { keys } = connection
    if (refuseStrangers(connection, sub, withholding(filters, keys))) return
    attempt(
      async () => connection.send(encode.count(sub, await store.count(filters, { keys, now: source.now() }))),
      message => connection.send(encode.closed(sub, message)),
    )
  }

  const judge = createJudge(store, timers)
  const cancels = [
    every(timers, CHECKPOINT_MS, () => {
      checkEpoch().catch(error => onError('epoch', error))
      for (const follower of live) follower.checkpoint()
    }),
    every(timers, SWEEP_MS, () => {
      store.sweepExpired(source.now()).catch(error => onError('sweep', error))
    }),
  ]

  const host = { limits, timers, ingest, live, subscribe, count }
  return {
    get head() {
      return head
    },
    limits,
    get connections() {
      return connections.size
    },
    get subscriptions() {
      return live.size
    },
    accept(socket) {
      const connection: Connection = new Connection(socket, host, () => connections.delete(connection))
      connections.add(connection)
      if (stopping) connection.end(CLOSE.goingAway, 'the relay is stopping')
      return connection
    },
    async close() {
      stopping = true
      for (const cancel of cancels) cancel()
      for (const connection of connections) connection.stopReading()
      await ingest.idle()
      for (const connection of connections) connection.end(CLOSE.goingAway, 'the relay is stopping')
      await verifier.close()
      await store.close()
    },
  }
}
