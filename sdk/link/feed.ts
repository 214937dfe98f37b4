import type { Clock } from '../../platform/clock.ts'
import type { Random } from '../../platform/random.ts'
import type { Timers } from '../../platform/timers.ts'
import type { Verifier } from '../../platform/verifier.ts'
import type { Cursor } from '../../protocol/cursor.ts'
import type { NostrEvent } from '../../protocol/event.ts'
import { type Filter, type FilterJson, parseFilter } from '../../protocol/filter.ts'
import { WIRE_LIMITS } from '../../protocol/wire-limits.ts'
import { loadSeldom } from '../load-seldom.ts'
import type { Link } from './link.ts'
import { createLogFeed, type DialectFeed } from './log-feed.ts'

/** A verified event, and where the relay's log has it. */
export interface Received {
  readonly event: NostrEvent
  readonly seq?: number
}

/** A position and the access scope it was told under (empty if the relay names none). */
export interface ScopedCursor extends Cursor {
  readonly scope: string
}

/** Where a feed's events and positions go. `dialect` keeps log positions and times apart. */
export interface FeedSink {
  /** Most recently told first. */
  positions(dialect: Dialect): readonly ScopedCursor[]
  /** One transaction: once it returns (or its promise resolves), the events are kept and the position covers them. In the order of the calls. */
  record(dialect: Dialect, events: readonly Received[], position: ScopedCursor | undefined): void | Promise<void>
  /** The relay's log went back: whatever it had after the last position that it still knows is lost there. */
  onLost(): void
  /** State, counters or error changed. */
  onChange(): void
}

/** `log`: by sequence number, nothing is missed. `time`: by the authors' clocks, the best a relay without SEQ allows. */
export type Dialect = 'log' | 'time'

export interface FeedOptions extends FeedSink {
  readonly link: Link
  /** Each event is told once, however many of them it matches. */
  readonly filters: readonly FilterJson[]
  readonly clock: Clock
  readonly timers: Timers
  readonly random: Random
  readonly verifier: Verifier
}

export interface FeedCounters {
  /** Valid events since the connection opened, and since the feed was made. */
  received: number
  receivedEver: number
  invalid: number
  gaps: number
  /** How many of `received` there will be when all that was missed is here. Undefined while live, and where nobody told. */
  expected: number | undefined
  /** Of a relay without a log that was caught up with: why it may have more than it gave. */
  partial?: string | undefined
}

/** What one dialect needs from the feed around it. */
export interface DialectOptions extends FeedOptions {
  readonly counters: FeedCounters
  readonly wanted: readonly Filter[]
  /** Everything the relay had is recorded. */
  onLive(): void
  onError(error: string): void
  /** Log dialect only: the epoch of the relay's present run. */
  onEpoch(epoch: string): void
  /** Log dialect only: this relay does not speak it. */
  onUnsupported(): void
}

export interface Progress {
  /** Valid events that will have been received once all that was missed is here; where the relay tells. */
  readonly expected?: number
  /** Valid events a second since it began. */
  readonly perSecond?: number
}

/** A rate is told after so long. */
const RATED_MS = 1_000

/** One standing query at one relay, resumed on every connection from where the last one ended. */
export interface Feed {
  /** To be called when the link opens. */
  open(): void
  /** To be called when the link pauses: ends what is asked, until the next `open`. */
  pause(): void
  /** To be called when the link is lost. */
  down(reason: string): void
  /** Asks for everything since the recorded position once more. */
  refresh(): void
  /** Ends without a word. */
  stop(): void
  readonly state: 'live' | 'catching-up' | 'offline'
  readonly mayMiss: boolean
  readonly counters: Readonly<FeedCounters>
  /** Of a catch-up that is taking a while. */
  readonly progress: Progress
  readonly error: string | undefined
  /** Of the relay's run on this connection, until the next one opens: its last answers are read when it is gone. Undefined until told. */
  readonly epoch: string | undefined
  /** It is known on this connection whether the relay speaks SEQ. */
  readonly dialectKnown: boolean
}

export function wantedBy(filter: FilterJson): Filter {
  const parsed = parseFilter(filter, WIRE_LIMITS)
  if (!parsed.ok) throw new TypeError(`not a filter: ${parsed.error.text}`)
  return parsed.value
}

export function createFeed(options: FeedOptions): Feed {
  const counters: FeedCounters = { received: 0, receivedEver: 0, invalid: 0, gaps: 0, expected: undefined }
  let state: Feed['state'] = 'offline'
  let dialect: Dialect | undefined
  let error: string | undefined
  let epoch: string | undefined
  let mayMiss = false
  /** When this catch-up began, and what had been received by then. */
  let begun = { ms: 0, received: 0 }

  function begin(): void {
    state = 'catching-up'
    counters.expected = undefined
    begun = { ms: options.clock.monotonic(), received: counters.received }
  }

  const shared: DialectOptions = {
    ...options,
    counters,
    wanted: options.filters.map(wantedBy),
    onLive() {
      state = 'live'
      counters.expected = undefined
      error = undefined
      options.link.healthy()
      options.onChange()
    },
    onError(text) {
      state = options.link.isOpen ? 'catching-up' : 'offline'
      error = text
      options.onChange()
    },
    onEpoch(current) {
      epoch = current
      dialect = 'log'
      mayMiss = false
      options.onChange()
    },
    onUnsupported() {
      dialect = 'time'
      mayMiss = true
      log.stop()
      void openTime(run)
      options.onChange()
    },
  }
  const log = createLogFeed(shared)
  let time: DialectFeed | undefined
  /** Which opening this is. */
  let run = 0

  async function openTime(mine: number): Promise<void> {
    try {
      const { createTimeFeed } = await loadSeldom()
      if (run !== mine) return
      time ??= createTimeFeed(shared)
      time.open()
    } catch (error) {
      // The next connection tries again.
      if (run === mine) options.link.drop(`what reads relays without log order is not there: ${String(error)}`, false)
    }
  }

  function stopBoth(): void {
    run += 1
    log.stop()
    time?.stop()
  }

  return {
    open() {
      counters.received = 0
      begin()
      dialect = undefined
      epoch = undefined
      error = undefined
      log.open()
      options.onChange()
    },
    pause() {
      stopBoth()
      state = 'catching-up'
      dialect = undefined
      options.onChange()
    },
    down(reason) {
      stopBoth()
      state = 'offline'
      error = reason
      dialect = undefined
      options.onChange()
    },
    refresh() {
      // Without dialect and error the first answer of this connection is still under way.
      if (!options.link.isOpen || (dialect === undefined && error === undefined)) return
      begin()
      error = undefined
      if (dialect === 'time') time?.refresh()
      else log.refresh()
      options.onChange()
    },
    stop() {
      stopBoth()
      state = 'offline'
    },
    get state() {
      return state
    },
    get progress() {
      const { expected, received } = counters
      const ms = options.clock.monotonic() - begun.ms
      const count = received - begun.received
      if (state !== 'catching-up') return {}
      return {
        ...(expected === undefined ? {} : { expected: Math.max(expected, received) }),
        ...(ms > RATED_MS && count > 0 ? { perSecond: Math.round((count * 1000) / ms) } : {}),
      }
    },
    get mayMiss() {
      return mayMiss
    },
    get error() {
      return error
    },
    get epoch() {
      return epoch
    },
    get dialectKnown() {
      return dialect !== undefined
    },
    counters,
  }
}
