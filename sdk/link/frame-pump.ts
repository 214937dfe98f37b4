import { nextTurn } from '../../platform/turn.ts'
import type { Verifier } from '../../platform/verifier.ts'
import { createWorkLoop } from '../../platform/work-loop.ts'
import type { NostrEvent } from '../../protocol/event.ts'
import { type Filter, matchFilters } from '../../protocol/filter.ts'
import type { SubscriptionFrame } from './questions.ts'
import { createRepeats, type Repeats } from './repeats.ts'

type EventFrame = Extract<SubscriptionFrame, { readonly type: 'EVENT' }>
export type OtherFrame = Exclude<SubscriptionFrame, EventFrame>

/** An event after its verification; `valid` also means that it was asked for, and is no replay. */
export interface Checked {
  readonly event: NostrEvent
  readonly seq: number | undefined
  readonly valid: boolean
}

export interface PumpOptions {
  readonly verifier: Verifier
  /** What was asked for: a relay that sends other things is not believed either. Undefined: the relay's matching counts. */
  readonly wanted: readonly Filter[] | undefined
  /** Which events are replays. Default: those that come more than four times. */
  readonly repeats?: Repeats | undefined
  /** Nothing more is taken until a promise it returns is settled. */
  onEvents(events: readonly Checked[]): void | Promise<void>
  onFrame(frame: OtherFrame): void | Promise<void>
  /** More is waiting than we are willing to hold; nothing is taken any more. */
  onOverflow(): void
  /** Everything taken before an overflow is handled. */
  onDrained?(): void
  /** The verifier failed, or `onEvents` or `onFrame` threw (a full disk, say). */
  onError(error: unknown): void
}

export interface FramePump {
  push(frame: SubscriptionFrame): void
  /** Forgets what is waiting; no callback follows. */
  stop(): void
}

/** So many are verified together. */
const BATCH = 256
/** So many are recorded together, in a turn of the event loop: a few ms with a database. */
const RECORDED = 64
/** Batches whose signatures are checked at once: while one is recorded, the next ones are on their way through the verifier. */
const WIDTH = 3
/** Rough bytes of what waits: its text, and what an object and an array cost beside it. */
const MAX_WAITING = 16 * 1024 * 1024
const FRAME_COST = 1_024
const TAG_COST = 64
const VALUE_COST = 24
/** A relay without a log may send an event once for each filter, and where stored and live meet. */
const TOLERATED_REPEATS = 3

/** Events that follow each other, and what will be known of them. */
interface Batch {
  readonly events: readonly EventFrame[]
  readonly verdicts: Promise<readonly boolean[]>
}

/** Hands the frames of one subscription on in arrival order, events verified in batches, and holds a bounded amount meanwhile. */
export function createFramePump(options: PumpOptions): FramePump {
  let waiting: SubscriptionFrame[] = []
  let batches: Batch[] = []
  let cost = 0
  let stopped = false
  let overflowed = false

  const { repeats = createRepeats(TOLERATED_REPEATS) } = options

  /** Sends what comes next to the verifier, up to the first frame of another kind. */
  function lookAhead(): void {
    while (batches.length < WIDTH && waiting[0]?.type === 'EVENT') {
      const end = waiting.findIndex(frame => frame.type !== 'EVENT')
      const events = waiting.splice(0, Math.min(end < 0 ? waiting.length : end, BATCH)).filter(isEvent)
      const verdicts = options.verifier.verify(events.map(({ event }) => event))
      // Looked at when its turn comes.
      verdicts.catch(() => {})
      batches.push({ events, verdicts })
    }
  }

  async function step(): Promise<boolean> {
    if (stopped) return false
    lookAhead()
    const batch = batches.shift()
    if (batch) await check(batch)
    else await handOn()
    if (stopped) return false
    if (batches.length > 0 || waiting.length > 0) return true
    if (overflowed) options.onDrained?.()
    return false
  }

  async function handOn(): Promise<void> {
    const frame = waiting.shift()
    if (frame === undefined || frame.type === 'EVENT') return
    cost -= costOf(frame)
    await options.onFrame(frame)
  }

  async function check({ events, verdicts }: Batch): Promise<void> {
    const valid = await verdicts
    if (stopped) return
    lookAhead()
    for (const frame of events) cost -= costOf(frame)
    const checked = events.map(({ event, seq }, index) => ({
      event,
      seq,
      valid:
        valid[index] === true &&
        (options.wanted === undefined || matchFilters(options.wanted, event)) &&
        !repeats(event.id),
    }))
    for (let at = 0; at < checked.length && !stopped; at += RECORDED) {
      await options.onEvents(checked.slice(at, at + RECORDED))
      if (at + RECORDED < checked.length) await nextTurn()
    }
  }

  const loop = createWorkLoop(step, error => {
    if (!stopped) options.onError(error)
  })

  return {
    push(frame) {
      if (stopped || overflowed) return
      waiting.push(frame)
      cost += costOf(frame)
      if (cost > MAX_WAITING) {
        overflowed = true
        options.onOverflow()
      }
      loop.wake()
    },
    stop() {
      stopped = true
      waiting = []
      batches = []
    },
  }
}

const isEvent = (frame: SubscriptionFrame): frame is EventFrame => frame.type === 'EVENT'

function costOf(frame: SubscriptionFrame): number {
  if (frame.type !== 'EVENT') return FRAME_COST + ('message' in frame ? frame.message.length : 0)
  const { content, tags } = frame.event
  let cost = FRAME_COST + content.length
  for (const tag of tags) {
    cost += TAG_COST
    for (const value of tag) cost += VALUE_COST + value.length
  }
  return cost
}
