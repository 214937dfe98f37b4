import type { Clock } from '../../../platform/clock.ts'
import { type Random, randomFloat } from '../../../platform/random.ts'
import type { Cancel, Timers } from '../../../platform/timers.ts'
import type { Retained } from './retained.ts'

/** A snapshot is due at so many events that none covers, */
const TAIL_EVENTS = 64
/** With authors who take turns; from so many on nobody waits: the ring has to be free again before it is full. */
const TAIL_FULL = 96
/** or so many bytes of them, */
const TAIL_BYTES = 16 * 1024
/** or after so long without a write at so many. */
const IDLE_MS = 30_000
const IDLE_EVENTS = 10
const REWRITE_MS = 1_000
/** Rewritten so soon again it takes twice as long each time: a relay may hold an address whatever is done. */
const CALM_MS = 60_000
const LONGEST_REWRITE_MS = 600_000

export interface DueOptions {
  readonly retained: Retained
  readonly clock: Clock
  readonly timers: Timers
  readonly random: Random
  /** How long authors who come before this one are given, ms. */
  turn(): number
  /** A snapshot is due. */
  onDue(): void
  /** It is, because something was overwritten. */
  onRewrite(): void
}

/** When the next snapshot is due. */
export interface Due {
  /** Something was written, or acknowledged. */
  consider(): void
  /** Two processes of one key write to the same addresses: what one has overwritten of the other is published anew, all together. */
  superseded(): void
  stop(): void
}

export function createDue({ retained, clock, timers, random, turn, onDue, onRewrite }: DueOptions): Due {
  let cancelIdle: Cancel = () => {}
  let cancelTurn: Cancel | undefined
  let cancelRewrite: Cancel | undefined
  let rewriteMs = 0
  let rewrittenAt = Number.NEGATIVE_INFINITY
  let stopped = false

  function endTurn(): void {
    cancelTurn?.()
    cancelTurn = undefined
  }

  function awaitTurn(isUrgent: boolean): void {
    if (cancelTurn && !isUrgent) return
    endTurn()
    const wait = isUrgent ? 0 : turn()
    if (wait === 0) return onDue()
    const have = () => {
      cancelTurn = undefined
      onDue()
    }
    cancelTurn = timers.after(wait, have, { background: true })
  }

  return {
    consider() {
      if (stopped) return
      cancelIdle()
      const count = retained.ownCount()
      const last = retained.newest()?.events.reduce((sum, text) => sum + text.length, 0) ?? 0
      const isDue = count >= TAIL_EVENTS || retained.ownBytes() >= Math.max(TAIL_BYTES, last)
      if (!isDue) endTurn()
      if (isDue) awaitTurn(count >= TAIL_FULL)
      else if (count >= IDLE_EVENTS) cancelIdle = timers.after(IDLE_MS + turn(), onDue, { background: true })
    },
    superseded() {
      if (cancelRewrite || stopped) return
      // Not both at the same moment.
      const factor = clock.monotonic() - rewrittenAt < CALM_MS + 2 * rewriteMs ? 2 : 0
      rewriteMs = Math.min(LONGEST_REWRITE_MS, Math.max(REWRITE_MS, rewriteMs * factor))
      const ms = rewriteMs * (1 + 4 * randomFloat(random))
      cancelRewrite = timers.after(ms, () => {
        cancelRewrite = undefined
        rewrittenAt = clock.monotonic()
        onRewrite()
      })
    },
    stop() {
      stopped = true
      cancelIdle()
      endTurn()
      cancelRewrite?.()
    },
  }
}
