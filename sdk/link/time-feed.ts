import type { Cancel } from '../../platform/timers.ts'
import type { NostrEvent } from '../../protocol/event.ts'
import type { FilterJson } from '../../protocol/filter.ts'
import type { EoseHints } from '../../protocol/hints.ts'
import { WIRE_LIMITS } from '../../protocol/wire-limits.ts'
import { LONGEST_BACKOFF_MS } from './backoff.ts'
import type { DialectOptions } from './feed.ts'
import { type Checked, createFramePump } from './frame-pump.ts'
import type { DialectFeed } from './log-feed.ts'

const PAGE = WIRE_LIMITS.page
/** How far back each connection looks again: gift wraps are dated back by up to two days, clocks differ, and events travel late. Seconds. */
const OVERLAP = 3 * 24 * 3600
const STALLED_MS = 30_000
/** Events held so that they can be recorded oldest first; beyond it order is given up, not events. */
const MAX_HELD = 5_000
/** In place of an epoch and a scope: positions of this dialect are seconds since 1970. */
const NO_EPOCH = '0'.repeat(16)

/**
 * For relays without SEQ: everything since the last time seen less three days, newest page first as such relays answer, then live.
 * The time only moves on verified events and never into the future, so nobody can push it past mail to come. May miss what is
 * back-dated further, or what shares a second with more than a page of others.
 */
export function createTimeFeed(options: DialectOptions): DialectFeed {
  const { link, timers, clock, counters } = options
  const stops = new Set<Cancel>()
  let cancelRetry: Cancel = () => {}
  let seen = new Set<string>()
  let held: NostrEvent[] = []
  let caughtUp = false
  let newest = 0
  /** Which opening this is: one that has ended is not told as live any more. */
  let run = 0

  const nowSeconds = () => Math.floor(clock.now() / 1000)
  const position = () => ({ epoch: NO_EPOCH, seq: newest, scope: '' })

  function open(): void {
    run += 1
    seen = new Set()
    held = []
    caughtUp = false
    newest = options.positions('time')[0]?.seq ?? 0
    const since = Math.max(0, Math.min(newest, nowSeconds()) - OVERLAP)
    openPage({ since }, true)
  }

  /** `live`: the subscription that stays open; the others fetch older pages and end. */
  function openPage(window: Pick<FilterJson, 'since' | 'until'>, live: boolean): void {
    let oldest = Number.POSITIVE_INFINITY
    let fresh = 0
    let returned = 0
    let ended = false
    const cancelStall = timers.after(STALLED_MS, () => link.drop('the relay did not end a page', false), {
      background: true,
    })
    const pump = createFramePump({
      verifier: options.verifier,
      wanted: options.wanted,
      onEvents(events) {
        for (const checked of events) {
          if (!count(checked)) continue
          returned += 1
          // Some relays know no limit; none has need of so many.
          if (!ended && returned > MAX_HELD * 2) link.drop('a page has no end', true)
          oldest = Math.min(oldest, checked.event.created_at)
          if (seen.has(checked.event.id)) continue
          if (!caughtUp) seen.add(checked.event.id)
          fresh += 1
          held.push(checked.event)
        }
        return caughtUp || held.length > MAX_HELD ? flush(caughtUp) : undefined
      },
      onFrame(frame) {
        if (frame.type === 'CLOSED') closed(frame.message)
        if (frame.type !== 'EOSE' || ended) return undefined
        ended = true
        cancelStall()
        if (!live) stop()
        return pageEnded(window, frame.hints, { oldest, fresh, returned })
      },
      onOverflow: () => link.drop('the relay sends faster than events can be verified', false),
      onError: error => link.drop(`events could not be taken: ${String(error)}`, false),
    })
    const filters = options.filters.map(filter => ({ ...filter, ...window, limit: PAGE }))
    const cancel = link.subscribe('REQ', filters, frame => pump.push(frame))
    const stop = () => {
      stops.delete(stop)
      cancelStall()
      pump.stop()
      cancel()
    }
    stops.add(stop)
  }

  function count({ valid }: Checked): boolean {
    if (!valid) {
      counters.invalid += 1
      link.strike()
      return false
    }
    counters.received += 1
    counters.receivedEver += 1
    return true
  }

  function pageEnded(
    window: Pick<FilterJson, 'since' | 'until'>,
    hints: EoseHints,
    page: { readonly oldest: number; readonly fresh: number; readonly returned: number },
  ): void | Promise<void> {
    // Without the hint only an empty page proves the end: some relays cap pages far below our limit.
    if (hints.complete === 'finish' || page.returned === 0 || page.oldest < (window.since ?? 0)) {
      caughtUp = true
      const mine = run
      return flush(true, () => {
        if (run !== mine) return
        seen = new Set()
        options.onLive()
      })
    }
    // Inclusive, because the boundary second may hold events that did not fit; past it once it brings nothing new.
    openPage({ ...window, until: page.fresh > 0 ? page.oldest : page.oldest - 1 }, false)
  }

  function flush(mayAdvance: boolean, done: () => void = () => {}): void | Promise<void> {
    const events = held.sort((a, b) => a.created_at - b.created_at || (a.id < b.id ? -1 : 1))
    held = []
    const now = nowSeconds()
    const before = newest
    if (mayAdvance) for (const event of events) newest = Math.max(newest, Math.min(event.created_at, now))
    const recorded =
      events.length > 0 || newest > before
        ? options.record(
            'time',
            events.map(event => ({ event })),
            newest > before ? position() : undefined,
          )
        : undefined
    const end = () => {
      done()
      options.onChange()
    }
    return recorded === undefined ? end() : recorded.then(end)
  }

  function closed(message: string): void {
    stop()
    options.onError(message)
    cancelRetry = timers.after(LONGEST_BACKOFF_MS, open)
  }

  function stop(): void {
    run += 1
    cancelRetry()
    for (const each of [...stops]) each()
    held = []
  }

  return {
    open,
    refresh() {
      stop()
      open()
    },
    stop,
  }
}
