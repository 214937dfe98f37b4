import type { Clock } from '../../platform/clock.ts'
import type { RouteCounters } from '../mail/route.ts'
import type { Outcome } from '../mail/store.ts'

/** How often the handlers of one act ran, and how long. */
export interface HandlerCounters {
  readonly runs: number
  /** Runs that threw, timed out or were stopped. */
  readonly failures: number
  readonly totalMs: number
  readonly longestMs: number
}

/** Counts since the agent was opened. */
export interface AgentCounters {
  /** Messages that the program put in the outbox; answers of handlers and receipts apart. */
  readonly sent: number
  /** OKs of relays to what was sent, answered and receipted. */
  readonly stored: number
  /** Refused by a relay for good. */
  readonly refused: number
  readonly expired: number
  /** Given up because no relay took it for days. */
  readonly undeliverable: number
  /** Valid events that relays sent, messages and receipts, with repeats. */
  readonly received: number
  /** Of these, messages that were new. */
  readonly new: number
  /** Receipts that counted. */
  readonly receipts: number
  /** Events and frames that failed verification, or were not asked for. */
  readonly invalid: number
  /** Gift wraps that hold nothing for this key. */
  readonly unreadable: number
  /** Log positions at which a relay broke its promise. */
  readonly gaps: number
  /** Bytes received, UTF-8. */
  readonly bytes: number
  /** By act. */
  readonly handlers: Readonly<Record<string, HandlerCounters>>
}

/** Acts are the senders' words: what is counted one by one has an end. The rest is counted as `other`. */
const MAX_ACTS = 100

/** Counts what an agent does; relays count for themselves. */
export interface Counters {
  sent(): void
  settled(outcome: Outcome): void
  receipt(): void
  /** Runs a handler and counts it. */
  time<T>(act: string, run: () => Promise<T>): Promise<T>
  read(): Pick<AgentCounters, 'sent' | 'stored' | 'refused' | 'expired' | 'undeliverable' | 'receipts' | 'handlers'>
}

export function createCounters(clock: Clock): Counters {
  const outcomes = { stored: 0, refused: 0, expired: 0, undeliverable: 0 }
  const handlers = new Map<string, HandlerCounters>()
  let sent = 0
  let receipts = 0

  function ran(act: string, ms: number, failed: boolean): void {
    const name = handlers.has(act) || handlers.size < MAX_ACTS ? act : 'other'
    const { runs, failures, totalMs, longestMs } = handlers.get(name) ?? NEVER
    handlers.set(name, {
      runs: runs + 1,
      failures: failures + (failed ? 1 : 0),
      totalMs: totalMs + ms,
      longestMs: Math.max(longestMs, ms),
    })
  }

  return {
    sent() {
      sent += 1
    },
    settled({ state }) {
      if (state !== 'waiting') outcomes[state] += 1
    },
    receipt() {
      receipts += 1
    },
    async time(act, run) {
      const start = clock.monotonic()
      try {
        const value = await run()
        ran(act, clock.monotonic() - start, false)
        return value
      } catch (error) {
        ran(act, clock.monotonic() - start, true)
        throw error
      }
    },
    read: () => ({ sent, receipts, ...outcomes, handlers: Object.freeze(Object.fromEntries(handlers)) }),
  }
}

const FROM_RELAYS = ['received', 'new', 'bytes', 'invalid', 'gaps', 'unreadable'] as const

/** What all relays together have counted. */
export function relayCounters(
  routes: readonly { counters(): RouteCounters }[],
): Pick<AgentCounters, keyof RouteCounters> {
  const sum = { received: 0, new: 0, bytes: 0, invalid: 0, gaps: 0, unreadable: 0 }
  for (const route of routes) {
    const counted = route.counters()
    for (const name of FROM_RELAYS) sum[name] += counted[name]
  }
  return sum
}

const NEVER: HandlerCounters = { runs: 0, failures: 0, totalMs: 0, longestMs: 0 }
