import type { Clock } from '../platform/clock.ts'
import { sleep, type Timers } from '../platform/timers.ts'
import type { Drained } from './api.ts'
import type { Life } from './life.ts'
import type { MailStore } from './mail/store.ts'
import type { Pool } from './relays/pool.ts'
import type { Unsent } from './state/owned/types.ts'

/** What had to wait when an agent was closed; all of it goes on at the next start. */
export interface Unfinished {
  /** Messages and receipts that no relay of their recipient has yet; where none is known, no relay at all. */
  readonly unsent: number
  /** Received messages whose senders could not be told so, because the key did not sign in time. */
  readonly untold: number
  /** Changes of state and documents that are not signed, and events of them that fewer relays than wanted have; absent: nothing of what this life has opened. */
  readonly state?: Unsent
  /** With `close({ drain: true })`. */
  readonly drained?: Drained
}

export interface ShutdownOptions {
  readonly life: Life
  readonly clock: Clock
  readonly timers: Timers
  readonly store: MailStore
  readonly pool: Pool
  readonly worker: { stop(ms: number): Promise<void> }
  readonly clerk: { flush(): Promise<void>; close(): void }
  /** Everything beside the mail that has to be sent first. */
  readonly state: { close(ms: number): Promise<void>; unsent(): Unsent }
  /** Said last, while the relays are still there. */
  readonly presence: { close(): Promise<void> }
  /** Closed last: what it has not answered by then is rejected. */
  readonly signer: { close(): Promise<void> }
  /** Ends what starts work by itself. */
  quiet(): void
  onClosed?(): void
}

/** Ends an agent: what runs is stopped, what waits is signed and sent, for at most `ms`, then it says goodbye and disconnects. */
export async function shutDown(options: ShutdownOptions, ms: number): Promise<Unfinished> {
  const { life, clock, timers, store, pool, clerk, signer } = options
  const start = clock.monotonic()
  const left = () => Math.max(0, ms - (clock.monotonic() - start))
  options.quiet()
  await options.worker.stop(ms)
  // A key elsewhere may never answer: what is due stays due in the store.
  await within(timers, left(), clerk.flush())
  clerk.close()
  // Its own patience is for its relays; what waits for a signature it keeps for the next start.
  await within(timers, left() + GRACE_MS, options.state.close(left()))
  await life.until(() => pool.isFlushed, left())
  const unfinished: Unfinished = {
    unsent: store.counts().queue,
    untold: store.receiptsDueCount(),
    ...leftOf(options.state.unsent()),
  }
  await options.presence.close()
  await pool.close(left())
  try {
    await store.durable?.()
    await within(timers, SIGNER_MS, signer.close())
  } finally {
    life.end()
    options.onClosed?.()
  }
  return unfinished
}

/** For a signer to hang up. */
const SIGNER_MS = 1_000
/** For state to write down what it could not tell. */
const GRACE_MS = 1_000

const leftOf = (state: Unsent) => (state.unwritten + state.unacknowledged === 0 ? {} : { state })

async function within(timers: Timers, ms: number, task: Promise<void>): Promise<void> {
  const patience = new AbortController()
  await Promise.race([task, sleep(timers, ms, patience.signal)])
  patience.abort()
}
