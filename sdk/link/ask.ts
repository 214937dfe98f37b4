import type { Timers } from '../../platform/timers.ts'
import type { Verifier } from '../../platform/verifier.ts'
import type { NostrEvent } from '../../protocol/event.ts'
import { type FilterJson, parseFilter } from '../../protocol/filter.ts'
import { WIRE_LIMITS } from '../../protocol/wire-limits.ts'
import { createFramePump } from './frame-pump.ts'
import type { Link } from './link.ts'

export interface AskOptions {
  readonly verifier: Verifier
  readonly timers: Timers
  readonly timeoutMs: number
  /** More events than this are not taken. */
  readonly max: number
}

export interface Answer {
  /** Verified, and asked for. */
  readonly events: readonly NostrEvent[]
  readonly invalid: number
  /** The relay said that this is all. False: it refused, was lost, or took too long. */
  readonly complete: boolean
}

/** One question to a relay, up to its EOSE. Never rejects. */
export function askLink(link: Link, filter: FilterJson, options: AskOptions): Promise<Answer> {
  const { verifier, timers, timeoutMs, max } = options
  // What is of another time is no forgery.
  const { since: _since, until: _until, ...wanted } = filter
  const parsed = parseFilter(wanted, WIRE_LIMITS)
  return new Promise(resolve => {
    const events: NostrEvent[] = []
    let invalid = 0
    const end = (complete: boolean) => {
      cancelTimeout()
      pump.stop()
      stop()
      resolve({ events, invalid, complete })
    }
    const pump = createFramePump({
      verifier,
      wanted: parsed.ok ? [parsed.value] : undefined,
      onEvents(checked) {
        for (const { event, valid } of checked) {
          if (valid) events.push(event)
          else {
            invalid += 1
            link.strike(event.id, pump)
          }
        }
        if (events.length + invalid > max) end(false)
      },
      onFrame(frame) {
        if (frame.type === 'EOSE') end(true)
        else if (frame.type === 'CLOSED') end(false)
      },
      onOverflow: () => end(false),
      onError: () => end(false),
    })
    const cancelTimeout = timers.after(timeoutMs, () => end(false), { background: true })
    const stop = link.subscribe('REQ', [filter], frame => pump.push(frame))
  })
}
