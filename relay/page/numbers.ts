import { pair, part } from './dom.ts'

/** What `GET /stats` tells (docs/protocol.md). */
export interface Stats {
  readonly connections: number
  readonly subscriptions: number
  readonly head: { readonly epoch: string; readonly last: number }
  readonly uptimeS: number
  readonly log: {
    /** Length of one sample. */
    readonly everyS: number
    /** Entries in each, oldest first. */
    readonly samples: readonly number[]
  }
}

const WIDTH = 600
const HEIGHT = 80

export function showNumbers({ connections, subscriptions, head, uptimeS, log }: Stats): void {
  const { samples, everyS } = log
  const latest = (samples.at(-1) ?? 0) / everyS
  part('numbers').replaceChildren(
    pair('connections', count(connections)),
    pair('subscriptions', count(subscriptions)),
    pair('log position', count(head.last)),
    pair('log entries a second', latest < 10 ? latest.toFixed(1) : count(latest)),
    pair('up for', duration(uptimeS)),
  )
  const most = Math.max(0, ...samples)
  const step = WIDTH / Math.max(1, samples.length - 1)
  part('plot-line').setAttribute(
    'points',
    samples
      .map(
        (sample, n) =>
          `${(n * step).toFixed(1)},${(HEIGHT - 2 - (sample / Math.max(1, most)) * (HEIGHT - 6)).toFixed(1)}`,
      )
      .join(' '),
  )
  const minutes = Math.max(1, Math.round((samples.length * everyS) / 60))
  part('plot-caption').textContent =
    `Log entries in the last ${minutes} min; at most ${(most / everyS).toFixed(1)} a second`
}

const count = (value: number): string => Math.round(value).toLocaleString('en')

function duration(seconds: number): string {
  if (seconds >= 86_400) return `${Math.floor(seconds / 86_400)} d`
  if (seconds >= 3_600) return `${Math.floor(seconds / 3_600)} h`
  return seconds >= 60 ? `${Math.floor(seconds / 60)} min` : `${Math.floor(seconds)} s`
}
