import { type Clock, seconds } from '../../platform/clock.ts'
import type { Cancel, Timers } from '../../platform/timers.ts'
import type { FilterJson } from '../../protocol/filter.ts'
import { MESSAGE } from '../../protocol/kinds.ts'
import { RelayRefusedError } from '../errors.ts'
import { localSide } from '../link/local-side.ts'
import { reconcile } from '../link/reconcile.ts'
import type { Route } from '../mail/route.ts'
import type { MailStore } from '../mail/store.ts'

/** Several suspicions at once are one, and a relay that raises them all the time costs one comparison a minute. */
const SOON_MS = 2_000
const AGAIN_MS = 60_000
/** Ids a relay may name, and messages fetched, in one comparison. */
const MAX_IDS = 50_000
const MAX_FETCHED = 10_000
/** Messages per REQ, and REQs where everything has to be listed. */
const CHUNK = 100
const PAGE = 500
const MAX_PAGES = 20

export interface RepairerOptions {
  readonly routes: readonly Route[]
  readonly pubkey: string
  readonly store: MailStore
  readonly clock: Clock
  readonly timers: Timers
}

/** Makes good what one relay lost or withheld: compares the inbox with every relay and fetches what it lacks. */
export interface Repairer {
  /** Something may be missing. */
  suspect(): void
  close(): void
}

export function createRepairer({ routes, pubkey, store, clock, timers }: RepairerOptions): Repairer {
  const filter: FilterJson = { kinds: [MESSAGE], '#p': [pubkey] }
  let planned = false
  let running = false
  let again = false
  let closed = false
  let lastMs = Number.NEGATIVE_INFINITY
  let cancel: Cancel = () => {}

  function plan(): void {
    if (closed || planned) return
    if (running) {
      again = true
      return
    }
    planned = true
    const wait = Math.max(SOON_MS, lastMs + AGAIN_MS - clock.monotonic())
    cancel = timers.after(wait, start, { background: true })
  }

  function start(): void {
    planned = false
    running = true
    again = false
    lastMs = clock.monotonic()
    // Each relay for itself: one that is lost in the middle, or lies, keeps nobody from the others.
    Promise.allSettled(routes.filter(route => route.isOpen).map(compare)).then(() => {
      running = false
      if (again) plan()
    })
  }

  async function compare(route: Route): Promise<void> {
    const held = [...store.list({}), ...store.list({ held: true })].map(({ id, at }) => ({ id, created_at: at }))
    const options = { now: seconds(clock), timers, timeoutMs: 10_000, maxIds: MAX_IDS }
    let lacking: readonly string[]
    try {
      lacking = [...(await reconcile(localSide('the inbox', held), route.side, filter, options)).second]
    } catch (error) {
      if (!(error instanceof RelayRefusedError)) throw error
      await listAll(route)
      return
    }
    for (let at = 0; at < Math.min(lacking.length, MAX_FETCHED) && !closed; at += CHUNK) {
      const ids = lacking.slice(at, at + CHUNK)
      const { events, complete } = await route.ask({ ...filter, ids, limit: CHUNK }, CHUNK)
      if (events.length > 0) await route.take(events)
      if (!complete) return
    }
  }

  /** A relay without NIP-77: whole pages, back in time. The inbox knows what it has. */
  async function listAll(route: Route): Promise<void> {
    let until = seconds(clock)
    for (let page = 0; page < MAX_PAGES && !closed; page += 1) {
      const { events, complete } = await route.ask({ ...filter, until, limit: PAGE }, PAGE)
      if (events.length > 0) await route.take(events)
      const oldest = events.reduce((least, { created_at }) => Math.min(least, created_at), until)
      if (!complete || events.length === 0) return
      until = oldest < until ? oldest : oldest - 1
    }
  }

  return {
    suspect: plan,
    close() {
      closed = true
      cancel()
    },
  }
}
