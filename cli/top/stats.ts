import { isCount, isRecord, own } from '../../protocol/json.ts'

/** What `GET /stats` tells (docs/protocol.md). */
export interface Stats {
  readonly connections: number
  readonly subscriptions: number
  readonly head: { readonly epoch: string; readonly last: number }
  readonly uptimeS: number
  /** Log entries a second of late, oldest first. */
  readonly recent: readonly number[]
}

const MAX_SAMPLES = 600

/** Undefined if it has another shape: what answers is no Posthorn relay, or one of another age. */
export function readStats(value: unknown): Stats | undefined {
  if (!isRecord(value)) return undefined
  const [connections, subscriptions, uptimeS] = ['connections', 'subscriptions', 'uptimeS'].map(name =>
    own(value, name),
  )
  const [head, log] = [own(value, 'head'), own(value, 'log')]
  if (!isCount(connections) || !isCount(subscriptions) || !isCount(uptimeS) || !isRecord(head)) return undefined
  const [epoch, last] = [own(head, 'epoch'), own(head, 'last')]
  if (typeof epoch !== 'string' || !/^[0-9a-f]{16}$/.test(epoch) || !isCount(last)) return undefined
  return { connections, subscriptions, uptimeS, head: { epoch, last }, recent: isRecord(log) ? recentOf(log) : [] }
}

function recentOf(log: Record<string, unknown>): readonly number[] {
  const [everyS, samples] = [own(log, 'everyS'), own(log, 'samples')]
  if (!isCount(everyS) || everyS === 0 || !Array.isArray(samples)) return []
  return samples.slice(-MAX_SAMPLES).flatMap(sample => (isCount(sample) ? [sample / everyS] : []))
}
