import type { FilterJson } from '../../protocol/filter.ts'
import { commonOfCursorUnknown } from '../../protocol/reasons.ts'
import type { Link } from '../link/link.ts'
import type { MailStore } from './store.ts'

/**
 * What a relay acknowledged is a position in its log too: asks whether it still knows the last one. If it has gone back,
 * `onLost` tells up to where both agree, and what was acknowledged above that is lost there.
 */
export function checkAcknowledged(
  link: Link,
  {
    store,
    epoch,
    filter,
    onLost,
  }: {
    readonly store: MailStore
    /** Of the relay's present run. */
    readonly epoch: string
    /** Any that the relay answers us. */
    readonly filter: FilterJson
    onLost(common: number): void
  },
): void {
  const last = store.lastAcknowledged(link.url)
  if (!last || last.epoch === epoch) return
  const stop = link.subscribe('REQ', [{ ...filter, since_seq: last.seq, epoch: last.epoch, limit: 1 }], frame => {
    stop()
    const common = frame.type === 'CLOSED' ? commonOfCursorUnknown(frame.message) : undefined
    if (common !== undefined) onLost(common)
  })
}

/** Asks a relay for the epoch of its run, which EOSE tells where SEQ is spoken. Resolves to undefined where it is not, or not told in time. */
export function askEpoch(link: Link, filter: FilterJson): Promise<string | undefined> {
  return new Promise(resolve => {
    const stop = link.subscribe('REQ', [{ ...filter, limit: 1 }], frame => {
      if (frame.type === 'EOSE') resolve(frame.hints.epoch)
      else if (frame.type === 'CLOSED') resolve(undefined)
      else return
      stop()
    })
  })
}
