import { sleep, type Timers } from '../platform/timers.ts'
import { AgentClosedError } from './errors.ts'
import { createPulse } from './notices.ts'

/** Whether an agent still runs, and waiting for something to happen in it. */
export interface Life {
  /** `close` was called: nothing new is begun. */
  readonly isClosing: boolean
  /** All is over; the store is gone. */
  readonly isClosed: boolean
  /** Throws {@link AgentClosedError} once it is closing. */
  ensureOpen(): void
  beginClosing(): void
  end(): void
  /** Something happened; whoever waits looks whether it was that. */
  beat(): void
  /** Resolves at the next beat. */
  next(): Promise<void>
  /** Waits until `done` is true; false when `ms` ran out first. */
  until(done: () => boolean, ms: number): Promise<boolean>
}

export function createLife(timers: Timers): Life {
  const pulse = createPulse()
  let isClosing = false
  let isClosed = false

  return {
    get isClosing() {
      return isClosing
    },
    get isClosed() {
      return isClosed
    },
    ensureOpen() {
      if (isClosing) throw new AgentClosedError()
    },
    beginClosing() {
      isClosing = true
    },
    end() {
      isClosed = true
      pulse.beat()
    },
    beat: pulse.beat,
    next: pulse.next,
    async until(done, ms) {
      const over = new AbortController()
      const timeout = sleep(timers, ms, over.signal).then(() => over.abort())
      while (!done() && !over.signal.aborted) await Promise.race([pulse.next(), timeout])
      over.abort()
      return done()
    },
  }
}
