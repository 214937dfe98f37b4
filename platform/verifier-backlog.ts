import type { Cancel, Timers } from './timers.ts'
import type { Verifier } from './verifier.ts'
import { createSharing } from './verifier-sharing.ts'

/** Starting a thread costs about as much as checking so many signatures where they are. */
const BACKLOG = 128
/** A thread holds some ten megabytes, and is let go after so long without work. */
const IDLE_MS = 10_000

export interface BacklogVerifierOptions {
  /** For the few: on the calling thread. */
  readonly near: Verifier
  /** For the many. May reject; then `near` goes on alone. */
  readonly open: () => Promise<Verifier>
  /** Resolves in a later turn of the event loop. */
  readonly breathe: () => Promise<void>
  readonly timers: Timers
  /** Signatures that wait for their verdict at once, from which on they are many. */
  readonly backlog?: number
  readonly idleMs?: number
}

/**
 * Who wakes to a few messages pays for no thread; who wakes to thousands has their signatures checked beside everything else that
 * has to be done with them.
 */
export function createBacklogVerifier(options: BacklogVerifierOptions): Verifier {
  const { near, open, breathe, timers, backlog = BACKLOG, idleMs = IDLE_MS } = options
  const sharing = createSharing({ near, breathe, far: () => opened ?? (starting ? 'starting' : undefined) })
  let waiting = 0
  let far: Promise<void> | undefined
  let opened: Verifier | undefined
  let starting = false
  let cancelIdle: Cancel = () => {}

  async function openFar(): Promise<void> {
    starting = true
    opened = await open().catch(() => undefined)
    starting = false
    sharing.changed()
  }

  async function dismiss(): Promise<void> {
    cancelIdle()
    const dismissed = opened
    // One that could not be had is not tried again.
    if (dismissed === undefined) return
    opened = undefined
    far = undefined
    await dismissed.close()
  }

  return {
    get tier() {
      return opened?.tier ?? near.tier
    },
    async verify(events) {
      waiting += events.length
      cancelIdle()
      try {
        if (waiting >= backlog) far ??= openFar()
        return await (far === undefined ? near : sharing).verify(events)
      } finally {
        waiting -= events.length
        if (waiting === 0) cancelIdle = timers.after(idleMs, () => void dismiss(), { background: true })
      }
    },
    async close() {
      await far
      await dismiss()
      await near.close()
    },
  }
}
