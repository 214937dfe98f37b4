import { sleep, type Timers } from '../platform/timers.ts'
import type { Cursor } from '../protocol/cursor.ts'
import type { Filter } from '../protocol/filter.ts'
import { REASONS } from '../protocol/reasons.ts'
import { fail, ok, type Result } from '../protocol/result.ts'
import { judgeCursor } from './log/epochs.ts'
import type { Store } from './log/store.ts'

/** A REQ in log order: one cursor and one page size for all its filters. */
export interface LogPageRequest {
  readonly cursor: Cursor
  readonly size: number
  readonly gone: boolean
}

/** Reads the SEQ fields of a REQ's filters; undefined = a plain REQ. The error says what does not fit. */
export function openLogPage(filters: readonly Filter[], cap: number): Result<LogPageRequest | undefined> {
  const [first] = filters
  if (first === undefined || filters.every(filter => filter.since_seq === undefined)) {
    const stray = filters.some(filter => filter.epoch !== undefined || filter.gone !== undefined)
    return stray ? fail('epoch and gone belong to since_seq') : ok(undefined)
  }
  const { since_seq, epoch, limit } = first
  if (filters.some(filter => filter.since_seq !== since_seq || filter.epoch !== epoch || filter.limit !== limit))
    return fail('all filters of a REQ in log order carry the same since_seq, epoch and limit')
  if (since_seq === undefined) return fail('all filters of a REQ in log order carry since_seq')
  if (since_seq > 0 && epoch === undefined) return fail('since_seq above 0 needs the epoch that told it')
  if (limit === 0) return fail('a page in log order has a limit of at least 1')
  if (filters.some(filter => filter.ids !== undefined)) return fail('ids cannot be asked for in log order')
  if (filters.some(filter => filter.search !== undefined)) return fail('a search has no log order')
  return ok({
    cursor: { seq: since_seq, epoch: epoch ?? '' },
    size: Math.min(limit ?? cap, cap),
    gone: filters.some(filter => filter.gone === true),
  })
}

/** How long a cursor ahead of this log may catch up before the client is sent away. */
const BEHIND_MS = 500

/** Judges cursors against the store's runs: resolves to the reason of a refusal, or undefined. */
export function createJudge(store: Store, timers: Timers): (cursor: Cursor) => Promise<string | undefined> {
  const once = (cursor: Cursor) => judgeCursor(store.epochs, store.head.last, cursor)
  return async cursor => {
    let verdict = once(cursor)
    if (!verdict.known && verdict.ahead) {
      await sleep(timers, BEHIND_MS)
      verdict = once(cursor)
    }
    if (verdict.known) return undefined
    return verdict.ahead ? REASONS.behind : REASONS.cursorUnknown(verdict.common)
  }
}
