import type { Clock } from '../../platform/clock.ts'
import type { VerifierStatus } from '../../platform/verifier.ts'
import type { BackupStatus } from '../backups.ts'
import type { Readiness } from '../health.ts'
import type { TurnCounts } from '../log/asker.ts'
import type { Head, ReaderTurns } from '../log/store.ts'
import { Meter } from './meter.ts'
import { METRICS, type MetricName, type MetricSpec } from './table.ts'

/** What is read at the moment somebody asks. */
export interface MetricSources {
  readonly version: string
  readonly verifier: VerifierStatus
  readonly load: () => { readonly connections: number; readonly subscriptions: number }
  readonly slowReaders: () => number
  readonly head: () => Head
  readonly floor: () => Promise<number>
  readonly wills: () => number
  /** Undefined where the reader's time is not shared out. */
  readonly readerTurns: () => ReaderTurns | undefined
  /** Sizes of the log's files by name; empty for a log in memory. */
  readonly files: () => Promise<Readonly<Record<string, number>>>
  readonly freeBytes: (() => Promise<number>) | undefined
  readonly readiness: () => Promise<Readiness>
  /** Undefined where none are scheduled. */
  readonly backups: (() => BackupStatus) | undefined
}

export interface Metrics {
  readonly meter: Meter
  /** From then on everything can be told. */
  connect(sources: MetricSources): void
  /** Prometheus' text format, version 0.0.4. */
  text(): Promise<string>
  readonly contentType: string
}

/** Metrics of one relay, in a registry of its own: several relays of one process stay apart. Loads prom-client. */
export async function createMetrics(clock: Clock): Promise<Metrics> {
  const { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } = await import('prom-client')
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  const start = clock.monotonic()
  let sources: MetricSources | undefined

  const base = (name: MetricName) => {
    const { help, labels = [] }: MetricSpec = METRICS[name]
    return { name, help, labelNames: [...labels], registers: [registry] }
  }
  const histogram = (name: MetricName) => {
    const { buckets = [] }: MetricSpec = METRICS[name]
    return new Histogram({ ...base(name), buckets: [...buckets] })
  }
  const [verify, verified] = [histogram('posthorn_verify_seconds'), histogram('posthorn_verify_batch_events')]
  const [commit, committed] = [histogram('posthorn_commit_seconds'), histogram('posthorn_commit_batch_events')]
  const query = histogram('posthorn_query_seconds')
  const rows = new Counter(base('posthorn_query_rows_total'))
  const meter = new Meter(clock, {
    verify(ms, events) {
      verify.observe(ms / 1_000)
      verified.observe(events)
    },
    commit(ms, events) {
      commit.observe(ms / 1_000)
      committed.observe(events)
    },
    query(ms, shape, found) {
      query.observe({ shape }, ms / 1_000)
      rows.inc({ shape }, found)
    },
  })

  /** A counter whose value is kept elsewhere. */
  const counter = (name: MetricName, read: () => number | ReadonlyMap<string, number>) => {
    const [label]: readonly string[] = (METRICS[name] as MetricSpec).labels ?? []
    new Counter({
      ...base(name),
      collect() {
        this.reset()
        const value = read()
        if (typeof value === 'number') this.inc(value)
        else for (const [key, count] of value) this.inc({ [label ?? '']: key }, count)
      },
    })
  }
  const gauge = (name: MetricName, read: (from: MetricSources) => number | Promise<number>) => {
    new Gauge({
      ...base(name),
      async collect() {
        if (sources !== undefined) this.set(await read(sources))
      },
    })
  }

  new Gauge({
    ...base('posthorn_build_info'),
    collect() {
      this.reset()
      if (sources === undefined) return
      const { tier, library } = sources.verifier
      const verifier = library === undefined ? tier : `${tier} (${library})`
      this.set({ version: sources.version, verifier, epoch: sources.head().epoch }, 1)
    },
  })
  gauge('posthorn_uptime_seconds', () => (clock.monotonic() - start) / 1_000)
  gauge('posthorn_connections', ({ load }) => load().connections)
  counter('posthorn_connections_opened_total', () => meter.connections)
  counter('posthorn_connections_ended_total', () => meter.ends.values)
  gauge('posthorn_slow_readers', ({ slowReaders }) => slowReaders())
  gauge('posthorn_subscriptions', ({ load }) => load().subscriptions)
  counter('posthorn_frames_received_total', () => meter.framesIn.values)
  counter('posthorn_received_bytes_total', () => meter.bytesIn)
  counter('posthorn_frames_sent_total', () => meter.framesOut)
  counter('posthorn_sent_bytes_total', () => meter.charsOut)
  counter('posthorn_deliveries_total', () => meter.deliveries)
  counter('posthorn_published_total', () => meter.answers.values)
  counter('posthorn_closed_total', () => meter.closed.values)
  counter('posthorn_committed_total', () => meter.committed.values)
  const byPeer = (read: (counts: Readonly<TurnCounts>) => number) => () =>
    new Map([...(sources?.readerTurns()?.counts ?? [])].map(([peer, counts]) => [peer, read(counts)]))
  counter(
    'posthorn_reader_seconds_total',
    byPeer(({ ms }) => ms / 1_000),
  )
  counter(
    'posthorn_reader_turns_total',
    byPeer(({ turns }) => turns),
  )
  counter(
    'posthorn_reader_late_turns_total',
    byPeer(({ late }) => late),
  )
  counter(
    'posthorn_reader_dropped_total',
    byPeer(({ dropped }) => dropped),
  )
  gauge('posthorn_reader_waiting', ({ readerTurns }) => readerTurns()?.waiting ?? 0)
  gauge('posthorn_wills', ({ wills }) => wills())
  gauge('posthorn_log_seq', ({ head }) => head().last)
  gauge('posthorn_log_floor_seq', ({ floor }) => floor())
  new Gauge({
    ...base('posthorn_log_file_bytes'),
    async collect() {
      this.reset()
      for (const [file, bytes] of Object.entries((await sources?.files()) ?? {})) this.set({ file }, bytes)
    },
  })
  new Gauge({
    ...base('posthorn_disk_free_bytes'),
    async collect() {
      const free = await sources?.freeBytes?.().catch(() => undefined)
      if (free !== undefined) this.set(free)
    },
  })
  new Gauge({
    ...base('posthorn_ready'),
    async collect() {
      if (sources === undefined) return
      for (const [check, { ok }] of Object.entries((await sources.readiness()).checks)) this.set({ check }, ok ? 1 : 0)
    },
  })

  /** What is known of scheduled backups; nothing is told where there are none. */
  const backupGauge = (name: MetricName, read: (from: BackupStatus) => number | undefined) => {
    new Gauge({
      ...base(name),
      collect() {
        this.remove()
        const value = sources?.backups && read(sources.backups())
        if (value !== undefined) this.set(value)
      },
    })
  }
  const inSeconds = (ms: number | undefined) => (ms === undefined ? undefined : ms / 1_000)
  backupGauge('posthorn_backup_interval_seconds', ({ everyMs }) => inSeconds(everyMs))
  backupGauge('posthorn_backup_last_success_timestamp_seconds', ({ lastSuccess }) => inSeconds(lastSuccess))
  backupGauge('posthorn_backup_last_duration_seconds', ({ lastMs }) => inSeconds(lastMs))
  backupGauge('posthorn_backup_last_size_bytes', ({ lastBytes }) => lastBytes)
  counter('posthorn_backups_total', () => sources?.backups?.().outcomes ?? new Map())

  return {
    meter,
    connect(from) {
      sources = from
    },
    text: () => registry.metrics(),
    contentType: registry.contentType,
  }
}
