import { sha256 } from '@noble/hashes/sha2.js'
import { type NostrEvent, tagValues } from '../protocol/event.ts'
import type { Filter } from '../protocol/filter.ts'
import { bytesToHex } from '../protocol/hex.ts'
import { audienceOf, restrictedKinds } from '../protocol/kinds.ts'

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
  if (filter.kinds === undefined) return 'some'
  const named = [...filter.kinds].filter(kind => restrictedKinds.includes(kind))
  if (named.length === 0) return 'none'
  return named.length === filter.kinds.size && keys.length === 0 ? 'all' : 'some'
}

/** Names what a connection may see; cursors are keyed by it. 16 hex of sha256 over the access generation and the sorted keys. */
export const scopeOf = (keys: readonly string[]): string =>
  bytesToHex(sha256(new TextEncoder().encode(JSON.stringify([ACCESS_GENERATION, ...[...keys].sort()])))).slice(0, 16)
