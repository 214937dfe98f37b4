import type { Cancel } from '../../platform/timers.ts'
import type { Cursor } from '../../protocol/cursor.ts'
import type { FilterJson } from '../../protocol/filter.ts'
import type { EoseHints } from '../../protocol/hints.ts'
import type { DialectOptions, Received } from './feed.ts'
import { type Checked, createFramePump, type OtherFrame } from './frame-pump.ts'
import type { Repeats } from './repeats.ts'

/** A relay that is silent for so long in the middle of a page is given up. */
const STALLED_MS = 30_000

export interface PageOptions extends DialectOptions {
  /** Undefined: from the start. */
  readonly from: Cursor | undefined
  /** Events asked for. */
  readonly limit: number
  /** Which events this relay has sent before. */
  readonly repeats: Repeats
  /** Access scope of this connection; while it is unknown no position is recorded. */
  scope(): string | undefined
  /** The relay speaks log order: its first word on this page was right. */
  onBegin(epoch: string): void
  /** EOSE came, though what precedes it is not recorded yet. Not before the page is released. */
  onEnding(hints: EoseHints): void
  /** All up to `at` is recorded. */
  onEnd(at: Cursor, hints: EoseHints): void
  /** The relay refused, or ended it. */
  onClosed(message: string): void
  /** More came than is held; what was held is recorded. */
  onDrained(): void
}

/** A subscription from one position, up to EOSE and, if that was the last page, from there on. Takes effect when it is released. */
export interface Page {
  readonly from: Cursor | undefined
  release(): void
  /** Nothing was left: it stays open for what comes. */
  live(): void
  end(): void
}

/** One cursor and one page for all of them. */
export const within = (filters: readonly FilterJson[], where: FilterJson): FilterJson[] =>
  filters.map(filter => ({ ...filter, ...where }))

/** Asks for a page. Its signatures are checked at once; everything else waits for its release. */
export function openPage(options: PageOptions): Page {
  const { link, timers, counters, from, limit } = options
  const since = from?.seq ?? 0
  let epoch: string | undefined
  /** Highest position believed so far on this subscription. */
  let reached = since
  /** Past EOSE: silence is normal. */
  let live = false
  /** Events of this page so far. */
  let paged = 0
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
    repeats: options.repeats,
    onEvents: events => (isReleased ? take(events) : released.then(() => take(events))),
    onFrame: frame => (isReleased ? read(frame) : released.then(() => read(frame))),
    onOverflow: () => cancel(),
    onDrained: options.onDrained,
    onError: error => link.drop(`events could not be taken: ${String(error)}`, false),
  })
  const position = { since_seq: since, ...(from && since > 0 ? { epoch: from.epoch } : {}) }
  const cancel = link.subscribe('REQ', within(options.filters, { ...position, limit }), frame => {
    if (frame.type === 'EOSE') ending ??= frame.hints
    watchStall()
    pump.push(frame)
    if (isReleased) tellEnding()
  })
  watchStall()

  function end(): void {
    cancelStall()
    pump.stop()
    cancel()
  }

  function tellEnding(): void {
    if (ending && !live) options.onEnding(ending)
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

  function at(seq: number) {
    const scope = options.scope()
    return scope === undefined || epoch === undefined ? undefined : { epoch, seq, scope }
  }

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
        link.strike(event.id, counters)
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
    else if (frame.type === 'CLOSED') {
      end()
      options.onClosed(frame.message)
    }
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
    options.onBegin(told)
  }

  function readEnd(hints: EoseHints): void {
    if (epoch === undefined) unsupported()
    else if (hints.seq === undefined || hints.seq < reached || (hints.epoch ?? epoch) !== epoch)
      link.drop('a page ended without a usable position', true)
    else {
      reached = hints.seq
      options.onEnd({ epoch, seq: reached }, hints)
    }
  }

  function unsupported(): void {
    end()
    options.onUnsupported()
  }

  return {
    from,
    end,
    release() {
      isReleased = true
      release()
      tellEnding()
    },
    live() {
      live = true
      cancelStall()
    },
  }
}
