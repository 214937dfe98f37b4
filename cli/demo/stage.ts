import type { Clock } from '../../platform/clock.ts'
import type { Timers } from '../../platform/timers.ts'
import { poll, within } from '../wait.ts'
import type { Child, Nursery } from './children.ts'
import { type Claims, see } from './claims.ts'

/** No step takes longer, in ms; a step that does is a failed claim. */
export const STEP_MS = 30_000

export interface Stage {
  /** Messages that wait for the sleeper. */
  readonly waiting: number
  readonly folder: string
  readonly nursery: Nursery
  readonly claims: Claims
  readonly clock: Clock
  readonly timers: Timers
  readonly signal: AbortSignal
}

/** A step of the story; too slow is a failure like any other. */
export async function step<T>({ timers, signal }: Stage, what: string, promise: Promise<T>): Promise<T> {
  const done = await within(
    promise.then(value => ({ value })),
    { timers, signal, ms: STEP_MS },
  )
  see(done !== undefined, signal.aborted ? 'interrupted' : `${what}: not within ${STEP_MS / 1000} s`)
  return done.value
}

/** Waits until something is seen. */
export async function until({ timers, signal }: Stage, look: () => boolean, saw: () => string): Promise<void> {
  const seen = await poll(() => look() || undefined, { timers, signal, ms: STEP_MS })
  see(seen === true, signal.aborted ? 'interrupted' : `after ${STEP_MS / 1000} s: ${saw()}`)
}

export async function kill({ claims }: Stage, child: Child, name: string, text: string): Promise<void> {
  await claims.check(name, text, async () => {
    const how = await child.kill()
    see(how === 'SIGKILL', `it ended otherwise: ${how}`)
  })
}
