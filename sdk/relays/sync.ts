import type { RelayState, RelayStatus, RelaySync, SyncSummary } from '../api.ts'
import { isComplete } from '../health/complete.ts'
import type { Route, RouteCounters } from '../mail/route.ts'

export interface Syncer {
  /**
   * Asks every relay for what is new. Resolves when each that can be reached has been caught up with or refuses this key, at
   * the latest after `maxMs`; while none can be reached it goes on trying.
   */
  sync(maxMs: number): Promise<SyncSummary>
  /** Asks every relay that is there once more for what is new. */
  refresh(): void
  /** Each relay that can be reached has been caught up with, or refuses this key; at least one can. */
  isDone(): boolean
}

export interface SyncerOptions {
  readonly routes: readonly Route[]
  statusOf(route: Route): RelayStatus
  /** What was dropped of somebody is being fetched. */
  isRecovering(): boolean
  /** What came damaged is being compared. */
  isRepairing(): boolean
  monotonic(): number
  /** Waits until `done` is true, at most `ms`. */
  until(done: () => boolean, ms: number): Promise<unknown>
  /** The agent is being closed. */
  isEnding(): boolean
}

const NOTHING: RouteCounters = { received: 0, new: 0, bytes: 0, invalid: 0, gaps: 0, unreadable: 0 }

export function createSyncer({
  routes,
  statusOf,
  isRecovering,
  isRepairing,
  monotonic,
  until,
  isEnding,
}: SyncerOptions): Syncer {
  const counted = new Map<Route, RouteCounters>()

  const isAnswered = (route: Route) => route.status().state === 'live' || route.isRefused
  const isDone = () =>
    !isRecovering() &&
    !isRepairing() &&
    routes.some(isAnswered) &&
    routes.every(route => isAnswered(route) || !route.mayDeliver)

  function summarise(route: Route): RelaySync {
    const { url, state, mayMiss, partial, suspect, error } = statusOf(route)
    const now = route.counters()
    const before = counted.get(route) ?? NOTHING
    counted.set(route, now)
    return Object.freeze({
      relay: url,
      status: state,
      received: now.received - before.received,
      new: now.new - before.new,
      bytes: now.bytes - before.bytes,
      invalid: now.invalid - before.invalid,
      gaps: now.gaps - before.gaps,
      unreadable: now.unreadable - before.unreadable,
      mayMiss,
      ...(partial ? { partial } : {}),
      ...(suspect ? { suspect } : {}),
      ...(error === undefined ? {} : { error }),
    })
  }

  const refresh = () => {
    for (const route of routes) if (isAnswered(route)) route.refresh()
  }

  return {
    refresh,
    isDone,
    async sync(maxMs) {
      const start = monotonic()
      refresh()
      await until(() => isEnding() || isDone(), maxMs)
      const relays = routes.map(summarise)
      const sum = (field: 'received' | 'new' | 'bytes' | 'invalid' | 'gaps' | 'unreadable') =>
        relays.reduce((total, relay) => total + relay[field], 0)
      const reached = relays.filter(({ status }) => status !== 'offline')
      const complete = isComplete(relays)
      const isLive = reached.every(relay => relay.status === 'live')
      const status: RelayState = reached.length === 0 ? 'offline' : isLive ? 'live' : 'catching-up'
      return Object.freeze({
        status,
        complete,
        received: sum('received'),
        new: sum('new'),
        bytes: sum('bytes'),
        ms: Math.round(monotonic() - start),
        invalid: sum('invalid'),
        gaps: sum('gaps'),
        unreadable: sum('unreadable'),
        mayMiss: relays.some(({ mayMiss }) => mayMiss),
        unreached: relays.length - reached.length,
        relays: Object.freeze(relays),
      })
    },
  }
}
