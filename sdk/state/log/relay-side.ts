import type { Random } from '../../../platform/random.ts'
import type { Cancel, Timers } from '../../../platform/timers.ts'
import type { Cursor } from '../../../protocol/cursor.ts'
import { type NostrEvent, tagValue } from '../../../protocol/event.ts'
import { STATE_DELTA, STATE_SNAPSHOT } from '../../../protocol/kinds.ts'
import { isMisdated, isOutdated, parseReason } from '../../../protocol/reasons.ts'
import { createAcknowledged } from '../../link/acknowledged.ts'
import { backoffMs } from '../../link/backoff.ts'
import type { Dialect, Received, ScopedCursor } from '../../link/feed.ts'
import type { Line } from '../../link/line.ts'
import { ANY_SCOPE } from '../../link/log-feed.ts'
import { createSharedFeeds, type SharedFeed } from '../../link/shared-feeds.ts'
import type { Table } from '../../tables.ts'
import type { AckedRuns } from './acked-runs.ts'
import { hashOf } from './snapshot-text.ts'

const ASK_MS = 10_000
/** Snapshots and pieces taken from one answer. */
const MAX_SNAPSHOTS = 2_000
const WINDOW = 32
/** What a relay refuses for good is offered again all the same, ever more rarely: clocks and policies change. */
const AGAIN_MS = 60_000
const LONGEST_AGAIN_MS = 3_600_000
const KEPT_POSITIONS = 8
/** Events that one removal names. */
const MAX_REMOVED = 100

export interface CursorRow {
  readonly positions: readonly ScopedCursor[]
}

/** A retained event, and whose acknowledgement it is. */
export interface Offer {
  readonly event: NostrEvent
  /** The relay has it, or will never take it. `keep` runs in the transaction that notes it. */
  done(accepted: boolean, keep?: () => void): void
}

export interface RelaySideOptions {
  readonly o: string
  /** 64 hex. */
  readonly self: string
  readonly line: Line
  readonly timers: Timers
  readonly random: Random
  readonly cursors: Table<CursorRow>
  authors(): ReadonlySet<string>
  /** Where snapshots say that nothing below is missing. */
  low(): Cursor | undefined
  /** Takes a batch in one transaction, with `keep`. */
  take(events: readonly NostrEvent[], line: Line, keep: () => void): Promise<void>
  /** Own events that this relay lacks, in the order in which they should come. */
  offers(refused: ReadonlySet<string>): readonly Offer[]
  /** An own event is not taken, because the key has written to its address from elsewhere. */
  onOutdated(): void
  /** Own events above this date were made by a clock that was ahead, seconds since 1970. */
  horizon(): number
  /** Takes own events back. */
  remove(events: readonly NostrEvent[]): Promise<NostrEvent>
  /** Where own events were acknowledged. */
  readonly acked: AckedRuns
  /** The relay's log went back. */
  onLost(): void
  onChange(): void
}

/** One log at one relay: read snapshots, then the tail in log order, then offer what it lacks. */
export interface RelaySide {
  readonly url: string
  /** Everything it had was taken, at least once. */
  readonly caughtUp: boolean
  readonly isOpen: boolean
  /** It tells now what comes. */
  readonly isLive: boolean
  /** Where reading it stands, for `low` of a snapshot. */
  position(): Cursor | undefined
  readonly error: string | undefined
  /** Nothing is on its way to it that it may still take. */
  readonly isIdle: boolean
  offer(): void
  /** Asks for everything of these authors, once more. */
  repair(authors: readonly string[]): Promise<void>
  stop(): void
}

/** Pieces, what they are pieces of, then deltas. */
const piecesFirst = (events: readonly NostrEvent[]): NostrEvent[] => {
  const rank = (event: NostrEvent) => (event.kind === STATE_DELTA ? 2 : tagValue(event, 'i') === undefined ? 1 : 0)
  return [...events].sort((a, b) => rank(a) - rank(b) || a.created_at - b.created_at)
}

