import type { Cancel } from '../../platform/timers.ts'
import type { Cursor } from '../../protocol/cursor.ts'
import type { EoseHints } from '../../protocol/hints.ts'
import { commonOfCursorUnknown, parseReason } from '../../protocol/reasons.ts'
import { WIRE_LIMITS } from '../../protocol/wire-limits.ts'
import { backoffMs, LONGEST_BACKOFF_MS } from './backoff.ts'
import type { DialectOptions } from './feed.ts'
import { openPage as openLogPage, type Page, within } from './log-page.ts'
import { createRepeats } from './repeats.ts'

/** In place of a scope: a position that somebody else told, good under any. What it passes over must be noticed in another way. */
export const ANY_SCOPE = '*'

const PAGE = WIRE_LIMITS.page
/** The first page of a connection is small: positions count only once its EOSE has told the scope, and bad links die young. */
const FIRST_PAGE = 100
/** Copies beside the first: an operator may take an event away and let it be published again. */
const TOLERATED_REPEATS = 1
/** After so many pages a relay is asked how much more there is. */
const COUNTED_PAGE = 2

export interface DialectFeed {
  open(): void
  /** Asks again on the same connection. */
  refresh(): void
  stop(): void
}

/** The relay speaks SEQ or not: this refusal is about us, and may pass. */
const WAIT_PREFIXES: ReadonlySet<string> = new Set(['auth-required', 'restricted', 'rate-limited', 'blocked'])

/** One attempt at subscribing from a position. */
interface Attempt {
  /** Undefined: from the start. */
  readonly from: (Cursor & { readonly scope?: string }) | undefined
  /** Positions to fall back on when the relay does not know `from`. */
  readonly older: readonly (Cursor & { readonly scope?: string })[]
  /** The relay refused a position before this one: what it acknowledged above is lost. */
  readonly afterRefusal: boolean
}

/** A page that was read to its end. */
interface PageEnd {
  readonly attempt: Attempt
  readonly assumedScope: string
  /** Everything up to here is recorded. */
  readonly at: Cursor
  readonly hints: EoseHints
}

