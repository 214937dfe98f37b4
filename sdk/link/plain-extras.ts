import type { Cancel, Timers } from '../../platform/timers.ts'
import type { FilterJson } from '../../protocol/filter.ts'
import type { EventStub } from '../../protocol/negentropy/index.ts'
import { RelayUnreachableError } from '../errors.ts'
import type { Link } from './link.ts'
import { localSide } from './local-side.ts'
import { negotiateOn } from './negotiate.ts'
import { reconcile } from './reconcile.ts'
import { refuseToList } from './refuse-to-list.ts'

/** Relays that do not know the question often say nothing. */
const ANSWER_MS = 2_000
const MAX_IDS = 50_000

/** How many events a relay counts (NIP-45); undefined if it refuses. Rejects if it says nothing. */
export function countOn(link: Link, filter: FilterJson, timers: Timers): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const end = (count: number | undefined) => {
      cancelTimeout()
      stop()
      resolve(count)
    }
    const cancelTimeout = timers.after(ANSWER_MS, () => {
      stop()
      reject(new RelayUnreachableError(link.url, `no COUNT within ${ANSWER_MS} ms`))
    })
    const stop = link.subscribe('COUNT', [filter], frame => {
      if (frame.type === 'COUNT') end(frame.count)
      else if (frame.type === 'CLOSED') end(undefined)
    })
  })
}

/** Ids that the relay has and `held` lacks (NIP-77). Rejects where it does not reconcile. */
export async function lackingOn(
  link: Link,
  filter: FilterJson,
  held: readonly EventStub[],
  { timers, losing, now }: { readonly timers: Timers; readonly losing: Set<Cancel>; readonly now: number },
): Promise<readonly string[]> {
  const options = { now, timers, timeoutMs: ANSWER_MS, maxIds: MAX_IDS }
  const side = {
    url: link.url,
    negotiate: (window: FilterJson) => negotiateOn(link, window, { timers, timeoutMs: ANSWER_MS, losing }),
    request: refuseToList,
  }
  return [...(await reconcile(localSide('what was read', held), side, filter, options)).second]
}
