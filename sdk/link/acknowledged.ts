import type { Cancel, Timers } from '../../platform/timers.ts'
import type { FilterJson } from '../../protocol/filter.ts'
import { commonOfCursorUnknown } from '../../protocol/reasons.ts'
import { LONGEST_BACKOFF_MS } from './backoff.ts'
import type { Link } from './link.ts'

/** `epoch` is undefined if the relay's was not known when it acknowledged. */
export interface AcknowledgedRun {
  readonly epoch: string | undefined
  readonly seq: number
}

export interface CarryOver {
  readonly from: string | undefined
  readonly to: string
  readonly upTo: number
}

/** What relays acknowledged. */
export interface AcknowledgedStore {
  /** The highest position a relay acknowledged in each of its runs. */
  acknowledged(relay: string): readonly AcknowledgedRun[]
  /**
   * What that relay acknowledged in its run `from` up to the position `upTo` is in its log still, now in run `to`; what it acknowledged
   * above is lost there and waits for it again. Returns how much.
   */
  carryOver(relay: string, run: CarryOver): number
}

export interface AcknowledgedOptions {
  readonly link: Pick<Link, 'url' | 'subscribe'>
  readonly store: AcknowledgedStore
  readonly timers: Timers
  /** Any that the relay answers us. */
  readonly filter: FilterJson
  /** The relay has lost what it had acknowledged; the copies wait for it again. */
  onLost(): void
  /** Nothing is left to be asked for. */
  onChecked?(): void
}

/**
 * What a relay acknowledged in an earlier run is a position in its log too: it is asked whether it still knows it, one run at a time,
 * and has the answer written down before the next. Unanswered it stays what it was, so whatever interrupts this is made up for later.
 */
export interface Acknowledged {
  /** The relay can be asked, and this is its present run. */
  check(epoch: string): void
  /** The connection is gone, or about to be used differently. */
  stop(): void
}

export function createAcknowledged({
  link,
  store,
  timers,
  filter,
  onLost,
  onChecked,
}: AcknowledgedOptions): Acknowledged {
  let current: string | undefined
  let cancel: Cancel = () => {}

  function settle(from: string | undefined, to: string, upTo: number): void {
    if (store.carryOver(link.url, { from, to, upTo }) > 0) onLost()
  }

  function next(): void {
    const run = current
    if (run === undefined) return
    const earlier = store.acknowledged(link.url).find(({ epoch }) => epoch !== run)
    if (!earlier) {
      onChecked?.()
      return
    }
    const { epoch, seq } = earlier
    // Told before the run was known: nobody can say what the number meant.
    if (epoch === undefined) {
      settle(undefined, run, 0)
      next()
      return
    }
    const stop = link.subscribe('REQ', [{ ...filter, since_seq: seq, epoch, limit: 1 }], frame => {
      stop()
      const common = frame.type === 'CLOSED' ? commonOfCursorUnknown(frame.message) : undefined
      if (frame.type === 'CLOSED' && common === undefined) cancel = timers.after(LONGEST_BACKOFF_MS, next)
      else {
        settle(epoch, run, common ?? seq)
        next()
      }
    })
    cancel = stop
  }

  function stop(): void {
    cancel()
    cancel = () => {}
    current = undefined
  }

  return {
    check(epoch) {
      if (epoch === current) return
      stop()
      current = epoch
      next()
    },
    stop,
  }
}
