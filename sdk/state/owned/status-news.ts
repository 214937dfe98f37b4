import type { Cancel } from '../../../platform/timers.ts'
import type { StateStatus } from './types.ts'

/** Tells listeners of the status: at most once a turn, and only of a change. */
export interface StatusNews {
  on(listener: (status: StateStatus) => void): Cancel
  /** It may have changed. */
  check(): void
}

export function createStatusNews(read: () => StateStatus): StatusNews {
  const listeners = new Set<{ readonly run: (status: StateStatus) => void; last: string }>()
  let planned = false

  function tell(): void {
    planned = false
    const status = read()
    const text = JSON.stringify(status)
    for (const listener of [...listeners]) {
      if (listener.last === text) continue
      listener.last = text
      try {
        listener.run(status)
      } catch (error) {
        // The program's own mistake must surface, but not in the middle of our bookkeeping.
        queueMicrotask(() => {
          throw error
        })
      }
    }
  }

  return {
    on(run) {
      const listener = { run, last: JSON.stringify(read()) }
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    check() {
      if (planned || listeners.size === 0) return
      planned = true
      queueMicrotask(tell)
    },
  }
}
