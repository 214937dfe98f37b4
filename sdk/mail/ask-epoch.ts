import type { FilterJson } from '../../protocol/filter.ts'
import type { Link } from '../link/link.ts'

/** Asks a relay for the epoch of its run, which it tells only to who asks in log order. Resolves to undefined where SEQ is not spoken. */
export function askEpoch(link: Link, filter: FilterJson): Promise<string | undefined> {
  return new Promise(resolve => {
    const stop = link.subscribe('REQ', [{ ...filter, since_seq: 0, limit: 1 }], frame => {
      if (frame.type === 'SEQ') resolve(frame.epoch)
      else if (frame.type === 'EOSE') resolve(frame.hints.epoch)
      else if (frame.type === 'CLOSED') resolve(undefined)
      else return
      stop()
    })
  })
}
