import { onAbort } from '../platform/on-abort.ts'
import { sleep, type Timers } from '../platform/timers.ts'

/** Between looks at a home that another process may write, in ms: soon at first, seldom when it takes long. */
const POLL_MS = { first: 10, longest: 200, growth: 1.3 } as const

/** Asks `look` until it answers, `ms` are over or the signal aborts; then undefined. */
export async function poll<T>(
  look: () => T | undefined,
  { timers, signal, ms }: { readonly timers: Timers; readonly signal: AbortSignal; readonly ms: number },
): Promise<T | undefined> {
  const over = new AbortController()
  const cancel = timers.after(ms, () => over.abort())
  const stop = AbortSignal.any([signal, over.signal])
  try {
    for (let wait: number = POLL_MS.first; ; wait = Math.min(wait * POLL_MS.growth, POLL_MS.longest)) {
      const found = look()
      if (found !== undefined || stop.aborted) return found
      await sleep(timers, wait, stop)
    }
  } finally {
    cancel()
  }
}

/** `promise`, or undefined when the signal aborts or `ms` are over first. The promise itself goes on. */
export function within<T>(
  promise: Promise<T>,
  { timers, signal, ms }: { readonly timers: Timers; readonly signal: AbortSignal; readonly ms: number },
): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    const stop = () => settle(() => resolve(undefined))
    const cancel = timers.after(ms, stop)
    const settle = (outcome: () => void) => {
      cancel()
      stopListening()
      outcome()
    }
    const stopListening = onAbort(signal, stop)
    if (signal.aborted) stop()
    promise.then(
      value => settle(() => resolve(value)),
      error => settle(() => reject(error)),
    )
  })
}
