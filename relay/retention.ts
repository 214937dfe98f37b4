import { every, type Timers } from '../platform/timers.ts'
import { type PrunePage, PruneRefusedError, type RetentionRule } from './log/retention.ts'
import type { Store } from './log/store.ts'

/** Often enough to bound the disk, seldom enough to cost nothing. */
const INTERVAL_MS = 600_000
/** Rows taken per transaction, so that pruning never holds up a commit for long. */
const BATCH = 500

export interface PruneReport {
  readonly events: number
  readonly removals: number
}

const PARTS = ['events', 'removals'] as const

/**
 * Applies retention rules to a log: looks at everything that is to go, and only if all of it is intact takes it, batch by batch.
 * No log entries: the floors of the kinds rise instead. Rejects with {@link PruneRefusedError}; nothing is pruned then.
 * `stopped` ends it between two batches. `now` in seconds.
 */
export async function prune(
  store: Pick<Store, 'prunable' | 'prune'>,
  rules: readonly RetentionRule[],
  now: number,
  { dryRun = false, stopped = () => false }: { readonly dryRun?: boolean; readonly stopped?: () => boolean } = {},
): Promise<PruneReport> {
  const orders: { part: (typeof PARTS)[number]; rule: number; seqs: number[] }[] = []
  const damaged: number[] = []
  for (const rule of rules.keys())
    for (const part of PARTS) {
      const seqs: number[] = []
      let from: PrunePage['next']
      do {
        const page: PrunePage = await store.prunable({
          rules,
          rule,
          part,
          now,
          ...(from === undefined ? {} : { from }),
        })
        seqs.push(...page.victims)
        damaged.push(...page.damaged)
        from = page.next
        if (stopped()) return { events: 0, removals: 0 }
      } while (from !== undefined)
      orders.push({ part, rule, seqs })
    }
  if (damaged.length > 0) throw new PruneRefusedError([...new Set(damaged)].slice(0, 100))
  const report = { events: 0, removals: 0 }
  // Oldest first: what is left when it is cut short is still the latest.
  for (const { part, rule, seqs } of orders)
    for (let end = seqs.length; end > 0 && !stopped(); end -= BATCH) {
      const batch = seqs.slice(Math.max(0, end - BATCH), end)
      report[part] += dryRun ? batch.length : await store.prune({ rules, rule, part, now, seqs: batch })
    }
  return report
}

export interface RetentionOptions {
  readonly store: Store
  readonly timers: Timers
  /** As they are when a run begins. */
  readonly rules: () => readonly RetentionRule[]
  /** Seconds. */
  readonly now: () => number
  readonly onError: (where: string, error: unknown) => void
}

/** Retention of a running relay. */
export interface Retention {
  /** Prunes now, behind a run that is on its way. */
  run(): Promise<PruneReport>
  /** No further runs; resolves when the one on its way has ended. */
  stop(): Promise<void>
}

export function startRetention({ store, timers, rules, now, onError }: RetentionOptions): Retention {
  let stopped = false
  let running: Promise<unknown> = Promise.resolve()
  const run = (): Promise<PruneReport> => {
    const next = running.then(() => prune(store, rules(), now(), { stopped: () => stopped }))
    running = next.catch(() => {})
    return next
  }
  const cancel = every(timers, INTERVAL_MS, () => {
    if (rules().length > 0) run().catch(error => onError('retention', error))
  })
  return {
    run,
    async stop() {
      stopped = true
      cancel()
      await running
    },
  }
}
