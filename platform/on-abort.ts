import type { Cancel } from './timers.ts'

const listening = new WeakMap<AbortSignal, Set<() => void>>()

/**
 * Calls `run` once when the signal aborts; the returned function takes it back. However many wait on one signal, it has one listener
 * of ours: Node warns of a leak at eleven. Nothing is called for a signal that has aborted before.
 */
export function onAbort(signal: AbortSignal, run: () => void): Cancel {
  // Each call is one entry, even of the same function.
  const entry = () => run()
  const entries = listening.get(signal) ?? listen(signal)
  entries.add(entry)
  return () => void entries.delete(entry)
}

function listen(signal: AbortSignal): Set<() => void> {
  const entries = new Set<() => void>()
  listening.set(signal, entries)
  signal.addEventListener(
    'abort',
    () => {
      for (const entry of [...entries]) if (entries.delete(entry)) entry()
    },
    { once: true },
  )
  return entries
}
