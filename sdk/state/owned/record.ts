import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex } from '../../../protocol/hex.ts'

/** What JSON can hold, `null` at the top apart: that removes. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json }

/** Which write a value comes from: the author's session and the event's number in it. Never a time. */
export interface Version {
  readonly session: string
  readonly n: number
}

/** `value` null: removed. */
export interface Entry extends Version {
  readonly value: Json
}

/**
 * One author's state: a map of versioned entries, joined per key. `base` is a session: what was written below it and is not listed at
 * or above it is gone, tombstones too. The join is commutative, associative and idempotent (test/sdk/state/laws.test.ts).
 */
export interface OwnedRecord {
  readonly base: string
  readonly entries: ReadonlyMap<string, Entry>
}

export const EMPTY: OwnedRecord = Object.freeze({ base: '', entries: new Map() })

/** First characters that mark what kind of thing a key holds; names of plain values do not begin with them. */
export const COUNTER = '+'
export const DOT = '*'
export const GAUGE = '~'

export const compareVersions = (a: Version, b: Version): number =>
  a.session === b.session ? a.n - b.n : a.session < b.session ? -1 : 1

/** The later one. One version with two values is a fork: any rule does that everybody follows. */
export function joinEntries(a: Entry, b: Entry): Entry {
  const order = compareVersions(a, b)
  if (order !== 0) return order > 0 ? a : b
  return canonical(a.value) >= canonical(b.value) ? a : b
}

/** The highest number that counters and gauges reach, either way: up to there every machine adds alike. */
export const MAX_NUMBER = Number.MAX_SAFE_INTEGER

export const withinNumbers = (value: number, min = -MAX_NUMBER, max = MAX_NUMBER): number =>
  Math.min(max, Math.max(min, value))

/** What is no list of numbers counts as nothing; what is beyond the highest number counts as that. */
export const numbersOf = (value: Json): readonly number[] =>
  Array.isArray(value) ? value.map(each => (typeof each === 'number' ? withinNumbers(each) || 0 : 0)) : []

export function joinRecords(a: OwnedRecord, b: OwnedRecord): OwnedRecord {
  const base = a.base > b.base ? a.base : b.base
  const entries = new Map<string, Entry>()
  for (const [key, entry] of [...a.entries, ...b.entries]) {
    if (entry.session < base) continue
    const before = entries.get(key)
    entries.set(key, before ? joinEntries(before, entry) : entry)
  }
  return { base, entries }
}

/** What one delta says. */
export const recordOf = ({ session, n }: Version, changes: Iterable<readonly [string, Json]>): OwnedRecord => ({
  base: '',
  entries: new Map([...changes].map(([key, value]) => [key, { session, n, value }])),
})

/**
 * Without what sessions below `at` have left: what lives of it is written anew at `at`, whose session becomes the base, and its tombstones
 * go. `fold` may put several live values into one first.
 */
export function rebase(record: OwnedRecord, at: Version, fold: (live: Map<string, Json>) => void): OwnedRecord {
  const live = new Map<string, Json>()
  const entries = new Map<string, Entry>()
  for (const [key, entry] of record.entries) {
    if (entry.value !== null) live.set(key, entry.value)
    else if (entry.session >= at.session) entries.set(key, entry)
  }
  fold(live)
  for (const [key, value] of live) {
    const before = record.entries.get(key)
    const kept = before && before.session >= at.session && before.value === value
    entries.set(key, kept ? before : { session: at.session, n: at.n, value })
  }
  return { base: at.session, entries }
}

/** The same text for the same value, whatever order its fields were written in. */
export function canonical(value: Json): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`
  if (typeof value === 'object' && value !== null) {
    const fields = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
    return `{${fields.map(([key, each]) => `${JSON.stringify(key)}:${canonical(each)}`).join()}}`
  }
  return JSON.stringify(value)
}

/** Equal for equal records, and for no others: 16 hex. */
export function digestOf({ base, entries }: OwnedRecord): string {
  const lines = [...entries]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, { session, n, value }]) => `${JSON.stringify(key)} ${session} ${n} ${canonical(value)}`)
  return bytesToHex(sha256(new TextEncoder().encode([base, ...lines].join('\n')))).slice(0, 16)
}
