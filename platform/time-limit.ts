import type { Timers } from './timers.ts'

/**
 * A signal that aborts with `signal`, or after `ms` with a TimeoutError; for `fetch`. Call `end` when the task is over. In place of
 * `AbortSignal.any([signal, AbortSignal.timeout(ms)])`: in Node 20 the garbage collector takes that timeout away, and the task never ends.
 */
export function timeLimit(
  timers: Timers,
  ms: number,
  signal?: AbortSignal,
): { readonly signal: AbortSignal; end(): void } {
  const over = new AbortController()
  const end = () => {
    cancel()
    signal?.removeEventListener('abort', abort)
  }
  const abort = () => {
    end()
    over.abort(signal?.reason)
  }
  const cancel = timers.after(ms, () => {
    end()
    over.abort(new DOMException(`not over after ${ms} ms`, 'TimeoutError'))
  })
  signal?.addEventListener('abort', abort)
  if (signal?.aborted) abort()
  return { signal: over.signal, end }
}
