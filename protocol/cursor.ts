import { isHex } from './hex.ts'

/** A position in one relay's log: seq plus the epoch of the run that TOLD it. docs/protocol.md, "SEQ". */
export interface Cursor {
  readonly epoch: string
  readonly seq: number
}

/** Epochs are 16 hex: 48 bits start time in ms, then 16 random bits, so they sort by start. */
export const isEpoch = (value: unknown): value is string => isHex(value, 16)

/** A fresh epoch above every one in `above` (sorted or not), even if the clock stands still or was set back. */
export function makeEpoch(nowMs: number, random16: number, above: Iterable<string>): string {
  let ms = Math.max(0, Math.min(Math.floor(nowMs), 2 ** 48 - 1))
  for (const epoch of above) ms = Math.max(ms, Number.parseInt(epoch.slice(0, 12), 16) + 1)
  return ms.toString(16).padStart(12, '0') + (random16 & 0xffff).toString(16).padStart(4, '0')
}
