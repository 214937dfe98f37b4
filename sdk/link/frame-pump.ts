import type { Verifier } from '../../platform/verifier.ts'
import { createWorkLoop } from '../../platform/work-loop.ts'
import type { NostrEvent } from '../../protocol/event.ts'
import { type Filter, matchFilters } from '../../protocol/filter.ts'
import type { SubscriptionFrame } from './questions.ts'

type EventFrame = Extract<SubscriptionFrame, { readonly type: 'EVENT' }>
export type OtherFrame = Exclude<SubscriptionFrame, EventFrame>

/** An event after its verification; `valid` also means that it was asked for. */
export interface Checked {
  readonly event: NostrEvent
  readonly seq: number | undefined
  readonly valid: boolean
}

export interface PumpOptions {
  readonly verifier: Verifier
  /** What was asked for: a relay that sends other things is not believed either. Undefined: the relay's matching counts. */
  readonly wanted: readonly Filter[] | undefined
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

const BATCH = 64
/** Rough cost of what waits: content plus a constant per event. */
const MAX_WAITING = 16 * 1024 * 1024
const FRAME_COST = 1_024

/** Hands the frames of one subscription on in arrival order, events verified in batches, and holds a bounded amount meanwhile. */
export function createFramePump(options: PumpOptions): FramePump {
  let waiting: SubscriptionFrame[] = []
  let cost = 0
  let stopped = false
  let overflowed = false

  const costOf = (frame: SubscriptionFrame) => FRAME_COST + (frame.type === 'EVENT' ? frame.event.content.length : 0)

  function take(): SubscriptionFrame[] {
    let count = 0
    while (count < BATCH && waiting[count]?.type === 'EVENT') count += 1
    const taken = waiting.slice(0, Math.max(count, 1))
    waiting = waiting.slice(taken.length)
    for (const frame of taken) cost -= costOf(frame)
    return taken
  }

  async function step(): Promise<boolean> {
    if (stopped) return false
    const frames = take()
    const events = frames.filter(frame => frame.type === 'EVENT')
    const [first] = frames
    if (first !== undefined && first.type !== 'EVENT') await options.onFrame(first)
    else if (events.length > 0) await check(events)
    if (stopped) return false
    if (waiting.length > 0) return true
    if (overflowed) options.onDrained?.()
    return false
  }

  async function check(events: readonly EventFrame[]): Promise<void> {
    const verdicts = await options.verifier.verify(events.map(({ event }) => event))
    if (stopped) return
    await options.onEvents(
      events.map(({ event, seq }, index) => ({
        event,
        seq,
        valid: verdicts[index] === true && (options.wanted === undefined || matchFilters(options.wanted, event)),
      })),
    )
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
    },
  }
}
