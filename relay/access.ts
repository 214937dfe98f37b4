import { sha256 } from '@noble/hashes/sha2.js'
import { type NostrEvent, tagValues } from '../protocol/event.ts'
import type { Filter } from '../protocol/filter.ts'
import { bytesToHex } from '../protocol/hex.ts'
import { audienceOf } from '../protocol/kinds.ts'

/** Raised whenever the rules below change, so that clients do not resume across a change of what they may see. */
const ACCESS_GENERATION = 1

/** May these authenticated keys be served this event? Asked by stored, live, COUNT and log order alike. */
export function mayRead(event: Pick<NostrEvent, 'kind' | 'pubkey' | 'tags'>, keys: readonly string[]): boolean {
  switch (audienceOf(event.kind)) {
    case 'anyone':
      return true
    case 'nobody':
      return false
    case 'parties':
      return keys.length > 0 && (keys.includes(event.pubkey) || tagValues(event, 'p').some(key => keys.includes(key)))
  }
}

/** `all` restricted: nothing could be served to a stranger. `some`: the answer may be narrower than the filter. Never depends on data. */
export type Withholding = 'none' | 'some' | 'all'

export function withholding(filters: readonly Filter[], keys: readonly string[]): Withholding {
  const each = filters.map(filter => ofFilter(filter, keys))
  if (each.every(w => w === 'all')) return 'all'
  return each.every(w => w === 'none') ? 'none' : 'some'
}

function ofFilter(filter: Filter, keys: readonly string[]): Withholding {
  const named = filter.kinds === undefined ? undefined : [...filter.kinds].filter(kind => audienceOf(kind) !== 'anyone')
  if (named?.length === 0) return 'none'
  const onlyParties = named?.every(kind => audienceOf(kind) === 'parties') === true
  // Someone who asks for his own mail, or what he wrote himself, is denied nothing.
  if (onlyParties && (within(filter.tags?.get('p'), keys) || within(filter.authors, keys))) return 'none'
  const onlyNamed = named !== undefined && named.length === filter.kinds?.size
  const someParties = named?.some(kind => audienceOf(kind) === 'parties') === true
  return onlyNamed && !(someParties && mayBeParty(filter, keys)) ? 'all' : 'some'
}

const within = (values: ReadonlySet<string> | undefined, keys: readonly string[]): boolean =>
  values !== undefined && values.size > 0 && [...values].every(value => keys.includes(value))

/** Could any event that this filter finds name one of these keys? */
function mayBeParty({ authors, tags }: Filter, keys: readonly string[]): boolean {
  if (keys.length === 0) return false
  const recipients = tags?.get('p')
  const open = authors === undefined || recipients === undefined
  return open || keys.some(key => authors.has(key) || recipients.has(key))
}

/** Names what a connection may see; cursors are keyed by it. 16 hex of sha256 over the access generation and the sorted keys. */
export const scopeOf = (keys: readonly string[]): string =>
  bytesToHex(sha256(new TextEncoder().encode(JSON.stringify([ACCESS_GENERATION, ...[...keys].sort()])))).slice(0, 16)
