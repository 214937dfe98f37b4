import type { Gated } from './gate.ts'
import { PART_BYTES } from './payload.ts'

/** An update as one event each holds of it. */
export function cut(update: Uint8Array): Uint8Array[] {
  const pieces: Uint8Array[] = []
  for (let at = 0; at < update.length; at += PART_BYTES) pieces.push(update.subarray(at, at + PART_BYTES))
  return pieces
}

export function concat(pieces: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0))
  let at = 0
  for (const piece of pieces) {
    whole.set(piece, at)
    at += piece.length
  }
  return whole
}

/** Updates put together from their parts, of the deltas that `counts`; parts of one author follow each other. */
export function joinedUpdates(deltas: readonly Gated[], counts: (delta: Gated) => boolean): Uint8Array[] {
  const updates: Uint8Array[] = []
  const open = new Map<string, Uint8Array[]>()
  for (const delta of [...deltas].sort((a, b) => a.n - b.n)) {
    if (!counts(delta)) continue
    const key = `${delta.author}:${delta.session}`
    const pieces = [...(open.get(key) ?? []), delta.bytes]
    open.set(key, delta.more ? pieces : [])
    if (!delta.more) updates.push(concat(pieces))
  }
  return updates
}
