/** Samples of a Prometheus text exposition that `relay top` shows: the sums of counters, and histograms by upper bound. */
export interface Metrics {
  /** By metric name, over all label values. */
  readonly totals: ReadonlyMap<string, number>
  /** By metric name: how many observations were at most so much, ascending. */
  readonly histograms: ReadonlyMap<string, readonly (readonly [bound: number, count: number])[]>
}

const SAMPLE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? ([0-9.eE+-]+|\+Inf|NaN)(?: \d+)?$/
const BOUND = /(?:^|,)le="([^"]+)"/

export function parseMetrics(text: string): Metrics {
  const totals = new Map<string, number>()
  const buckets = new Map<string, Map<number, number>>()
  for (const line of text.split('\n')) {
    const [, name, labels = '', value] = SAMPLE.exec(line) ?? []
    if (name === undefined || !Number.isFinite(Number(value))) continue
    const bound = name.endsWith('_bucket') ? BOUND.exec(labels)?.[1] : undefined
    if (bound === undefined) {
      totals.set(name, (totals.get(name) ?? 0) + Number(value))
      continue
    }
    const metric = name.slice(0, -'_bucket'.length)
    const histogram = buckets.get(metric) ?? new Map<number, number>()
    const at = bound === '+Inf' ? Number.POSITIVE_INFINITY : Number(bound)
    histogram.set(at, (histogram.get(at) ?? 0) + Number(value))
    buckets.set(metric, histogram)
  }
  const ascending = ([name, histogram]: [string, Map<number, number>]) =>
    [name, [...histogram].sort(([a], [b]) => a - b)] as const
  return { totals, histograms: new Map([...buckets].map(ascending)) }
}

/** How much a counter has grown a second; undefined without an earlier look, or if the relay was restarted between. */
export function rateOf(name: string, before: Metrics | undefined, now: Metrics, seconds: number): number | undefined {
  const [then, current] = [before?.totals.get(name), now.totals.get(name)]
  if (then === undefined || current === undefined || current < then || seconds <= 0) return undefined
  return (current - then) / seconds
}

/** The upper bound below which a share of the observations since `before` lies; undefined if there were none. */
export function quantileOf(name: string, share: number, before: Metrics | undefined, now: Metrics): number | undefined {
  const then = new Map(before?.histograms.get(name) ?? [])
  const grown = (now.histograms.get(name) ?? []).map(
    ([bound, count]) => [bound, count - (then.get(bound) ?? 0)] as const,
  )
  const all = grown.at(-1)?.[1] ?? 0
  if (all <= 0) return undefined
  return grown.find(([, count]) => count >= all * share)?.[0]
}
