/** One limit: the number, its unit, and the attack or accident it stops. */
export interface Limit {
  readonly value: number
  readonly unit: string
  readonly stops: string
}

/**
 * Every limit of the wire in one table. The relay enforces and advertises it (NIP-11), tests probe it at n, n+1 and 0.
 * Anything configurable starts from here.
 */
export const LIMITS = {
  frameBytes: { value: 131_072, unit: 'bytes', stops: 'memory exhaustion by one giant frame' },
  eventBytes: { value: 65_536, unit: 'bytes', stops: 'log bloat by giant events' },
  contentBytes: { value: 49_152, unit: 'bytes', stops: 'log bloat by giant content' },
  tags: { value: 256, unit: 'tags per event', stops: 'tag bombs that multiply index rows' },
  tagValueBytes: { value: 1_024, unit: 'bytes per tag element', stops: 'index bloat by giant tag values' },
  createdAtPast: {
    value: 94_608_000,
    unit: 'seconds (3 years)',
    stops: 'backfilling of ancient events into other people’s feeds',
  },
  createdAtFuture: { value: 900, unit: 'seconds', stops: 'events that stay on top of every feed' },
  filters: { value: 10, unit: 'filters per REQ', stops: 'query amplification' },
  filterValues: { value: 500, unit: 'values per filter field', stops: 'query amplification' },
  filterTags: { value: 3, unit: 'tag conditions per filter', stops: 'quadratic matching' },
  subscriptions: { value: 32, unit: 'open subscriptions per connection', stops: 'live-matching amplification' },
  subscriptionIdChars: { value: 64, unit: 'characters', stops: 'memory held by names (NIP-01)' },
  page: { value: 500, unit: 'events per filter or page', stops: 'unbounded scans; also the default limit' },
  outboundHighBytes: {
    value: 1_048_576,
    unit: 'bytes unsent',
    stops: 'a slow reader filling memory: above this nothing is pushed',
  },
  outboundHardBytes: {
    value: 4_194_304,
    unit: 'bytes unsent',
    stops: 'a stalled reader: above this it is closed with 1013',
  },
  stalledMs: { value: 30_000, unit: 'ms without progress', stops: 'a reader that never drains' },
  unverified: {
    value: 64,
    unit: 'unanswered events per connection',
    stops: 'one connection filling the verifier’s queue; its socket is paused',
  },
  authKeys: { value: 16, unit: 'keys per connection', stops: 'memory held by names' },
  refusedAuths: { value: 5, unit: 'refused AUTHs per connection', stops: 'signature checks on demand' },
  wills: { value: 10_000, unit: 'wills held', stops: 'storage filled by deposits that are never published' },
  pendingEphemerals: { value: 256, unit: 'events per subscription', stops: 'memory held while a stored query runs' },
} as const satisfies Record<string, Limit>

export type LimitName = keyof typeof LIMITS
/** The numbers alone, as the relay takes them (each may be overridden in `createRelay({ limits })`). */
export type Limits = { readonly [K in LimitName]: number }

export const defaultLimits: Limits = Object.freeze(
  Object.fromEntries(Object.entries(LIMITS).map(([name, limit]) => [name, limit.value])) as Record<LimitName, number>,
)
