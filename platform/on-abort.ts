import type { Cancel } from './timers.ts'

interface Listener {
  readonly entries: Set<() => void>
  readonly onAborted: () => void
}

const listening = new WeakMap<AbortSignal, Listener>()

/**
 * Calls `run` once when the signal aborts; the returned function takes it back. However many wait on one signal, it has one listener
 * of ours, and none once nothing waits: Node warns of a leak at eleven. Nothing is called for a signal that has aborted before.
 */
export function onAbort(signal: AbortSignal, run: () => void): Cancel {
  // Each call is one entry, even of the same function.
  const entry = () => run()
  const listener = listening.get(signal) ?? listen(signal)
  listener.entries.add(entry)
  return () => {
    if (!listener.entries.delete(entry) || listener.entries.size > 0) return
    listening.delete(signal)
    signal.removeEventListener('abort', listener.onAborted)
  }
}

function listen(signal: AbortSignal): Listener {
  const entries = new Set<() => void>()
  const onAborted = () => {
    listening.delete(signal)
    signal.removeEventListener('abort', onAborted)
    for (const entry of [...entries]) if (entries.delete(entry)) entry()
  }
  const listener: Listener = { entries, onAborted }
  listening.set(signal, listener)
  signal.addEventListener('abort', onAborted)
  return listener
}
