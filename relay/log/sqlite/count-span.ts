import type { Filter } from '../../../protocol/filter.ts'
import { readEntries } from './index-pages.ts'
import { MAX_RANK } from './keys.ts'
import { authorLanes, kindsOfAll, type Lane, lanesFor, type Span, tagLanes, wideLanes } from './lanes.ts'
import { mergeLanes } from './merge.ts'
import { drivingTag } from './plan.ts'
import type { Statements } from './statements.ts'

/** Where a count goes on: the latest time not counted yet, and the highest seq that belongs to it. Of words: the highest seq not counted yet. */
export interface CountFrom {
  readonly until: number
  readonly upTo: number
  readonly below?: number
}

/** Filters as one statement of a count has them, and where the next one goes on. */
export interface CountSpan {
  readonly filters: readonly Filter[]
  readonly next: number | undefined
}

/**
 * The latest stretch of time, up to `until`, in which a count looks at about so many entries of its indexes: whole seconds, so that each event
 * is counted once.
 */
export function countSpan(
  filters: readonly Filter[],
  until: number,
  entries: number,
  statements: Statements,
): CountSpan {
  const most = lanesFor(filters.length)
  const named = filters.map(filter => withKinds(filter, statements, most))
  const since = sinceOf(named, until, entries, statements, most)
  return {
    filters: named.map(filter => ({
      ...filter,
      since: Math.max(filter.since ?? 0, since),
      until: Math.min(filter.until ?? Number.MAX_SAFE_INTEGER, until),
    })),
    next: since > 0 ? since - 1 : undefined,
  }
}

/** Authors are indexed kind by kind: only of a kind that is named the index tells what is within a time. */
function withKinds(filter: Filter, statements: Statements, most: number): Filter {
  if (filter.authors === undefined || filter.kinds !== undefined || drivingTag(filter) !== undefined) return filter
  const kinds = kindsOfAll(filter.authors, statements, most)
  return kinds === undefined ? filter : { ...filter, kinds }
}

/** The time of the entry after which there are enough; 0 if there are no more. */
function sinceOf(
  filters: readonly Filter[],
  until: number,
  entries: number,
  statements: Statements,
  most: number,
): number {
  const lanes = filters.flatMap(filter => lanesOfPlan(filter, statements, most))
  const latest = Math.max(...filters.map(filter => Math.min(until, filter.until ?? until)))
  const span: Span = { since: Math.min(...filters.map(filter => filter.since ?? 0)), from: [latest, MAX_RANK] }
  const [only, ...others] = lanes
  if (only === undefined) return 0
  if (others.length === 0) {
    const find = statements.values(`SELECT created_at FROM (${only.sql}) LIMIT 1 OFFSET ?`)
    return Number(find.get(...only.prefix, ...span.from, span.since, entries + 1, entries) ?? 0)
  }
  let left = entries
  for (const [created_at] of mergeLanes(readEntries(statements), lanes, span, entries + 1)) {
    if (left === 0) return created_at
    left -= 1
  }
  return 0
}

/** What the statement goes along (`countPlan`). Ids are few. */
function lanesOfPlan(filter: Filter, statements: Statements, most: number): readonly Lane[] {
  if (filter.ids !== undefined) return []
  const tag = drivingTag(filter)
  if (tag !== undefined) return tagLanes(...tag)
  const { authors, kinds } = filter
  return (authors && kinds && authorLanes(authors, kinds, statements, most)) ?? wideLanes(filter)
}
