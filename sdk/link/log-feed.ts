import type { Cancel } from '../../platform/timers.ts'
import type { Cursor } from '../../protocol/cursor.ts'
import type { FilterJson } from '../../protocol/filter.ts'
import type { EoseHints } from '../../protocol/hints.ts'
import { commonOfCursorUnknown, parseReason } from '../../protocol/reasons.ts'
import { WIRE_LIMITS } from '../../protocol/wire-limits.ts'
import { backoffMs, LONGEST_BACKOFF_MS } from './backoff.ts'
import type { DialectOptions, Received } from './feed.ts'
import { type Checked, createFramePump, type OtherFrame } from './frame-pump.ts'

/** In place of a scope: a position that somebody else told, good under any. What it passes over must be noticed in another way. */
export const ANY_SCOPE = '*'

const PAGE = WIRE_LIMITS.page
/** The first page of a connection is small: positions count only once its EOSE has told the scope, and bad links die young. */
const FIRST_PAGE = 100
/** After so many pages a relay is asked how much more there is. */
const COUNTED_PAGE = 2
/** A relay that is silent for so long in the middle of a page is given up. */
const STALLED_MS = 30_000

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

/** A subscription to a page, which comes to pass when it is released. */
interface Page {
  readonly from: Cursor | undefined
  release(): void
  end(): void
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

  /** One cursor and one page for all of them. */
  const each = (where: FilterJson): FilterJson[] => options.filters.map(filter => ({ ...filter, ...where }))

  function begin(): void {
    pages = 0
    isCatchingUp = true
  }

