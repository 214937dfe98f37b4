import { byteLength } from '../../../protocol/event.ts'
import type { Table } from '../../tables.ts'
import { COUNTER, canonical, GAUGE, type Json } from './record.ts'

/**
 * What a record may weigh: the bytes of a snapshot of it as they travel, UTF-8, escaped, and sealed where it is private. A snapshot holds
 * 1,920 KiB; what is above this limit is left to tombstones, which wait there until nothing older can turn up.
 */
export const MAX_RECORD_BYTES = 1_536 * 1024
/** Tombstones are dropped, by writing the record anew in a new session, before record and tombstones weigh more than this. */
export const MAX_WITH_TOMBSTONES = 1_792 * 1024
/** Of a clear text, NIP-44 v2 and base64 make at most this many times as many bytes, in the pieces that it is sealed in. */
export const SEALED = 1.35

/** A version of its own, the highest numbers there are, and the punctuation: what an entry takes besides key and value. */
const ENTRY_BYTES = 50
const TOMBSTONE_BYTES = 4
/** Numbers are charged as if they had all their digits, so that a full record counts on. */
const NUMBERS: Readonly<Record<string, number>> = { [COUNTER]: 3 * 24, [GAUGE]: 6 * 24 }

/** Bytes that an entry takes at most in a snapshot in clear. A removed one never more than it took before. */
export const weightOf = (key: string, value: Json): number =>
  ENTRY_BYTES +
  byteLength(JSON.stringify(key)) +
  Math.max(
    TOMBSTONE_BYTES,
    value === null ? 0 : (NUMBERS[key[0] ?? ''] ?? (typeof value === 'number' ? 24 : 0)),
    value === null ? 0 : byteLength(canonical(value)),
  )

/** What a map of entries weighs, bytes, and how many there are: those that live, and tombstones. */
export interface Weight {
  readonly live: number
  readonly keys: number
  readonly dead: number
  readonly tombstones: number
}

export const NOTHING: Weight = Object.freeze({ live: 0, keys: 0, dead: 0, tombstones: 0 })

/** With one entry more, or (`sign` -1) less; `value` undefined: there is none. */
export function weighed(weight: Weight, key: string, value: Json | undefined, sign: 1 | -1): Weight {
  if (value === undefined) return weight
  const bytes = sign * weightOf(key, value)
  return value === null
    ? { ...weight, dead: weight.dead + bytes, tombstones: weight.tombstones + sign }
    : { ...weight, live: weight.live + bytes, keys: weight.keys + sign }
}

export function weightOfAll(
  entries: Table<{ readonly value: Json }> | ReadonlyMap<string, { readonly value: Json }>,
): Weight {
  let weight = NOTHING
  for (const [key, { value }] of entries) weight = weighed(weight, key, value, 1)
  return weight
}
