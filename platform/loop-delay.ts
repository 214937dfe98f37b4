import { monitorEventLoopDelay } from 'node:perf_hooks'

/** How late the event loop is, in ms: what every timer and socket waits on top. */
export interface LoopDelay {
  /** 99th percentile and longest since the last call, in ms; the next call starts anew. */
  read(): { readonly p99Ms: number; readonly maxMs: number }
  close(): void
}

/** Sampled by the host every 20 ms; costs nothing that could be measured. */
export function watchLoopDelay(): LoopDelay {
  const histogram = monitorEventLoopDelay({ resolution: 20 })
  histogram.enable()
  // The sampling interval itself is part of what the host measures.
  const late = (nanoseconds: number) => Math.max(0, nanoseconds / 1e6 - 20)
  return {
    read() {
      if (histogram.count === 0) return { p99Ms: 0, maxMs: 0 }
      const reading = { p99Ms: late(histogram.percentile(99)), maxMs: late(histogram.max) }
      histogram.reset()
      return reading
    },
    close: () => histogram.disable(),
  }
}
