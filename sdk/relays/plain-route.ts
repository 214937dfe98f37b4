import type { FilterJson } from '../../protocol/filter.ts'
import { WIRE_LIMITS } from '../../protocol/wire-limits.ts'
import { RelayUnreachableError } from '../errors.ts'
import { type PlainSource, pageOf } from '../link/plain-reading.ts'
import type { Route } from '../mail/route.ts'

const PAGE = WIRE_LIMITS.page

/** One of the agent's relays, to be read by pages. `onDamaged`: an event of a page did not verify. */
export function plainRoute(
  route: Route,
  options: Pick<PlainSource, 'now' | 'take' | 'isOver'> & { onDamaged?(): void },
): PlainSource {
  return {
    ...options,
    limit: PAGE,
    async ask(filter: FilterJson) {
      const { events, invalid, complete } = await route.ask(filter, Math.max(PAGE, filter.limit ?? 0))
      if (!complete) throw new RelayUnreachableError(route.url, 'it gave no whole answer')
      if (invalid > 0) options.onDamaged?.()
      return pageOf(events, invalid, false)
    },
  }
}
