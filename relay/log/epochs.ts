import type { Cursor } from '../../protocol/cursor.ts'

/** One run of the relay: its epoch and the last seq that existed when it began. */
export interface EpochStart {
  readonly epoch: string
  readonly start: number
}

/** What a relay can say of a client's cursor. `common`: the highest seq up to which both surely saw the same log. */
export type CursorVerdict =
  | { readonly known: true }
  | { readonly known: false; readonly ahead: true }
  | { readonly known: false; readonly ahead: false; readonly common: number }

/**
 * Judges a cursor against this log's own runs, oldest first (docs/protocol.md, "Cursors"). A run told only positions that
 * existed when the next one began; anything above was told by a future that a restored backup has undone.
 */
export function judgeCursor(epochs: readonly EpochStart[], last: number, cursor: Cursor): CursorVerdict {
  if (cursor.seq === 0) return { known: true }
  const index = epochs.findIndex(run => run.epoch === cursor.epoch)
  if (index === -1) return { known: false, ahead: false, common: 0 }
  const next = epochs[index + 1]
  if (next === undefined) return cursor.seq <= last ? { known: true } : { known: false, ahead: true }
  return cursor.seq <= next.start ? { known: true } : { known: false, ahead: false, common: next.start }
}
