import type { Writable } from 'node:stream'
import type { Clock } from '../platform/clock.ts'
import { every, type Timers } from '../platform/timers.ts'
import type { Agent } from '../sdk/index.ts'
import { escapeLine } from './text.ts'

/** Nothing is shown before, in ms: what is over sooner needs no word. */
const FIRST_MS = 1_000
/** Between two looks of the line, in ms. */
const AGAIN_MS = 250
/** Columns of a terminal that does not tell, or says 0. */
const WIDTH = 80
/** To the start of the line, and away with what stands there. */
const CLEAR = '\r\u001b[2K'

/** How far something long is, as one line of the terminal that is written over until it is done. */
export interface Progress {
  /** `total`: what `done` will be in the end, where that is known. Another `what` starts the rate anew. */
  at(what: string, done: number, total?: number): void
  /** What has no count, with the seconds since it was first told. */
  busy(what: string): void
  /** Takes the line away; what is said next stands in its place. To be called before anything is said, and at the end in any case. */
  end(): void
}

/** What a command's context has. */
export interface ProgressOptions {
  readonly stderr: Writable & { readonly isTTY?: boolean; readonly columns?: number }
  readonly options: { readonly quiet: boolean }
  readonly clock: Pick<Clock, 'monotonic'>
}

interface Stretch {
  readonly what: string
  readonly since: number
  readonly from: number
}

/** Shows nothing where stderr is no terminal, or under `--quiet`. Draws when it is told something. */
export function startProgress({ stderr, options, clock }: ProgressOptions): Progress {
  if (stderr.isTTY !== true || options.quiet) return { at() {}, busy() {}, end() {} }
  let due = clock.monotonic() + FIRST_MS
  let shown = false
  let stretch: Stretch | undefined
  const draw = (what: string, done: number, text: (ms: number, from: number) => string) => {
    const now = clock.monotonic()
    if (stretch?.what !== what) stretch = { what, since: now, from: done }
    if (now < due) return
    due = now + AGAIN_MS
    const width = Math.max(1, (stderr.columns || WIDTH) - 1)
    stderr.write(CLEAR + escapeLine(text(now - stretch.since, stretch.from), width))
    shown = true
  }
  return {
    at: (what, done, total) =>
      draw(what, done, (ms, from) =>
        progressText(what, done, total, ms > 0 ? Math.round(((done - from) * 1_000) / ms) : 0),
      ),
    busy: what => draw(what, 0, ms => `${what}, ${Math.floor(ms / 1_000)} s`),
    end() {
      if (shown) stderr.write(CLEAR)
      shown = false
    },
  }
}

/** `checking: 3200 of 10000 (32 %), 1600/s` */
function progressText(what: string, done: number, total: number | undefined, perSecond: number): string {
  const share = total === undefined ? '' : ` of ${total} (${Math.floor((100 * done) / Math.max(1, total))} %)`
  return `${what}: ${done}${share}${perSecond > 0 ? `, ${perSecond}/s` : ''}`
}

/** Follows an agent's catch-up until `end`. */
export function followCatchUp(
  agent: Pick<Agent, 'status'>,
  context: ProgressOptions & { readonly timers: Timers },
): Progress {
  const progress = startProgress(context)
  const cancel = every(context.timers, AGAIN_MS, () => {
    const busy = agent.status().relays.filter(({ state, error }) => state === 'catching-up' && error === undefined)
    const received = busy.reduce((sum, relay) => sum + (relay.received ?? 0), 0)
    const expected = busy.reduce<number | undefined>(
      (sum, relay) => (sum === undefined || relay.expected === undefined ? undefined : sum + relay.expected),
      0,
    )
    if (busy.length > 0) progress.at('catching up', received, expected)
  })
  return {
    ...progress,
    end() {
      cancel()
      progress.end()
    },
  }
}
