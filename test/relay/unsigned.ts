import { createHash } from 'node:crypto'
import { defaultLimits, eventId, type Filter, type FilterJson, type NostrEvent, parseFilter } from 'posthorn/protocol'
import type { LogRequest, QueryRequest } from 'posthorn/relay'

export const hex64 = (name: string): string => createHash('sha256').update(name).digest('hex')
export const ALICE = hex64('alice')
export const BOB = hex64('bob')
/** The time that decides expiry in store tests, seconds. */
export const NOW = 2_000_000

let made = 0
/** An event for the store alone, which leaves signatures to the stages before it: the id is the hash, the signature none. */
export function unsigned(fields: Partial<NostrEvent> = {}): NostrEvent {
  made += 1
  const plain = {
    pubkey: ALICE,
    created_at: 1_000 + made,
    kind: 1,
    tags: [],
    content: `${made}`,
    sig: '0'.repeat(128),
    ...fields,
  }
  return Object.freeze({ ...plain, id: eventId(plain.pubkey, plain) })
}

export function filter(json: FilterJson): Filter {
  const parsed = parseFilter(json, { ...defaultLimits, filterTags: 6 })
  if (!parsed.ok) throw new Error(parsed.error.text)
  return parsed.value
}

export const logRequest = (json: FilterJson[], after = 0, more: Partial<LogRequest> = {}): LogRequest => ({
  filters: json.map(filter),
  after,
  limit: 500,
  gone: true,
  keys: [],
  now: NOW,
  ...more,
})

/** `limit` in a filter is the client's; without one the relay's own cap applies. */
export const queryRequest = (json: FilterJson[], cap = 500, more: Partial<QueryRequest> = {}): QueryRequest => ({
  filters: json.map(one => ({ filter: filter(one), remaining: one.limit ?? cap, capped: one.limit === undefined })),
  keys: [],
  now: NOW,
  ...more,
})