export function createRelaySide(options: RelaySideOptions): RelaySide {
  const { o, line, timers, random, cursors } = options
  const refused = new Set<string>()
  const inFlight = new Set<string>()
  let feed: SharedFeed | undefined
  let failures = 0
  let error: string | undefined
  let pausedBy: Cancel | undefined
  let again: Cancel | undefined
  let refusals = 0
  let isClearing = false
  let stopped = false

  const filterOf = (kinds: readonly number[], authors: Iterable<string>) => ({
    kinds: [...kinds],
    authors: [...authors],
    '#o': [o],
  })
  const cursorKey = (dialect: Dialect) =>
    `${line.url} ${dialect} ${hashOf([...options.authors()].sort().join()).slice(0, 16)}`

  /** Snapshots first: they say from where on the tail is needed. */
  async function readSnapshots(): Promise<boolean> {
    const { events, complete } = await line.ask(filterOf([STATE_SNAPSHOT], options.authors()), MAX_SNAPSHOTS, ASK_MS)
    if (stopped) return complete
    try {
      await options.take(piecesFirst(events), line, () => {})
      return complete
    } catch (reason) {
      fail(reason)
      return false
    }
  }

  function follow(): void {
    if (feed || stopped || options.authors().size === 0) return
    feed = line.feeds(createSharedFeeds).add(filterOf([STATE_DELTA, STATE_SNAPSHOT], options.authors()), {
      begin: readSnapshots,
      positions,
      record,
      onLost: options.onLost,
      onChange: changed,
    })
  }

  function positions(dialect: Dialect): readonly ScopedCursor[] {
    const own = cursors.get(cursorKey(dialect))?.positions ?? []
    const low = dialect === 'log' ? options.low() : undefined
    const [first] = own
    if (!low || (first && (first.epoch > low.epoch || (first.epoch === low.epoch && first.seq >= low.seq)))) return own
    return [{ ...low, scope: ANY_SCOPE }, ...own]
  }

  function record(dialect: Dialect, received: readonly Received[], position: ScopedCursor | undefined) {
    const keep = () => {
      if (!position) return
      const key = cursorKey(dialect)
      const others = (cursors.get(key)?.positions ?? []).filter(
        each => each.epoch !== position.epoch || each.scope !== position.scope,
      )
      cursors.set(key, { positions: [position, ...others].slice(0, KEPT_POSITIONS) })
    }
    const events = received.map(({ event }) => event)
    return options.take(events, line, keep).catch((reason: unknown) => {
      // It is read again on the next connection; until then what was read before is not all there is.
      isLacking = true
      fail(reason)
      throw reason
    })
  }

  function fail(reason: unknown): void {
    caughtUp = false
    error = `what it has cannot be kept: ${reason instanceof Error ? reason.message : String(reason)}`
    options.onChange()
  }

  // A position shows what a relay lost only as far as it was read: not what was written and not read back.
  const acknowledged = createAcknowledged({
    link: line,
    store: options.acked,
    timers,
    filter: filterOf([STATE_DELTA, STATE_SNAPSHOT], [options.self]),
    onLost: offer,
  })

  let caughtUp = false
  /** Something that came on this connection could not be kept. */
  let isLacking = false
  function changed(): void {
    if (stopped) return
    if (feed?.state === 'live' && !isLacking) {
      if (!caughtUp) error = undefined
      caughtUp = true
    }
    if (feed?.epoch !== undefined) acknowledged.check(feed.epoch)
    offer()
    options.onChange()
  }

  function offer(): void {
    // Read first: what is there of the own key has to be known before it is replaced.
    if (stopped || feed?.state !== 'live' || pausedBy) return
    for (const { event, done } of options.offers(refused)) {
      if (inFlight.size >= WINDOW) return
      if (!inFlight.has(event.id)) void publish(event, done)
    }
  }

  async function publish(event: NostrEvent, done: Offer['done']): Promise<void> {
    inFlight.add(event.id)
    const outcome = await line.publish(event)
    const { accepted, message } = outcome
    const seq = 'seq' in outcome ? outcome.seq : undefined
    const epoch = feed?.epoch
    inFlight.delete(event.id)
    if (stopped) return
    const { prefix } = parseReason(message)
    if (accepted || prefix === 'duplicate') {
      error = undefined
      failures = 0
      refusals = 0
      done(true, seq === undefined ? undefined : () => options.acked.note(line.url, seq, epoch))
    } else if (accepted === false && prefix !== 'rate-limited' && prefix !== 'auth-required' && prefix !== 'error') {
      // Outdated: this key has written there from elsewhere, which is about to be read.
      if (isOutdated(message)) {
        feed?.refresh()
        options.onOutdated()
        void clear(event.pubkey).catch(() => {})
      } else error = message
      // The clock may be right at any moment.
      if (isMisdated(message)) refusals = 0
      refused.add(event.id)
      done(false)
      planAgain()
    } else if (line.isOpen) {
      error = message
      failures += 1
      pausedBy?.()
      pausedBy = timers.after(backoffMs(failures, random), () => {
        pausedBy = undefined
        offer()
      })
    }
    offer()
    options.onChange()
  }

  /** What is dated far ahead holds its address against all that follows. What it says is in what follows. */
  async function clear(self: string): Promise<void> {
    if (isClearing) return
    isClearing = true
    try {
      const filter = { ...filterOf([STATE_DELTA, STATE_SNAPSHOT], [self]), since: options.horizon() }
      const { events } = await line.ask(filter, MAX_SNAPSHOTS, ASK_MS)
      for (let at = 0; at < events.length && !stopped; at += MAX_REMOVED)
        await line.publish(await options.remove(events.slice(at, at + MAX_REMOVED)))
      if (events.length > 0) refused.clear()
    } finally {
      isClearing = false
    }
    offer()
  }

  function planAgain(): void {
    if (again) return
    const ms = Math.min(LONGEST_AGAIN_MS, AGAIN_MS * 2 ** refusals)
    refusals += 1
    const run = () => {
      again = undefined
      refused.clear()
      offer()
      options.onChange()
    }
    again = timers.after(ms, run, { background: true })
  }

  const unfollow = line.follow({
    onOpen() {
      failures = 0
      isLacking = false
      pausedBy?.()
      pausedBy = undefined
      follow()
    },
    onDown() {
      acknowledged.stop()
      options.onChange()
    },
  })

  return {
    url: line.url,
    get caughtUp() {
      return caughtUp
    },
    get isOpen() {
      return line.isOpen
    },
    get isLive() {
      return feed?.state === 'live'
    },
    position() {
      const [position] = cursors.get(cursorKey('log'))?.positions ?? []
      return feed?.state === 'live' && !feed.mayMiss && position
        ? { epoch: position.epoch, seq: position.seq }
        : undefined
    },
    get error() {
      return error ?? feed?.error
    },
    get isIdle() {
      return inFlight.size === 0 && (!line.isOpen || pausedBy !== undefined || options.offers(refused).length === 0)
    },
    offer,
    async repair(authors) {
      if (!line.isOpen || stopped) return
      const answers = await Promise.all(
        authors.map(author => line.ask(filterOf([STATE_SNAPSHOT, STATE_DELTA], [author]), MAX_SNAPSHOTS, ASK_MS)),
      )
      if (!stopped) await options.take(piecesFirst(answers.flatMap(({ events }) => events)), line, () => {})
    },
    stop() {
      stopped = true
      acknowledged.stop()
      pausedBy?.()
      again?.()
      unfollow()
      feed?.stop()
    },
  }
}
