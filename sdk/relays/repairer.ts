import type { Cancel } from '../../platform/timers.ts'
import type { Route } from '../mail/route.ts'
import { compareInbox } from './comparison.ts'
import { keepSuspected, type Repairer, type RepairerOptions, suspected } from './suspicion.ts'

/** Several suspicions at once are one, and a relay that raises them all the time costs one comparison a minute. */
const SOON_MS = 2_000
const AGAIN_MS = 60_000
/** `sync` waits this long for the first comparison after damage. */
const PENDING_MS = 5_000
/**
 * A relay that is away, or names what it does not serve undamaged, is compared again: a few times soon, then at intervals that double, two
 * hours in all; then not before the next suspicion. Relays that verify nothing keep some events damaged for ever.
 */
const SOON_TRIES = 3
const MAX_TRIES = 10

export function createRepairer({ routes, clock, timers, ...options }: RepairerOptions): Repairer {
  /** Still to be compared. */
  const noted = suspected(options.store)
  let due = new Set(routes.filter(({ url }) => noted.urls.includes(url)))
  let { damaged } = noted
  let comparing: readonly Route[] = []
  let tries = 0
  let planned = false
  let running = false
  let closed = false
  let lastMs = Number.NEGATIVE_INFINITY
  let pendingUntilMs = Number.NEGATIVE_INFINITY
  let cancel: Cancel = () => {}
  let cancelPending: Cancel = () => {}

  function plan(): void {
    if (closed || planned || running) return
    planned = true
    const again = AGAIN_MS * 2 ** Math.max(0, tries - SOON_TRIES)
    const wait = Math.max(SOON_MS, lastMs + again - clock.monotonic())
    cancel = timers.after(wait, start, { background: true })
  }

  async function start(): Promise<void> {
    planned = false
    running = true
    lastMs = clock.monotonic()
    tries += 1
    const round = [...due]
    comparing = round
    due = new Set()
    // Each relay for itself: one that is lost in the middle, or lies, keeps nobody from the others.
    const ends = await Promise.allSettled(round.map(compare))
    for (const [index, end] of ends.entries()) {
      const route = round[index]
      if (route && (end.status === 'rejected' || !end.value)) due.add(route)
    }
    running = false
    comparing = []
    if (due.size === 0) damaged = false
    keep()
    options.onChange()
    if (due.size > 0 && tries < MAX_TRIES) plan()
  }

  /** A suspicion outlives the process: positions are past what it is about. */
  function keep(): void {
    if (closed) return
    keepSuspected(options.store, { urls: [...due].map(({ url }) => url), damaged }, clock.now())
  }

  /** False: something is missing still, or could not be asked for. */
  async function compare(route: Route): Promise<boolean> {
    if (!route.isOpen) return false
    return compareInbox(route, { ...options, clock, timers, isClosed: () => closed })
  }

  function awaitFirst(): void {
    if (!damaged || clock.monotonic() < pendingUntilMs) return
    pendingUntilMs = clock.monotonic() + PENDING_MS
    cancelPending = timers.after(PENDING_MS, options.onChange, { background: true })
  }

  if (due.size > 0) {
    plan()
    awaitFirst()
  }
  return {
    suspect(isDamage) {
      damaged ||= isDamage
      awaitFirst()
      // What came anew does not wait for what is long overdue.
      if (planned && tries > SOON_TRIES) {
        cancel()
        planned = false
      }
      tries = 0
      for (const route of routes) due.add(route)
      keep()
      plan()
    },
    isSuspect: url => damaged && [...due, ...comparing].some(route => route.url === url),
    get isPending() {
      return damaged && clock.monotonic() < pendingUntilMs && (running || (planned && tries === 0))
    },
    close() {
      closed = true
      cancel()
      cancelPending()
    },
  }
}
