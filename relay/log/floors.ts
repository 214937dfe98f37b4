import type { Filter } from '../../protocol/filter.ts'

/** Nothing of this kind below `floor` is surely here any more: events that retention has pruned, or removals. */
export interface Floor {
  readonly part: 'events' | 'removals'
  readonly kind: number
  readonly floor: number
}

/**
 * What EOSE tells as `floor`: the lowest position from which the log has everything that was asked for. The highest over the kinds
 * asked for, over all kinds where none are named; removals count only for those who ask for them. 1 = nothing was ever pruned.
 */
export function floorOf(floors: readonly Floor[], filters: readonly Filter[], gone: boolean): number {
  let highest = 1
  for (const { part, kind, floor } of floors) {
    if (floor <= highest || (part === 'removals' && !gone)) continue
    if (filters.some(({ kinds }) => kinds === undefined || kinds.has(kind))) highest = floor
  }
  return highest
}
