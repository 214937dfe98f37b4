import type { FilterJson } from '../../protocol/filter.ts'
import { RelayUnreachableError } from '../errors.ts'
import type { PlainSource } from '../link/plain-reading.ts'
import type { Route } from '../mail/route.ts'

const PAGE = 500

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
      const ids = new Set(events.map(({ id }) => id)).size
      return { events, given: events.length + invalid, ids: ids + invalid, finished: false }
    },
  }
}
