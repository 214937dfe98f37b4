import { WIRE_LIMITS } from './wire-limits.ts'

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
  frameBytes: { value: WIRE_LIMITS.frameBytes, unit: 'bytes', stops: 'memory exhaustion by one giant frame' },
  eventBytes: { value: WIRE_LIMITS.eventBytes, unit: 'bytes', stops: 'log bloat by giant events' },
  contentBytes: { value: WIRE_LIMITS.contentBytes, unit: 'bytes', stops: 'log bloat by giant content' },
  tags: { value: 256, unit: 'tags per event', stops: 'tag bombs that multiply index rows' },
  tagValueBytes: {
    value: WIRE_LIMITS.tagValueBytes,
    unit: 'bytes per tag element',
    stops: 'index bloat by giant tag values',
  },
  createdAtPast: {
    value: 94_608_000,
    unit: 'seconds (3 years)',
    stops: 'backfilling of ancient events into other people’s feeds',
  },
  createdAtFuture: { value: 900, unit: 'seconds', stops: 'events that stay on top of every feed' },
  filters: { value: 10, unit: 'filters per REQ', stops: 'query amplification' },
  filterValues: { value: WIRE_LIMITS.filterValues, unit: 'values per filter field', stops: 'query amplification' },
  filterTags: { value: WIRE_LIMITS.filterTags, unit: 'tag conditions per filter', stops: 'quadratic matching' },
  searchBytes: {
    value: WIRE_LIMITS.searchBytes,
    unit: 'bytes per search',
    stops: 'searches for hundreds of words at once',
  },
  subscriptions: { value: 32, unit: 'open subscriptions per connection', stops: 'live-matching amplification' },
  subscriptionIdChars: { value: 64, unit: 'characters', stops: 'memory held by names (NIP-01)' },
  page: {
    value: WIRE_LIMITS.page,
    unit: 'events per filter or page',
    stops: 'unbounded scans; also the default limit',
  },
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
  authKeys: {
    value: 16,
    unit: 'accepted AUTHs per connection',
    stops: 'memory held by names; signature checks on demand',
  },
  refusedAuths: { value: 5, unit: 'refused AUTHs per connection', stops: 'signature checks on demand' },
  wills: { value: 10_000, unit: 'wills held', stops: 'storage filled by deposits that are never published' },
  negentropySessions: { value: 8, unit: 'open reconciliations per connection', stops: 'memory held by sets of ids' },
  negentropyRecords: {
    value: 200_000,
    unit: 'events per reconciliation',
    stops: 'scans and memory (40 bytes each) on demand; told as the cap of `blocked` (NIP-77)',
  },
  negentropyRecordsTotal: {
    value: 2_000_000,
    unit: 'events in all open reconciliations',
    stops: 'memory filled by many connections at once',
  },
  negentropyIdleMs: { value: 60_000, unit: 'ms between messages', stops: 'sets of ids held for nobody' },
  pendingEphemerals: { value: 256, unit: 'events per subscription', stops: 'memory held while a stored query runs' },
  connections: { value: 10_000, unit: 'open connections', stops: 'a connection flood; more are refused with 429' },
  connectionsPerAddress: {
    value: 20,
    unit: 'open connections per IPv4 address or IPv6 /64, loopback exempt',
    stops: 'one host taking all connections; more are refused with 429',
  },
  connectBurst: { value: 60, unit: 'new connections at once per address, loopback exempt', stops: 'reconnect floods' },
  connectsPerMinute: { value: 120, unit: 'new connections per minute per address', stops: 'reconnect floods' },
  handshakeMs: { value: 10_000, unit: 'ms for the headers', stops: 'slow headers (slowloris)' },
  headerBytes: {
    value: 8_192,
    unit: 'bytes of headers',
    stops: 'memory exhaustion by headers; more are refused with 431',
  },
  fragments: {
    value: 64,
    unit: 'fragments per message',
    stops: 'memory exhaustion by tiny fragments (CVE-2026-48779): closed with 1008',
  },
  controlFrames: {
    value: 60,
    unit: 'pings and pongs per 25 s and connection',
    stops: 'ping floods, each of which costs a write: closed with 1008',
  },
  preAuthMs: {
    value: 10_000,
    unit: 'ms from the upgrade to AUTH, or a first valid frame where AUTH is not demanded',
    stops: 'sockets that say nothing: closed with 1008, whatever bytes came in',
  },
  preAuthMessages: {
    value: 16,
    unit: 'messages before AUTH where it is demanded',
    stops: 'work for strangers: closed with 1008',
  },
  preAuthBytes: {
    value: 65_536,
    unit: 'bytes before AUTH where it is demanded',
    stops: 'work for strangers: closed with 1008',
  },
  malformedFrames: {
    value: 100,
    unit: 'frames per connection that cannot be read, this machine exempt',
    stops: 'parsing on demand: closed with 1008',
  },
  invalidSignatures: {
    value: 10,
    unit: 'invalid signatures per connection',
    stops: 'signature checks on demand: closed with 1008, and the address is kept out',
  },
  penaltyMs: {
    value: 60_000,
    unit: 'ms an address is kept out after invalid signatures, loopback exempt',
    stops: 'coming straight back; refused with 429',
  },
  eventBurst: { value: 600, unit: 'events at once per key or address', stops: 'write floods' },
  eventsPerMinute: { value: 1_200, unit: 'events per minute per key or address', stops: 'write floods' },
  eventBytesBurst: {
    value: 16_777_216,
    unit: 'bytes of events at once per key or address',
    stops: 'a disk filled within the rate of events; an address with many keys has four times as much',
  },
  eventBytesPerMinute: {
    value: 8_388_608,
    unit: 'bytes of events per minute per key or address',
    stops: 'a disk filled within the rate of events',
  },
  inboundBytesBurst: {
    value: 16_777_216,
    unit: 'bytes of frames at once per address',
    stops: 'parsing on demand: above this the sockets of the address are read at the rate below',
  },
  inboundBytesPerMinute: {
    value: 125_829_120,
    unit: 'bytes of frames per minute per address',
    stops: 'parsing on demand',
  },
  requestBurst: { value: 300, unit: 'requests at once per key or address', stops: 'REQ floods' },
  requestsPerMinute: { value: 600, unit: 'requests per minute per key or address', stops: 'REQ floods' },
  invites: { value: 1_000, unit: 'invites outstanding', stops: 'storage filled by invites that nobody uses' },
  httpRequests: { value: 1_000, unit: 'HTTP requests in progress', stops: 'memory held by bodies and answers' },
  syncWait: { value: 50, unit: 'seconds', stops: 'waits that outlive the patience of proxies' },
  syncWaits: { value: 500, unit: 'GET /sync waiting', stops: 'live-matching amplification without a socket' },
  syncWaitsPerClient: {
    value: 16,
    unit: 'GET /sync waiting per key, or per address without one',
    stops: 'one client taking every place to wait',
  },
  rpcBytes: { value: 16_384, unit: 'bytes', stops: 'memory exhaustion by giant management calls' },
} as const satisfies Record<string, Limit>

export type LimitName = keyof typeof LIMITS
/** The numbers alone, as the relay takes them (each may be overridden in `createRelay({ limits })`). */
export type Limits = { readonly [K in LimitName]: number }

export const defaultLimits: Limits = Object.freeze(
  Object.fromEntries(Object.entries(LIMITS).map(([name, limit]) => [name, limit.value])) as Record<LimitName, number>,
)
