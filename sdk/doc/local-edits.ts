import * as Y from 'yjs'
import type { Cancel, Timers } from '../../platform/timers.ts'
import { FOREIGN } from './replica.ts'

/** A change goes out so long after the last one, */
export const FLUSH_QUIET_MS = 250
/** and so long after the first at the latest. */
export const FLUSH_MAX_MS = 2_000

/** Local changes of a Y.Doc, gathered until it is time to write them. */
export interface LocalEdits {
  readonly isEmpty: boolean
  /** All since the last time, as one update. */
  take(): Uint8Array | undefined
  /** What was taken could not be written: it comes before everything else the next time. */
  putBack(update: Uint8Array): void
  /** For keeping. */
  list(): readonly Uint8Array[]
  stop(): void
}

export function gatherLocalEdits(doc: Y.Doc, timers: Timers, onDue: () => void): LocalEdits {
  let updates: Uint8Array[] = []
  let cancelQuiet: Cancel = () => {}
  let cancelLatest: Cancel | undefined

  function due(): void {
    cancelQuiet()
    cancelLatest?.()
    cancelLatest = undefined
    onDue()
  }

  function onUpdate(update: Uint8Array, origin: unknown): void {
    if (origin === FOREIGN) return
    updates.push(update)
    cancelQuiet()
    cancelQuiet = timers.after(FLUSH_QUIET_MS, due)
    cancelLatest ??= timers.after(FLUSH_MAX_MS, due)
  }

  doc.on('update', onUpdate)
  return {
    get isEmpty() {
      return updates.length === 0
    },
    take() {
      const [first, second] = updates
      const merged = first && second ? Y.mergeUpdates(updates) : first
      updates = []
      return merged
    },
    putBack(update) {
      updates.unshift(update)
    },
    list: () => updates,
    stop() {
      doc.off('update', onUpdate)
      cancelQuiet()
      cancelLatest?.()
    },
  }
}
