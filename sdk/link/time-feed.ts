import { seconds } from '../../platform/clock.ts'
import type { Cancel } from '../../platform/timers.ts'
import type { NostrEvent } from '../../protocol/event.ts'
import type { FilterJson } from '../../protocol/filter.ts'
import { GIFT_WRAP } from '../../protocol/kinds.ts'
import { WIRE_LIMITS } from '../../protocol/wire-limits.ts'
import { RelayRefusedError } from '../errors.ts'
import { LONGEST_BACKOFF_MS } from './backoff.ts'
import type { DialectOptions } from './feed.ts'
import { createFramePump } from './frame-pump.ts'
import type { DialectFeed } from './log-feed.ts'
import { countOn, lackingOn } from './plain-extras.ts'
import { readPlain } from './plain-pages.ts'
import { type Doubt, FOREVER, JUST_NOW, PARTIAL_SCOPE, type PlainPage, type PlainSource } from './plain-reading.ts'

const PAGE = WIRE_LIMITS.page
/** How far back each connection looks again: gift wraps are dated back by up to two days, clocks differ, and events travel late. Seconds. */
const OVERLAP = 3 * 24 * 3600
const STALLED_MS = 30_000
/** Events held so that they can be recorded oldest first; beyond it order is given up, not events. */
const MAX_HELD = 5_000
/** A page of several filters with fewer events is compared with a larger one of anything. */
const FEW = 100
/** A relay that hangs up so often on questions that it does not know is not asked them again. */
const MAX_HANG_UPS = 2
/** In place of an epoch and a scope: positions of this dialect are seconds since 1970. */
const NO_EPOCH = '0'.repeat(16)

/**
 * For relays without SEQ: everything since the last time seen less three days, then live. The time only moves on verified events and
 * never into the future, so nobody can push it past mail to come; nor past what the relay may have kept back. May miss what is back-dated
 * further.
 */
