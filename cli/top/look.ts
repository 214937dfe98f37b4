import type { Clock } from '../../platform/clock.ts'
import { connectReason } from '../../platform/connect-reason.ts'
import { getNode } from '../../platform/web-get-node.ts'
import { parseJson } from '../../protocol/json.ts'
import { CliError } from '../errors.ts'
import { EXIT } from '../exit-codes.ts'
import { type Metrics, parseMetrics, quantileOf, rateOf } from './metrics.ts'
import { readStats, type Stats } from './stats.ts'

/** One look at a relay, raw. */
export interface Look {
  /** Monotonic, ms. */
  readonly at: number
  /** What its answer took, ms. */
  readonly answerMs: number
  readonly stats: Stats
  readonly metrics: Metrics | undefined
}

export interface LookOptions {
  readonly relay: string
  /** Undefined: no latencies. */
  readonly metrics: string | undefined
  readonly timeoutMs: number
  readonly signal: AbortSignal
  readonly clock: Clock
}

const MAX_BYTES = 4 * 1024 * 1024

/** Throws CliError if the relay does not answer, or tells no numbers. */
export async function lookAt(options: LookOptions): Promise<Look> {
  const { relay, clock } = options
  const http = relay.replace(/^ws/, 'http').replace(/\/$/, '')
  const sent = clock.monotonic()
  const stats = await get(`${http}/stats`, relay, options)
  const answerMs = clock.monotonic() - sent
  const json = parseJson(stats ?? '')
  const read = json.ok ? readStats(json.value) : undefined
  if (read === undefined)
    throw new CliError('no-stats', EXIT.failure, `${relay} tells no numbers`, {
      hint: 'posthorn relay serves them at /stats; a proxy before it may not pass them on',
    })
  const text =
    options.metrics === undefined ? undefined : await get(metricsUrl(options.metrics), options.metrics, options)
  return { at: sent, answerMs, stats: read, metrics: text === undefined ? undefined : parseMetrics(text) }
}

/** `http://host:9464` as it stands, with the path that everybody serves metrics under. */
const metricsUrl = (url: string): string => (new URL(url).pathname === '/' ? new URL('/metrics', url).href : url)

/** The body; undefined for anything but 200. `asNamed`: the address as the user wrote it. */
async function get(url: string, asNamed: string, { timeoutMs, signal }: LookOptions): Promise<string | undefined> {
  try {
    const answer = await getNode(url, { publicOnly: false, maxBytes: MAX_BYTES, timeoutMs, accept: '*/*' })
    signal.throwIfAborted()
    return answer.status === 200 ? answer.text : undefined
  } catch (cause) {
    const isLate = cause instanceof Error && cause.message === 'no answer in time'
    const why = isLate ? `no answer in ${timeoutMs / 1000} s` : reasonOf(cause, asNamed)
    throw new CliError('relay-unreachable', EXIT.unreachable, `cannot reach ${asNamed}: ${why}`, { cause })
  }
}

function reasonOf(error: unknown, url: string): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
  return cause instanceof Error ? connectReason(cause, url) : String(cause)
}

export interface Latency {
  /** Seconds; upper bounds of the histogram's buckets. */
  readonly p50: number
  readonly p99: number
}

/** What two looks tell together. Rates are per second; undefined where only one look was taken or the relay tells nothing. */
export interface Figures {
  readonly logRate: number | undefined
  readonly published: number | undefined
  readonly delivered: number | undefined
  readonly opened: number | undefined
  readonly commit: Latency | undefined
  readonly verify: Latency | undefined
  readonly query: Latency | undefined
  readonly slowReaders: number | undefined
  readonly wills: number | undefined
}

export function figuresOf(before: Look | undefined, now: Look): Figures {
  const seconds = before === undefined ? 0 : (now.at - before.at) / 1_000
  const same = before !== undefined && before.stats.head.epoch === now.stats.head.epoch && seconds > 0
  const earlier = same ? before : undefined
  const { metrics } = now
  const rate = (name: string) => (metrics === undefined ? undefined : rateOf(name, earlier?.metrics, metrics, seconds))
  const latency = (name: string): Latency | undefined => {
    if (metrics === undefined) return undefined
    const [p50, p99] = [0.5, 0.99].map(share => quantileOf(name, share, earlier?.metrics, metrics))
    return p50 === undefined || p99 === undefined ? undefined : { p50, p99 }
  }
  return {
    logRate:
      earlier === undefined ? now.stats.recent.at(-1) : (now.stats.head.last - earlier.stats.head.last) / seconds,
    published: rate('posthorn_published_total'),
    delivered: rate('posthorn_deliveries_total'),
    opened: rate('posthorn_connections_opened_total'),
    commit: latency('posthorn_commit_seconds'),
    verify: latency('posthorn_verify_seconds'),
    query: latency('posthorn_query_seconds'),
    slowReaders: metrics?.totals.get('posthorn_slow_readers'),
    wills: metrics?.totals.get('posthorn_wills'),
  }
}
