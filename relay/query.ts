import { SharedText } from '../platform/shared-text.ts'
import type { Filter } from '../protocol/filter.ts'
import { encode } from '../protocol/frames.ts'
import type { Limits } from '../protocol/limits.ts'
import type { Outlet, Source } from './follower.ts'
import type { Asker } from './log/asker.ts'
import type { QueryFilter, QueryRequest } from './log/store.ts'

/** Where a stored query ended: the log position it covers, and whether limits left older matches out (unknown if none was asked for). */
export interface QueryEnd {
  readonly seq: number
  readonly complete: 'finish' | 'more' | undefined
}

/**
 * The stored half of a plain REQ: newest first, page by page, each in its connection's turn.
 * Undefined if the asker left on the way.
 */
export async function sendStored(
  options: {
    readonly sub: string
    readonly filters: readonly Filter[]
    readonly keys: readonly string[]
    readonly limits: Limits
    readonly asker: Asker
  },
  outlet: Outlet,
  source: Source,
): Promise<QueryEnd | undefined> {
  const filters = options.filters
    .map(filter => withLimit(filter, options.limits.page))
    .filter(({ remaining }) => remaining > 0)
  // `limit: 0` asks for nothing stored: the subscription starts at the head.
  if (filters.length === 0) return { seq: source.head.last, complete: undefined }
  const head = new SharedText(encode.eventHead(options.sub))
  const tail = encode.eventTail()
  const { asker } = options
  const cancelled = asker.left
  let request: Omit<QueryRequest, 'now'> = { filters, keys: options.keys, asker }
  for (;;) {
    const page = await outlet.inTurn(async () => {
      if (cancelled()) return undefined
      const read = await source.store.query({ ...request, now: source.now() })
      if (cancelled()) return undefined
      if (read.packed !== undefined) outlet.sendRun({ head, texts: read.packed, tail })
      else for (const text of read.events) outlet.sendParts(head, text, tail)
      return read
    })
    if (page === undefined) return undefined
    if (page.next === undefined) return { seq: page.seq, complete: page.complete ? 'finish' : 'more' }
    request = { ...request, ...page.next, upTo: page.seq }
  }
}

/** A limit the client named and we can serve is kept to the letter; where ours is lower or none was named, the cap is the relay's own. */
function withLimit(filter: Filter, cap: number): QueryFilter {
  const asked = filter.limit ?? cap
  return asked <= cap && filter.limit !== undefined
    ? { filter, remaining: asked, capped: false }
    : { filter, remaining: cap, capped: true }
}
