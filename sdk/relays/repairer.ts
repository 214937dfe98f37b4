import type { Clock } from '../../platform/clock.ts'
import { onDemand } from '../../platform/on-demand.ts'
import type { Cancel, Timers } from '../../platform/timers.ts'
import { parseJson } from '../../protocol/json.ts'
import type { Route } from '../mail/route.ts'
import type { MailStore } from '../mail/store.ts'

/** Several suspicions at once are one, and a relay that raises them all the time costs one comparison a minute. */
const SOON_MS = 2_000
const AGAIN_MS = 60_000
/** Under which name the store keeps what is still to be compared, among what is known of keys: no key is named so. */
const NOTE = 'suspected'
/**
 * A relay that is away, or names what it does not serve undamaged, is compared again: a few times soon, then at intervals that double, two
 * hours in all; then not before the next suspicion. Relays that verify nothing keep some events damaged for ever.
 */
const SOON_TRIES = 3
const MAX_TRIES = 10

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
  /** Still to be compared. */
  let due = new Set(routes.filter(({ url }) => suspected(options.store).includes(url)))
  let tries = 0
  let planned = false
  let running = false
  let closed = false
  let lastMs = Number.NEGATIVE_INFINITY
  let cancel: Cancel = () => {}

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
    due = new Set()
    // Each relay for itself: one that is lost in the middle, or lies, keeps nobody from the others.
    const ends = await Promise.allSettled(round.map(compare))
    for (const [index, end] of ends.entries()) {
      const route = round[index]
      if (route && (end.status === 'rejected' || !end.value)) due.add(route)
    }
    running = false
    keep()
    if (due.size > 0 && tries < MAX_TRIES) plan()
  }

  /** A suspicion outlives the process: positions are past what it is about. */
  function keep(): void {
    if (closed) return
    const text = JSON.stringify([...due].map(({ url }) => url))
    const kept = options.store.relayNote(NOTE)?.text ?? '[]'
    if (text !== kept) options.store.keepRelayNote(NOTE, { text, askedMs: clock.now() })
  }

  /** False: something is missing still, or could not be asked for. */
  async function compare(route: Route): Promise<boolean> {
    if (!route.isOpen) return false
    // A page may not be able to fetch what compares: then the suspicion stands.
    const { compareInbox } = await loadComparison()
    return compareInbox(route, { ...options, clock, timers, isClosed: () => closed })
  }

  if (due.size > 0) plan()
  return {
    suspect() {
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
    close() {
      closed = true
      cancel()
    },
  }
}

function suspected(store: MailStore): readonly unknown[] {
  const json = parseJson(store.relayNote(NOTE)?.text ?? '[]')
  return json.ok && Array.isArray(json.value) ? json.value : []
}
