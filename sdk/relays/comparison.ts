import { type Clock, seconds } from '../../platform/clock.ts'
import type { Timers } from '../../platform/timers.ts'
import { nextTurn } from '../../platform/turn.ts'
import type { FilterJson } from '../../protocol/filter.ts'
import { RelayRefusedError } from '../errors.ts'
import { localSide } from '../link/local-side.ts'
import { negotiateOn } from '../link/negotiate.ts'
import { readPlain } from '../link/plain-pages.ts'
import { reconcile, type Side } from '../link/reconcile.ts'
import { refuseToList } from '../link/refuse-to-list.ts'
import { inboxFilter } from '../mail/inbox-feed.ts'
import type { Route } from '../mail/route.ts'
import type { MailStore } from '../mail/store.ts'
import { plainRoute } from './plain-route.ts'

/** Ids a relay may name, and messages fetched, in one comparison. */
const MAX_IDS = 50_000
const MAX_FETCHED = 10_000
/** Messages looked at in a turn of the event loop. */
const PAGE = 200
/** Messages per REQ. */
const CHUNK = 100

export interface ComparisonOptions {
  readonly pubkey: string
  readonly store: MailStore
  readonly clock: Clock
  readonly timers: Timers
  isClosed(): boolean
}

/** Compares the inbox with one relay and fetches what it lacks; false if that could not be had, or not undamaged. Loaded when first needed: it brings negentropy with it. */
export async function compareInbox(
  route: Route,
  { pubkey, store, clock, timers, isClosed }: ComparisonOptions,
): Promise<boolean> {
  const { events: seen, since } = store.seen()
  // What was dropped once and fetched later is in both.
  const byId = new Map(seen.map(({ id, at }) => [id, { id, created_at: at }]))
  // A hundred thousand messages are a page a turn: all at once held everything else up for a second.
  for (const held of [false, true]) {
    for (let after = 0, page = PAGE; page === PAGE; ) {
      const rows = store.list({ held, after, limit: PAGE })
      for (const { id, at, ordinal, wrap } of rows) {
        after = ordinal
        // A message that came wrapped is known to relays by its wrap alone.
        if (wrap === undefined) byId.set(id, { id, created_at: at })
      }
      page = rows.length
      if (page === PAGE) await nextTurn()
      if (isClosed()) return false
    }
  }
  const held = [...byId.values()]
  const filter: FilterJson = { ...inboxFilter(pubkey), ...(since > 0 ? { since } : {}) }
  const options = { now: seconds(clock), timers, timeoutMs: 10_000, maxIds: MAX_IDS }
  const side: Side = { url: route.url, negotiate: route.negotiate(negotiateOn), request: refuseToList }
  let lacking: readonly string[]
  try {
    lacking = [...(await reconcile(localSide('the inbox', held), side, filter, options)).second]
  } catch (error) {
    if (!(error instanceof RelayRefusedError)) throw error
    return listAll(route, filter, seconds(clock), isClosed)
  }
  let lackedStill = lacking.length > MAX_FETCHED
  for (let at = 0; at < Math.min(lacking.length, MAX_FETCHED) && !isClosed(); at += CHUNK) {
    const ids = lacking.slice(at, at + CHUNK)
    const { events, complete } = await route.ask({ ...filter, ids, limit: CHUNK }, CHUNK)
    if (events.length > 0) await route.take(events)
    if (!complete) return false
    // What we threw away ourselves was served; nothing else is as good as had.
    if (new Set(events.map(({ id }) => id)).size < ids.length) lackedStill = true
  }
  return !lackedStill
}

/** A relay without NIP-77: all that it has. The inbox knows what is there already. */
async function listAll(route: Route, filter: FilterJson, now: number, isOver: () => boolean): Promise<boolean> {
  let damaged = false
  const onDamaged = () => {
    damaged = true
  }
  const doubt = await readPlain(
    filter,
    plainRoute(route, { now, isOver, onDamaged, take: events => route.take(events) }),
  )
  return !damaged && doubt === undefined
}
