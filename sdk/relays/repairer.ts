import type { Clock } from '../../platform/clock.ts'
import { onDemand } from '../../platform/on-demand.ts'
import type { Cancel, Timers } from '../../platform/timers.ts'
import type { Route } from '../mail/route.ts'
import type { MailStore } from '../mail/store.ts'

/** Several suspicions at once are one, and a relay that raises them all the time costs one comparison a minute. */
const SOON_MS = 2_000
const AGAIN_MS = 60_000

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

export const loadComparison = onDemand(() => import('../seldom.ts'))

export function createRepairer({ routes, clock, timers, ...options }: RepairerOptions): Repairer {
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
    compareAll()
      // The page could not fetch what compares: the suspicion stands.
      .catch(() => {
        again = true
      })
      .finally(() => {
        running = false
        if (again) plan()
      })
  }

  async function compareAll(): Promise<void> {
    const { compareInbox } = await loadComparison()
    const comparing = { ...options, clock, timers, isClosed: () => closed }
    // Each relay for itself: one that is lost in the middle, or lies, keeps nobody from the others.
    await Promise.allSettled(routes.filter(route => route.isOpen).map(route => compareInbox(route, comparing)))
  }

  return {
    suspect: plan,
    close() {
      closed = true
      cancel()
    },
  }
}
