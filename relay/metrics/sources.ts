import { freeBytes } from '../../platform/disk.ts'
import type { Verifier } from '../../platform/verifier.ts'
import type { Limits } from '../../protocol/limits.ts'
import type { BackupStatus } from '../backups.ts'
import type { RelayCore } from '../core.ts'
import type { Readiness } from '../health.ts'
import { logFileSizes } from '../log/sqlite/files.ts'
import type { Store } from '../log/store.ts'
import { statusOf } from '../parts.ts'
import type { Metrics } from './prometheus.ts'

export interface MeteredRelay {
  readonly core: RelayCore
  readonly store: Store
  readonly limits: Limits
  /** Folder of the log; undefined for one in memory. */
  readonly data: string | undefined
  readonly readiness: () => Promise<Readiness>
  readonly version: string
  readonly verifier: Verifier
  readonly backups: (() => BackupStatus) | undefined
}

/** Lets metrics read what a running relay is, beside what it has done. */
export function connectMetrics(metrics: Metrics, relay: MeteredRelay): void {
  const { core, store, limits, data } = relay
  metrics.connect({
    version: relay.version,
    verifier: statusOf(relay.verifier),
    load: () => ({ connections: core.connections, subscriptions: core.subscriptions }),
    slowReaders() {
      let slow = 0
      for (const { unsentBytes } of metrics.meter.sockets) if (unsentBytes > limits.outboundHighBytes) slow += 1
      return slow
    },
    head: () => core.head,
    async floor() {
      const { last } = core.head
      const request = { filters: [{}], after: last, limit: 1, gone: false, keys: [], now: core.http.source.now() }
      return (await store.readLog(request)).floor
    },
    wills: () => core.wills,
    readerTurns: () => store.readerTurns,
    files: async () => (data === undefined ? {} : logFileSizes(data)),
    freeBytes: data === undefined ? undefined : () => freeBytes(data),
    readiness: relay.readiness,
    backups: relay.backups,
  })
}
