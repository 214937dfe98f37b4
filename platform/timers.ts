import { onAbort } from './on-abort.ts'

/** A cancel function; calling it twice is harmless. */
export type Cancel = () => void

/** Timers behind an interface, so that a virtual clock can drive them. */
export interface Timers {
  /** Calls `run` once after `ms`. A `background` timer never keeps a process alive. */
  after(ms: number, run: () => void, options?: { readonly background?: boolean }): Cancel
}

/** What setTimeout can hold (24.8 days); above it hosts fire at once. */
const LONGEST_MS = 2 ** 31 - 1

export const systemTimers: Timers = {
  after(ms, run, options) {
    let timer: ReturnType<typeof setTimeout>
    const arm = (left: number) => {
      timer = setTimeout(() => (left > LONGEST_MS ? arm(left - LONGEST_MS) : run()), Math.min(left, LONGEST_MS))
      // Browsers return a number, which has no unref and needs none.
      if (options?.background && typeof timer === 'object') timer.unref()
    }
    arm(ms)
    return () => clearTimeout(timer)
  },
}

/** Resolves after `ms`; an abort resolves it at once (callers look at the signal, nothing to catch). */
export function sleep(timers: Timers, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    if (signal?.aborted) return resolve()
    const done = () => {
      cancel()
      stopListening?.()
      resolve()
    }
    const cancel = timers.after(ms, done)
    const stopListening = signal && onAbort(signal, done)
  })
}

/** Calls `run` every `ms` until cancelled; a slow `run` is never overlapped because it is synchronous. */
export function every(timers: Timers, ms: number, run: () => void): Cancel {
  let cancel: Cancel = () => {}
  const arm = () => {
    cancel = timers.after(
      ms,
      () => {
        arm()
        run()
      },
      { background: true },
    )
  }
  arm()
  return () => cancel()
}
