/** Durations in ms, all of them kept: percentiles are exact, not estimated. */
export function createSamples() {
  let values = new Float64Array(1024)
  let count = 0
  return {
    get count() {
      return count
    },
    add(ms) {
      if (count === values.length) {
        const larger = new Float64Array(count * 2)
        larger.set(values)
        values = larger
      }
      values[count++] = ms
    },
    /** p50, p90, p99 and max in ms; undefined without samples. */
    summary() {
      if (count === 0) return undefined
      const sorted = values.slice(0, count).sort()
      const at = share => round(sorted[Math.min(count - 1, Math.ceil(share * count) - 1)])
      return { p50: at(0.5), p90: at(0.9), p99: at(0.99), max: at(1) }
    },
  }
}

const round = ms => Math.round(ms * 1000) / 1000