/** Log order (docs/protocol.md, "SEQ"): page by page from the last recorded position, then live, position and mail moving together. */
export function createLogFeed(options: DialectOptions): DialectFeed {
  const { link, timers, random, counters } = options
  let stopCurrent: Cancel = () => {}
  let cancelRetry: Cancel = () => {}
  /** Access scope of this connection; unknown before the first EOSE, and until then no position is recorded. */
  let scope: string | undefined
  let spoken = false
  let refusals = 0
  /** Since the feed was opened or refreshed. */
  let pages = 0
  let isCatchingUp = true
  /** The page behind the current one, asked for early. */
  let ahead: Page | undefined
  let stopCounting: Cancel = () => {}
  /** A log has an event once; what is read again from an earlier position begins a new count. */
  let repeats = createRepeats(TOLERATED_REPEATS)

  function begin(): void {
    pages = 0
    isCatchingUp = true
  }

  function resume(inScope?: string): void {
    repeats = createRepeats(TOLERATED_REPEATS)
    const positions = options.positions('log')
    const wanted = inScope ?? positions[0]?.scope
    const [from, ...older] = positions.filter(({ scope }) => scope === wanted || scope === ANY_SCOPE)
    subscribe({ from, older, afterRefusal: false }, wanted ?? '')
  }

  /** How much is left, for those who watch: asked once there is enough of it to be watched. */
  function countRest(epoch: string, since: number): void {
    pages += 1
    if (pages !== COUNTED_PAGE) return
    const had = counters.received
    stopCounting()
    stopCounting = link.subscribe('COUNT', within(options.filters, { since_seq: since, epoch }), frame => {
      if (frame.type !== 'COUNT' || !isCatchingUp) return
      counters.expected = had + frame.count
      options.onChange()
    })
  }

  function retryIn(ms: number, error: string): void {
    options.onError(error)
    cancelRetry()
    cancelRetry = timers.after(ms, () => resume(scope))
  }

  function subscribe(attempt: Attempt, assumedScope: string): void {
    stopCurrent()
    turnTo(openPage(attempt, assumedScope))
  }

  function turnTo(page: Page): void {
    stopCurrent = () => {
      page.end()
      ahead?.end()
      ahead = undefined
    }
    page.release()
  }

  /** Behind a page that is recorded. */
  function goOn(from: Cursor, assumedScope: string): void {
    const next = ahead
    ahead = undefined
    stopCurrent()
    if (next?.from?.seq === from.seq && next.from.epoch === from.epoch) turnTo(next)
    else {
      next?.end()
      subscribe({ from, older: [], afterRefusal: false }, assumedScope)
    }
  }

  function openPage(attempt: Attempt, assumedScope: string): Page {
    const page = openLogPage({
      ...options,
      from: attempt.from,
      limit: scope === undefined ? FIRST_PAGE : PAGE,
      repeats,
      scope: () => scope,
      onBegin(told) {
        spoken = true
        if (attempt.afterRefusal) options.onLost()
        options.onEpoch(told)
      },
      onEnding: lookAhead,
      onEnd: (at, hints) => pageEnded(page, { attempt, assumedScope, at, hints }),
      onClosed: message => pageClosed(attempt, assumedScope, message),
      onDrained: () => resume(scope),
    })
    return page

    /** The relay makes the next page ready, and signatures are checked, while this one is recorded. */
    function lookAhead({ seq, epoch, complete, scope: told }: EoseHints): void {
      if (ahead || scope === undefined || complete !== 'more') return
      if (seq === undefined || epoch === undefined || seq <= (attempt.from?.seq ?? 0) || told !== scope) return
      ahead = openPage({ from: { epoch, seq }, older: [], afterRefusal: false }, scope)
    }
  }

  function pageEnded(page: Page, { attempt, assumedScope, at, hints }: PageEnd): void {
    const { from } = attempt
    const since = from?.seq ?? 0
    const told = hints.scope ?? ''
    if (since > 0 && told !== (scope ?? assumedScope) && from?.scope !== ANY_SCOPE) {
      // Seen with other eyes than the position was: what those could not see must be asked for again.
      if (scope !== undefined) link.strike()
      scope = told
      resume(told)
      return
    }
    // Pruned before we came for it, if there was something.
    if (since > 0 && hints.floor !== undefined && since < hints.floor - 1) counters.gaps += 1
    scope = told
    refusals = 0
    options.record('log', [], { ...at, scope })
    if (hints.complete !== 'more') {
      page.live()
      isCatchingUp = false
      options.onLive()
    } else if (at.seq > since) {
      countRest(at.epoch, at.seq)
      goOn(at, told)
    } else link.drop(`a page from ${since} made no progress`, true)
  }

  function pageClosed(attempt: Attempt, assumedScope: string, message: string): void {
    const { prefix } = parseReason(message)
    const common = commonOfCursorUnknown(message)
    if (common !== undefined && attempt.from) fallBack(attempt.from, common, attempt.older, assumedScope)
    else if (prefix === 'error') {
      refusals += 1
      retryIn(refusals === 1 ? 250 : backoffMs(refusals - 1, random), message)
    } else if (spoken || (prefix !== undefined && WAIT_PREFIXES.has(prefix))) retryIn(LONGEST_BACKOFF_MS, message)
    else options.onUnsupported()
  }

  /** The relay does not know the position. */
  function fallBack(from: Cursor, common: number, known: Attempt['older'], assumedScope: string): void {
    // 0 < common < seq: the same run, up to where both histories agree. Otherwise an older run, at last the start.
    if (common > 0 && common < from.seq) {
      const agreed = { epoch: from.epoch, seq: common }
      subscribe({ from: agreed, older: known, afterRefusal: true }, assumedScope)
      return
    }
    const [next, ...older] = known.filter(position => position.epoch !== from.epoch)
    subscribe({ from: next, older, afterRefusal: true }, assumedScope)
  }

  return {
    open() {
      scope = undefined
      spoken = false
      refusals = 0
      begin()
      resume()
    },
    refresh() {
      cancelRetry()
      begin()
      resume(scope)
    },
    stop() {
      cancelRetry()
      stopCounting()
      stopCurrent()
      stopCurrent = () => {}
    },
  }
}
