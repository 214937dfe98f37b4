import type { Clock } from '../../platform/clock.ts'
import { onAbort } from '../../platform/on-abort.ts'
import { sleep, type Timers } from '../../platform/timers.ts'
import type { Drained, DrainOptions, RelayStatus } from '../api.ts'
import type { Life } from '../life.ts'
import type { MailStore, WorkQuery } from '../mail/store.ts'
import type { Rates } from '../rate.ts'
import type { Counters } from '../telemetry/counters.ts'
import type { Worker } from './worker.ts'

export interface DrainParts {
  readonly clock: Clock
  readonly timers: Timers
  readonly life: Life
  readonly store: MailStore
  readonly worker: Worker
  readonly rates: Rates
  readonly syncer: { refresh(): void; isDone(): boolean }
  readonly pool: { readonly isFlushed: boolean; statuses(): readonly RelayStatus[] }
  readonly clerk: { flush(): Promise<void> }
  readonly counters: Pick<Counters, 'read'>
  /** As it was at the end of the drain before; written. */
  readonly since: { conclusions: Worker['conclusions']; lost: number }
}

/** Catches up, lets every handler run and every outcome reach a relay, for at most `timeoutMs`; then says how far it came. */
export async function drain(
  parts: DrainParts,
  {
    timeoutMs,
    signal,
    start,
    unknown = 'refuse',
  }: DrainOptions & { readonly timeoutMs: number; readonly start: number },
): Promise<Drained> {
  const { clock, timers, life, store, worker, syncer, pool, clerk } = parts
  signal?.throwIfAborted()
  const rest = () => Math.max(0, timeoutMs - (clock.monotonic() - start))
  const endMs = clock.now() + rest()
  const isOver = () => life.isClosing || signal?.aborted === true
  const until = (done: () => boolean) => life.until(() => isOver() || done(), rest())
  const stopListening = signal && onAbort(signal, life.beat)

  /** What waits falls due too late, is not there, or is with nobody. */
  function isIdle(): boolean {
    if (worker.isBusy) return false
    const now = clock.now()
    // Due, and about to begin: the worker hears of it by a timer.
    const { senders, waitMs } = parts.rates.spent()
    const isDue = (query: WorkQuery) => store.nextWork({ ...query, nowMs: now }) !== undefined
    if (senders.length === 0 && worker.queries().some(isDue)) return false
    const soonest = Math.min(store.nextDueMs(now) ?? Number.POSITIVE_INFINITY, now + waitMs)
    return soonest > endMs || leftOf(parts) === 0
  }
  const isWorkedOff = () => syncer.isDone() && isIdle()
  const isOut = () => store.counts().queue === 0 || pool.isFlushed

  try {
    if (unknown === 'refuse') worker.settle()
    syncer.refresh()
    for (;;) {
      await until(isWorkedOff)
      if (isOver() || rest() === 0) break
      await within(timers, rest(), clerk.flush())
      await until(isOut)
      // What came meanwhile is drained too.
      if (isOver() || rest() === 0 || (isWorkedOff() && isOut())) break
    }
  } finally {
    stopListening?.()
  }
  signal?.throwIfAborted()
  return record(parts, Math.round(clock.monotonic() - start))
}

function record({ clock, store, worker, pool, counters, since }: DrainParts, ms: number): Drained {
  const before = since.conclusions
  const news = (...kinds: (keyof Worker['conclusions'])[]) =>
    kinds.reduce((sum, kind) => sum + worker.conclusions[kind] - (before[kind] ?? 0), 0)
  const counted = counters.read()
  const lost = counted.refused + counted.expired + counted.undeliverable
  const left = leftOf({ store, worker })
  const nextDueMs = left > 0 ? store.nextDueMs(clock.now()) : undefined
  const unsent = store.counts().queue
  const untold = store.receiptsDueCount()
  const refused = lost - since.lost
  const notReached = pool
    .statuses()
    .filter(({ state, partial }) => state !== 'live' || partial !== undefined)
    .map(({ url, state, error, partial }) =>
      Object.freeze({
        relay: url,
        reason: error ?? partial ?? (state === 'offline' ? 'not connected' : 'not caught up in time'),
      }),
    )
  const result = Object.freeze({
    complete: left + unsent + untold + refused + notReached.length === 0,
    handled: news('done', 'declined', 'repeated'),
    failed: news('failed'),
    rejected: news('rejected', 'not-understood'),
    left,
    ...(nextDueMs === undefined ? {} : { nextDueMs }),
    unsent,
    untold,
    refused,
    notReached: Object.freeze(notReached),
    ms,
  })
  since.conclusions = { ...worker.conclusions }
  since.lost = lost
  return result
}

/** Messages that wait for a handler or are with one. */
const leftOf = ({ store, worker }: Pick<DrainParts, 'store' | 'worker'>): number =>
  worker.queries().reduce((sum, query) => sum + store.countWork(query), 0)

async function within(timers: Timers, ms: number, task: Promise<void>): Promise<void> {
  const patience = new AbortController()
  await Promise.race([task, sleep(timers, ms, patience.signal)])
  patience.abort()
}
