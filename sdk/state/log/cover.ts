import { isHex, isHex64 } from '../../../protocol/hex.ts'
import { isCount, isRecord } from '../../../protocol/json.ts'
import { fail, ok, type Result } from '../../../protocol/result.ts'
import { isSession } from '../../../protocol/state.ts'

/** The highest event of a session up to which nothing is missing, and the first 16 hex of its id if it is known. */
export interface CoverEntry {
  readonly n: number
  readonly id?: string
}

/** What somebody has: author (64 hex) → session (16 hex) → entry. */
export type Cover = ReadonlyMap<string, ReadonlyMap<string, CoverEntry>>
export type MutableCover = Map<string, Map<string, CoverEntry>>

/** Entries that one snapshot may name: more is refused. */
export const MAX_COVER_ENTRIES = 4_096

export const entryOf = (cover: Cover, author: string, session: string): CoverEntry | undefined =>
  cover.get(author)?.get(session)

/** Highest contiguous n; 0 if nothing is covered. */
export const coveredUpTo = (cover: Cover, author: string, session: string): number =>
  entryOf(cover, author, session)?.n ?? 0

export const covers = (cover: Cover, place: { author: string; session: string; n: number }): boolean =>
  place.n <= coveredUpTo(cover, place.author, place.session)

export function setEntry(cover: MutableCover, author: string, session: string, entry: CoverEntry): void {
  const sessions = cover.get(author) ?? new Map<string, CoverEntry>()
  cover.set(author, sessions.set(session, entry))
}

export function* entriesOf(cover: Cover): Generator<CoverEntry & { author: string; session: string }> {
  for (const [author, sessions] of cover) for (const [session, entry] of sessions) yield { author, session, ...entry }
}

/** The least that contains both: per author and session the higher entry. */
export function joinCovers(a: Cover, b: Cover): MutableCover {
  const joined: MutableCover = new Map()
  for (const { author, session, ...entry } of [...entriesOf(a), ...entriesOf(b)]) {
    const before = entryOf(joined, author, session)
    if (before === undefined || entry.n > before.n || (entry.n === before.n && before.id === undefined))
      setEntry(joined, author, session, entry)
  }
  return joined
}

/** Everything that `b` names is in `a`. */
export const includes = (a: Cover, b: Cover): boolean => [...entriesOf(b)].every(place => covers(a, place))

type CoverJson = Record<string, Record<string, readonly [number, string?]>>

/** As it stands in a snapshot by `self`, whose own entries have an empty name. */
export function coverJson(cover: Cover, self: string): CoverJson {
  const json: CoverJson = {}
  for (const { author, session, n, id } of entriesOf(cover)) {
    const name = author === self ? '' : author
    json[name] = { ...json[name], [session]: id === undefined ? [n] : [n, id] }
  }
  return json
}

export function parseCover(value: unknown, self: string): Result<Cover> {
  if (!isRecord(value)) return fail('cover is not an object')
  const cover: MutableCover = new Map()
  let count = 0
  for (const [name, sessions] of Object.entries(value)) {
    const author = name === '' ? self : name
    if (!isHex64(author) || !isRecord(sessions)) return fail('cover names something other than authors')
    for (const [session, entry] of Object.entries(sessions)) {
      const [n, id] = Array.isArray(entry) ? (entry as unknown[]) : []
      if (!isSession(session) || !isCount(n) || n === 0) return fail('cover has an entry that is none')
      if (id !== undefined && !isHex(id, 16)) return fail('cover has an id that is not 16 hex')
      count += 1
      if (count > MAX_COVER_ENTRIES) return fail('cover names too many sessions')
      setEntry(cover, author, session, id === undefined ? { n } : { n, id })
    }
  }
  return ok(cover)
}
