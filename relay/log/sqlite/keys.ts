import { hash } from 'node:crypto'

/**
 * The log's indexes hold 48 bits instead of ids, keys and tag values: a quarter of the bytes, so that more of an index is in memory
 * and a commit writes fewer pages. Whoever finds a row by such a key looks at the row's text for the rest.
 */
const HEAD_DIGITS = 12
export const MAX_RANK = 0xffff_ffff_ffff

const headOf = (hex: string): number => Number.parseInt(hex.slice(0, HEAD_DIGITS), 16)

/** Sorts ids within a second: the lowest id has the highest rank, so that an index read downwards is in NIP-01's order. */
export const rankOf = (id: string): number => MAX_RANK - headOf(id)

/** The highest id of a rank. */
export const lastIdOf = (rank: number): string =>
  (MAX_RANK - rank).toString(16).padStart(HEAD_DIGITS, '0').padEnd(64, 'f')

export const authorKey = (pubkey: string): number => headOf(pubkey)

const HEX64 = /^[0-9a-f]{64}$/

/** Of a tag's letter and first value. Those of `p` are negative: mail is also indexed by seq, by an index of its own. */
export function tagKey(name: string, value: string): number {
  const head = headOf(HEX64.test(value) ? value : hash('sha256', value))
  if (name === 'p') return -1 - head
  return (head + name.charCodeAt(0) * 0x1f_1234_5677) % (MAX_RANK + 1)
}