  function resume(inScope?: string): void {
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
    stopCounting = link.subscribe('COUNT', each({ since_seq: since, epoch }), frame => {
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

  /** Asks for a page. Its signatures are checked at once; everything else waits for its release. */
  function openPage(attempt: Attempt, assumedScope: string): Page {
    const since = attempt.from?.seq ?? 0
    let epoch: string | undefined
    /** Highest position believed so far on this subscription. */
    let reached = since
    /** Past EOSE: silence is normal. */
    let live = false
    /** Events of this page so far, and how many were asked for. */
    let paged = 0
    const limit = scope === undefined ? FIRST_PAGE : PAGE
    let cancelStall: Cancel = () => {}
    let isReleased = false
    /** How the relay ended the page, while that is not read yet. */
    let ending: EoseHints | undefined
    let release = () => {}
    const released = new Promise<void>(resolve => {
      release = resolve
    })

    const pump = createFramePump({
      verifier: options.verifier,
      wanted: options.wanted,
      onEvents: events => (isReleased ? take(events) : released.then(() => take(events))),
      onFrame: frame => (isReleased ? read(frame) : released.then(() => read(frame))),
      onOverflow: () => cancel(),
      onDrained: () => resume(scope),
      onError: error => link.drop(`events could not be taken: ${String(error)}`, false),
    })
    const cancel = link.subscribe(
      'REQ',
      each({ since_seq: since, ...(attempt.from && since > 0 ? { epoch: attempt.from.epoch } : {}), limit }),
      frame => {
        if (frame.type === 'EOSE') ending ??= frame.hints
        watchStall()
        pump.push(frame)
        if (isReleased) lookAhead()
      },
    )
    const end = () => {
      cancelStall()
      pump.stop()
      cancel()
    }
    watchStall()

    /** The relay makes the next page ready, and signatures are checked, while this one is recorded. */
    function lookAhead(): void {
      if (ahead || live || scope === undefined || ending?.complete !== 'more') return
      const { seq, epoch: told } = ending
      if (seq === undefined || told === undefined || seq <= since || ending.scope !== scope) return
      ahead = openPage({ from: { epoch: told, seq }, older: [], afterRefusal: false }, scope)
    }

    function watchStall(): void {
      cancelStall()
      if (live || ending) return
      cancelStall = timers.after(STALLED_MS, () => link.drop('the relay stopped in the middle of a page', false), {
        background: true,
      })
    }

    function broken(): void {
      counters.gaps += 1
      link.strike()
    }

    const at = (seq: number) => (scope === undefined || epoch === undefined ? undefined : { epoch, seq, scope })

    async function take(events: readonly Checked[]): Promise<void> {
      if (epoch === undefined) {
        unsupported()
        return
      }
      const good: Received[] = []
      const before = reached
      const { invalid } = counters
      for (const { event, seq, valid } of events) {
        if (!valid) {
          counters.invalid += 1
          link.strike()
          continue
        }
        counters.received += 1
        counters.receivedEver += 1
        if (seq !== undefined && seq > reached) {
          reached = seq
          good.push({ event, seq })
        } else {
          // The event itself is genuine, so it is kept; the position it came with is not believed.
          good.push({ event })
          broken()
        }
      }
      // Told before the position passes it.
      if (counters.invalid > invalid) options.onChange()
      if (!live) paged += events.length
      if (paged > limit) link.drop(`a page of ${limit} has no end`, true)
      if (good.length > 0) await options.record('log', good, reached > before ? at(reached) : undefined)
      options.onChange()
    }

    function read(frame: OtherFrame): void {
      if (frame.type === 'SEQ') readPosition(frame.seq, frame.epoch)
      else if (frame.type === 'EOSE') readEnd(frame.hints)
      else if (frame.type === 'CLOSED') readClosed(frame.message)
    }

    function readPosition(seq: number, told: string): void {
      if (epoch === undefined) readFirst(seq, told)
      else if (told !== epoch || seq < reached) broken()
      else if (seq > reached) {
        reached = seq
        options.record('log', [], at(seq))
        options.onChange()
      }
    }

    function readFirst(seq: number, told: string): void {
      if (seq !== since) {
        link.drop(`asked for ${since}, the relay began at ${seq}`, true)
        return
      }
      epoch = told
      spoken = true
      if (attempt.afterRefusal) options.onLost()
      options.onEpoch(told)
    }

    function readEnd(hints: EoseHints): void {
      const told = hints.scope ?? ''
      if (epoch === undefined) unsupported()
      else if (hints.seq === undefined || hints.seq < reached || (hints.epoch ?? epoch) !== epoch)
        link.drop('a page ended without a usable position', true)
      else if (since > 0 && told !== (scope ?? assumedScope) && attempt.from?.scope !== ANY_SCOPE) {
        // Seen with other eyes than the position was: what those could not see must be asked for again.
        if (scope !== undefined) link.strike()
        scope = told
        resume(told)
      } else {
        // Pruned before we came for it, if there was something.
        if (since > 0 && hints.floor !== undefined && since < hints.floor - 1) counters.gaps += 1
        scope = told
        reached = hints.seq
        refusals = 0
        options.record('log', [], at(reached))
        if (hints.complete !== 'more') becomeLive()
        else if (reached > since) {
          countRest(epoch, reached)
          goOn({ epoch, seq: reached }, told)
        } else link.drop(`a page from ${since} made no progress`, true)
      }
    }

    function becomeLive(): void {
      live = true
      isCatchingUp = false
      cancelStall()
      options.onLive()
    }

    function readClosed(message: string): void {
      end()
      const { prefix } = parseReason(message)
      const common = commonOfCursorUnknown(message)
      if (common !== undefined && attempt.from) fallBack(attempt.from, common)
      else if (prefix === 'error') {
        refusals += 1
        retryIn(refusals === 1 ? 250 : backoffMs(refusals - 1, random), message)
      } else if (spoken || (prefix !== undefined && WAIT_PREFIXES.has(prefix))) retryIn(LONGEST_BACKOFF_MS, message)
      else unsupported()
    }

    function fallBack(from: Cursor, common: number): void {
      // 0 < common < seq: the same run, up to where both histories agree. Otherwise an older run, at last the start.
      if (common > 0 && common < from.seq) {
        const agreed = { epoch: from.epoch, seq: common }
        subscribe({ from: agreed, older: attempt.older, afterRefusal: true }, assumedScope)
        return
      }
      const [next, ...older] = attempt.older.filter(position => position.epoch !== from.epoch)
      subscribe({ from: next, older, afterRefusal: true }, assumedScope)
    }

    function unsupported(): void {
      end()
      options.onUnsupported()
    }

    return {
      from: attempt.from,
      end,
      release() {
        isReleased = true
        release()
        lookAhead()
      },
    }
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
