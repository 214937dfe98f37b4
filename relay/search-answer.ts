import { SharedText } from '../platform/shared-text.ts'
import type { Filter } from '../protocol/filter.ts'
import { encode } from '../protocol/frames.ts'
import { fail, ok, type Result } from '../protocol/result.ts'
import type { Outlet, Source } from './follower.ts'
import type { Asker } from './log/asker.ts'
import type { QueryEnd } from './query.ts'
import { queryTerms } from './search.ts'

/**
 * What a REQ asks of the index: undefined = nothing. A search without words is no condition, so its filter is left without it.
 * Ranked and timely answers do not mix, hence a REQ is one or the other.
 */
export function openSearch(
  filters: readonly Filter[],
): Result<{ readonly filters: readonly Filter[]; readonly ranked: boolean }> {
  const clear = filters.map(
    ({ search, ...filter }): Filter =>
      search === undefined || queryTerms(search).length === 0 ? filter : { ...filter, search },
  )
  const searches = clear.filter(filter => filter.search !== undefined).length
  if (searches > 0 && searches < clear.length)
    return fail('filters with and without a search do not go into one REQ; ask for them one by one')
  return ok({ filters: clear, ranked: searches > 0 })
}

/** The stored answer of a search, best first, in its connection's turn. Undefined if the asker left on the way. */
export async function sendFound(
  options: {
    readonly sub: string
    readonly filters: readonly Filter[]
    readonly keys: readonly string[]
    readonly cap: number
    readonly asker: Asker
  },
  outlet: Outlet,
  source: Source,
): Promise<QueryEnd | undefined> {
  const { sub, filters, keys, cap, asker } = options
  const cancelled = asker.left
  const head = new SharedText(encode.eventHead(sub))
  const found = await outlet.inTurn(async () => {
    if (cancelled()) return undefined
    return source.store.search({
      filters: filters.map(filter => ({ filter, limit: Math.min(filter.limit ?? cap, cap) })),
      keys,
      now: source.now(),
      asker,
    })
  })
  if (found === undefined) return undefined
  for (let at = 0; at < found.seqs.length; ) {
    at += await outlet.inTurn(async () => {
      if (cancelled()) return 0
      const { events, taken } = await source.store.texts(found.seqs.slice(at), asker)
      if (cancelled()) return 0
      for (const json of events) outlet.sendParts(head, json, encode.eventTail())
      return taken
    })
    if (cancelled()) return undefined
  }
  return cancelled() ? undefined : { seq: found.seq, complete: found.complete ? 'finish' : 'more' }
}
