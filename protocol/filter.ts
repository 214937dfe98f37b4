import { byteLength, type NostrEvent, type Tag } from './event.ts'
import { isHex, isHex64 } from './hex.ts'
import { isCount, isRecord } from './json.ts'
import type { Limits } from './limits.ts'
import { fail, ok, type Result } from './result.ts'

/** A NIP-01 filter, parsed. Sets make one matcher fast enough for every path. Absent = no condition; an empty set matches nothing. */
export interface Filter {
  readonly ids?: ReadonlySet<string>
  readonly authors?: ReadonlySet<string>
  readonly kinds?: ReadonlySet<number>
  /** Tag letter → wanted first values; letters are case-sensitive. */
  readonly tags?: ReadonlyMap<string, ReadonlySet<string>>
  readonly since?: number
  readonly until?: number
  /** Bounds the stored query only. */
  readonly limit?: number
  /** Words to look for (NIP-50). Answered by the store's index; the matcher does not look at it. */
  readonly search?: string
  /** Log order: everything after this seq (exclusive; 0 = from the start). docs/protocol.md, "SEQ". */
  readonly since_seq?: number
  /** The epoch that told `since_seq`; needed above 0. */
  readonly epoch?: string
  /** Log order only: also tell removals. */
  readonly gone?: boolean
}

/** As an author writes it in JSON. */
export interface FilterJson {
  ids?: readonly string[]
  authors?: readonly string[]
  kinds?: readonly number[]
  since?: number
  until?: number
  limit?: number
  search?: string
  since_seq?: number
  epoch?: string
  gone?: boolean
  [tag: `#${string}`]: readonly string[] | undefined
}

/** Reads one filter. The error is a NIP-01 reason text without its prefix; `unsupported` marks well-formed conditions we do not know. */
export function parseFilter(
  value: unknown,
  limits: Pick<Limits, 'filterValues' | 'filterTags' | 'tagValueBytes' | 'searchBytes'>,
): Result<Filter, { prefix: 'invalid' | 'unsupported'; text: string }> {
  const invalid = (text: string) => fail({ prefix: 'invalid' as const, text })
  if (!isRecord(value)) return invalid('a filter is not an object')
  const filter: { -readonly [K in keyof Filter]: Filter[K] } = {}
  const tags = new Map<string, ReadonlySet<string>>()
  for (const key of Object.keys(value)) {
    const field = value[key]
    if (key === 'ids' || key === 'authors' || key === 'kinds' || /^#[a-zA-Z]$/.test(key)) {
      if (!Array.isArray(field)) return invalid(`filter.${key} is not an array`)
      if (field.length > limits.filterValues)
        return invalid(`filter.${key} has more than ${limits.filterValues} values`)
      if (key === 'kinds') {
        if (!field.every(kind => isCount(kind) && kind <= 65_535))
          return invalid('filter.kinds holds something other than kinds')
        filter.kinds = new Set(field as number[])
      } else if (key === 'ids' || key === 'authors') {
        if (!field.every(isHex64))
          return invalid(`filter.${key} holds something other than 64 lowercase hex characters`)
        filter[key] = new Set(field)
      } else {
        const hexOnly = key === '#e' || key === '#p'
        if (!field.every(v => (hexOnly ? isHex64(v) : isTagValue(v, limits.tagValueBytes))))
          return invalid(
            `filter.${key} holds something other than ${hexOnly ? '64 lowercase hex characters' : 'tag values'}`,
          )
        tags.set(key.slice(1), new Set(field as string[]))
      }
    } else if (key === 'since' || key === 'until' || key === 'limit' || key === 'since_seq') {
      if (!isCount(field)) return invalid(`filter.${key} is not a whole number`)
      filter[key] = field + 0
    } else if (key === 'search') {
      if (!isTagValue(field, limits.searchBytes))
        return invalid(`filter.search is not a text of at most ${limits.searchBytes} bytes`)
      filter.search = field
    } else if (key === 'epoch') {
      if (!isHex(field, 16)) return invalid('filter.epoch is not 16 lowercase hex characters')
      filter.epoch = field
    } else if (key === 'gone') {
      if (typeof field !== 'boolean') return invalid('filter.gone is not true or false')
      filter.gone = field
    } else {
      return fail({ prefix: 'unsupported', text: `this relay has no filter field ${JSON.stringify(key.slice(0, 32))}` })
    }
  }
  if (tags.size > limits.filterTags) return invalid(`a filter has more than ${limits.filterTags} tag conditions`)
  if (tags.size > 0) filter.tags = tags
  return ok(Object.freeze(filter))
}

const isTagValue = (value: unknown, maxBytes: number): value is string =>
  typeof value === 'string' && value.length <= maxBytes && byteLength(value) <= maxBytes

/** What a filter looks at: an event, or what is remembered of a removed one (content never counts). */
export type Matchable = Pick<NostrEvent, 'id' | 'pubkey' | 'created_at' | 'kind' | 'tags'>

/** The one matcher for stored, live, COUNT, log order and removals. `limit`, `search` and the SEQ fields are not conditions to it. */
export function matchFilter(filter: Filter, event: Matchable): boolean {
  if (filter.ids !== undefined && !filter.ids.has(event.id)) return false
  if (filter.kinds !== undefined && !filter.kinds.has(event.kind)) return false
  if (filter.authors !== undefined && !filter.authors.has(event.pubkey)) return false
  if (filter.since !== undefined && event.created_at < filter.since) return false
  if (filter.until !== undefined && event.created_at > filter.until) return false
  if (filter.tags !== undefined)
    for (const [name, wanted] of filter.tags) if (!hasTag(event.tags, name, wanted)) return false
  return true
}

export const matchFilters = (filters: readonly Filter[], event: Matchable): boolean =>
  filters.some(filter => matchFilter(filter, event))

function hasTag(tags: readonly Tag[], name: string, wanted: ReadonlySet<string>): boolean {
  for (const tag of tags) if (tag[0] === name && tag[1] !== undefined && wanted.has(tag[1])) return true
  return false
}

/** A filter whose lists leave nothing to find; the store is not asked. */
export const matchesNothing = (filter: Filter): boolean =>
  filter.ids?.size === 0 ||
  filter.authors?.size === 0 ||
  filter.kinds?.size === 0 ||
  [...(filter.tags?.values() ?? [])].some(values => values.size === 0) ||
  (filter.since !== undefined && filter.until !== undefined && filter.since > filter.until)
