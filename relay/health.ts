import type { Clock } from '../platform/clock.ts'
import type { LoopDelay } from '../platform/loop-delay.ts'
import type { Timers } from '../platform/timers.ts'
import type { Store } from './log/store.ts'

export interface HealthOptions {
  readonly store: Pick<Store, 'writeSetting'>
  /** Why the last commit failed; undefined if it did not. */
  readonly failing?: () => string | undefined
  readonly clock: Clock
  readonly timers: Timers
  /** Bytes left where the log is; undefined for a log in memory. */
  readonly freeBytes?: (() => Promise<number>) | undefined
  readonly loopDelay: Pick<LoopDelay, 'read'>
}

export interface Check {
  readonly ok: boolean
  /** What was seen, for a person. */
  readonly detail: string
}

/** `ready` is whether a load balancer should send clients here. */
export interface Readiness {
  readonly ready: boolean
  readonly checks: Readonly<Record<'store' | 'disk' | 'loop', Check>>
}

/** One look serves everybody who asks within this time: asking often costs nothing. */
const FRESH_MS = 2_000
/** A store that takes no write for so long takes none. */
const WRITE_MS = 5_000
/** Less than a busy hour of mail: an operator should act while publishing still works. */
const LEAST_FREE_BYTES = 64 * 1024 * 1024
/** Above this, 1 in 100 frames waits so long before it is looked at. */
const MOST_DELAY_MS = 1_000
const SECTION = 'health'

/** Looks whether mail can be taken in: a real write, room on the disk, an event loop that keeps up. */
export function createReadiness(options: HealthOptions): () => Promise<Readiness> {
  let looked = Number.NEGATIVE_INFINITY
  let latest: Promise<Readiness> | undefined
  return () => {
    const now = options.clock.monotonic()
    if (latest === undefined || now - looked > FRESH_MS) {
      looked = now
      latest = look(options)
    }
    return latest
  }
}

async function look(options: HealthOptions): Promise<Readiness> {
  const [store, disk] = await Promise.all([checkStore(options), checkDisk(options)])
  const { p99Ms } = options.loopDelay.read()
  const loop = { ok: p99Ms <= MOST_DELAY_MS, detail: `1 in 100 waits ${Math.round(p99Ms)} ms` }
  return { ready: store.ok && disk.ok && loop.ok, checks: { store, disk, loop } }
}

async function checkStore({ store, failing, clock, timers }: HealthOptions): Promise<Check> {
  // A full log still takes what needs no new page.
  const failed = failing?.()
  if (failed !== undefined) return { ok: false, detail: `the last commit failed: ${failed}` }
  const start = clock.monotonic()
  let giveUp = () => {}
  const late = new Promise<'late'>(resolve => {
    giveUp = timers.after(WRITE_MS, () => resolve('late'), { background: true })
  })
  const written = store.writeSetting({ section: SECTION, name: 'written', value: String(clock.now()) }).then(
    () => 'written' as const,
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  )
  const outcome = await Promise.race([written, late])
  giveUp()
  if (outcome === 'written')
    return { ok: true, detail: `written and synced in ${Math.round(clock.monotonic() - start)} ms` }
  return { ok: false, detail: outcome === 'late' ? `no write in ${WRITE_MS / 1_000} s` : `not writable: ${outcome}` }
}

async function checkDisk({ freeBytes }: HealthOptions): Promise<Check> {
  if (freeBytes === undefined) return { ok: true, detail: 'the log is in memory' }
  try {
    const free = await freeBytes()
    return { ok: free >= LEAST_FREE_BYTES, detail: `${Math.floor(free / 1024 / 1024)} MiB free` }
  } catch (error) {
    // The code alone: the message has paths, and anybody may ask.
    const { code } = error as { code?: unknown }
    return { ok: false, detail: `cannot be looked at: ${String(code)}` }
  }
}

/** The store, and why its last commit failed, until one succeeds. */
export function watchCommits(store: Store): { readonly store: Store; readonly failing: () => string | undefined } {
  let failed: string | undefined
  const append: Store['append'] = async (...batch) => {
    try {
      const commit = await store.append(...batch)
      failed = undefined
      return commit
    } catch (error) {
      const { code, message } = error as { code?: unknown; message?: unknown }
      failed = String(code ?? message)
      throw error
    }
  }
  // Everything else, getters too, is the store's own.
  return { store: Object.assign(Object.create(store) as Store, { append }), failing: () => failed }
}