export function createTimeFeed(options: DialectOptions): DialectFeed {
  const { link, timers, clock, counters } = options
  const stops = new Set<Cancel>()
  let cancelRetry: Cancel = () => {}
  let seen = new Set<string>()
  let held: NostrEvent[] = []
  let caughtUp = false
  let newest = 0
  let scope = ''
  /** What may be lacking is not before this. */
  let doubtful = Number.POSITIVE_INFINITY
  /** Events on the subscription that stays open: that came, and of which the signature was looked at. */
  let came = 0
  let read = 0
  let onRead = () => {}
  /** Old events came after it had said that it had given all. */
  let isEarly = false
  /** Connections that ended, one after the other, while a question was asked that relays need not know. */
  let hangUps = 0
  /** Questions of these to which nothing useful came. */
  const unknown = new Set<string>()
  /** Which opening this is: one that has ended is not told as live any more. */
  let run = 0

  const nowSeconds = () => seconds(clock)

  function open(): void {
    run += 1
    seen = new Set()
    held = []
    caughtUp = false
    const [before] = options.positions('time')
    newest = before?.seq ?? 0
    scope = before?.scope ?? ''
    doubtful = Number.POSITIVE_INFINITY
    isEarly = false
    came = 0
    read = 0
    void readAll(run, Math.max(0, Math.min(newest, nowSeconds()) - OVERLAP))
  }

  async function readAll(mine: number, since: number): Promise<void> {
    try {
      const filters = options.filters.map(filter => ({ ...filter, since, limit: PAGE }))
      const first = await askPage(filters, { live: true })
      const source = sourceOf(mine)
      const doubt =
        filters.length === 1
          ? await readPlain(filters[0] ?? {}, source, first)
          : await readEach(filters, source, await takeFirst(source, first))
      await liveTaken()
      if (run !== mine) return
      caughtUp = true
      counters.partial = doubt?.reason ?? (isEarly ? 'it says that it gave everything before it did' : undefined)
      doubtful = doubt?.since ?? (isEarly ? newest : Number.POSITIVE_INFINITY)
      await flush(true)
      if (run !== mine) return
      seen = new Set()
      options.onLive()
      options.onChange()
    } catch (error) {
      if (run !== mine) return
      if (error instanceof RelayRefusedError) closed(error.reason)
      else link.drop(`events could not be taken: ${String(error)}`, false)
    }
  }

  async function takeFirst(source: PlainSource, first: PlainPage): Promise<PlainPage> {
    if (first.events.length > 0) await source.take(first.events)
    return first
  }

  /** A page of several filters says nothing of each, unless it is small. */
  async function readEach(
    filters: readonly FilterJson[],
    source: PlainSource,
    first: PlainPage,
  ): Promise<Doubt | undefined> {
    if (first.finished || (await isAll(filters, source, first))) return undefined
    let doubt: Doubt | undefined
    for (const filter of filters) {
      const more = await readPlain(filter, source)
      if (more && !(doubt && doubt.since <= more.since)) doubt = more
    }
    return doubt
  }

  async function isAll(filters: readonly FilterJson[], source: PlainSource, { given }: PlainPage): Promise<boolean> {
    if (given === 0) return (await takeFirst(source, await askPage(filters))).given === 0
    if (given >= FEW) return false
    const { ids } = await source.ask({ until: FOREVER, limit: given + 1 }, true).catch(() => ({ ids: 0 }))
    return ids > given
  }

  function sourceOf(mine: number): PlainSource {
    const isOver = () => run !== mine
    const dare = async <T>(what: string, ask: () => Promise<T>): Promise<T> => {
      if (hangUps >= MAX_HANG_UPS || unknown.has(what)) throw new Error(`it does not know ${what}`)
      hangUps += 1
      try {
        return await ask()
      } catch (error) {
        if (!isOver()) unknown.add(what)
        throw error
      } finally {
        if (!isOver()) hangUps = 0
      }
    }
    return {
      limit: PAGE,
      now: nowSeconds(),
      isOver,
      ask: (filter, anything) => askPage([filter], { anything: anything === true }),
      count: filter => dare('COUNT', () => countOn(link, filter, timers)),
      lacking: (filter, held) =>
        dare('NEG-OPEN', () => lackingOn(link, filter, held, { timers, losing: stops, now: nowSeconds() })),
      take(events) {
        for (const event of events) {
          if (seen.has(event.id)) continue
          seen.add(event.id)
          held.push(event)
        }
        return held.length > MAX_HELD ? flush(false) : undefined
      },
    }
  }

  /** `live`: the subscription that stays open; the others end with their page. Never settles once the feed was stopped. */
  function askPage(filters: readonly FilterJson[], { live = false, anything = false } = {}): Promise<PlainPage> {
    // What is asked to learn how much the relay gives is not counted as mail.
    const wanted = anything ? undefined : options.wanted
    return new Promise((resolve, reject) => {
      const events: NostrEvent[] = []
      const ids = new Set<string>()
      let given = 0
      let ended = false
      const cancelStall = timers.after(STALLED_MS, () => link.drop('the relay did not end a page', false), {
        background: true,
      })
      const pump = createFramePump({
        verifier: options.verifier,
        wanted,
        onEvents(checked) {
          if (live) {
            read += checked.length
            onRead()
          }
          given += checked.length
          // Some relays know no limit; none has need of so many.
          if (!ended && given > MAX_HELD * 2) link.drop('a page has no end', true)
          const good: NostrEvent[] = []
          for (const { event, valid } of checked) {
            if (!ended) ids.add(event.id)
            if (valid) good.push(event)
            else if (link.strike(event.id, pump)) counters.invalid += 1
          }
          counters.received += good.length
          counters.receivedEver += good.length
          if (!ended) events.push(...good)
          else if (live) return takeLive(good)
        },
        onFrame(frame) {
          if (frame.type === 'CLOSED') {
            if (live) closed(frame.message)
            else {
              stop()
              reject(new RelayRefusedError(link.url, frame.message))
            }
          }
          if (frame.type !== 'EOSE' || ended) return
          ended = true
          cancelStall()
          if (!live) stop()
          resolve({ events, given, ids: ids.size, finished: frame.hints.complete === 'finish' })
        },
        onOverflow: () => link.drop('the relay sends faster than events can be verified', false),
        onError: error => link.drop(`events could not be taken: ${String(error)}`, false),
      })
      const cancel = link.subscribe('REQ', filters, frame => {
        if (live && frame.type === 'EVENT') came += 1
        pump.push(frame)
      })
      const stop = () => {
        stops.delete(stop)
        cancelStall()
        pump.stop()
        cancel()
      }
      stops.add(stop)
    })
  }

  /** What has come until now is taken: it may show that the relay ended before it had given everything. */
  async function liveTaken(): Promise<void> {
    const until = came
    while (read < until)
      await new Promise<void>(resolve => {
        onRead = resolve
      })
  }

  function takeLive(events: readonly NostrEvent[]): void | Promise<void> {
    for (const event of events) {
      if (seen.has(event.id)) continue
      if (!caughtUp) {
        seen.add(event.id)
        // Wraps are dated back.
        isEarly ||= event.kind !== GIFT_WRAP && event.created_at < nowSeconds() - JUST_NOW
      }
      held.push(event)
    }
    return caughtUp || held.length > MAX_HELD ? flush(caughtUp) : undefined
  }

  function flush(mayAdvance: boolean): void | Promise<void> {
    const events = held.sort((a, b) => a.created_at - b.created_at || (a.id < b.id ? -1 : 1))
    held = []
    const now = nowSeconds()
    const before = newest
    const scopeBefore = scope
    if (mayAdvance) {
      for (const event of events) newest = Math.max(newest, Math.min(event.created_at, now))
      newest = Math.min(newest, doubtful)
      scope = counters.partial === undefined ? '' : PARTIAL_SCOPE
    }
    const moved = newest !== before || scope !== scopeBefore
    if (events.length === 0 && !moved) return
    const recorded = options.record(
      'time',
      events.map(event => ({ event })),
      moved ? { epoch: NO_EPOCH, seq: newest, scope } : undefined,
    )
    return recorded === undefined ? options.onChange() : recorded.then(options.onChange)
  }

  function closed(message: string): void {
    stop()
    options.onError(message)
    cancelRetry = timers.after(LONGEST_BACKOFF_MS, open)
  }

  function stop(): void {
    run += 1
    counters.partial = undefined
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
