import type { FilterJson } from '../../protocol/filter.ts'

/** Within what relays take (ours: 10 filters, 500 values), with room for whatever else has to fit in. */
const MAX_FILTERS = 8
const MAX_VALUES = 400

interface Merged<T> {
  readonly filter: FilterJson
  readonly of: readonly T[]
}

export interface Bundle<T> {
  readonly filters: readonly FilterJson[]
  readonly of: readonly T[]
}

/**
 * As few questions as may be that together ask for everything that each of many asks for. Filters that differ in one list are joined
 * there, and ask for nothing else then. Where that leaves too many, some are joined in all their lists: what that brings beside has
 * to be sorted out by whoever asked.
 */
export function bundleFilters<T>(asked: readonly { readonly filter: FilterJson; readonly of: T }[]): Bundle<T>[] {
  const exact: Merged<T>[] = []
  for (const { filter, of } of asked) joinInto(exact, { filter, of: [of] }, 1)
  const bundles: Merged<T>[][] = []
  for (const each of exact) {
    const last = bundles.at(-1)
    if (last && last.length < MAX_FILTERS) last.push(each)
    else if (!last || !joinInto(last, each, Number.POSITIVE_INFINITY, false)) bundles.push([each])
  }
  return bundles.map(bundle => ({ filters: bundle.map(({ filter }) => filter), of: bundle.flatMap(({ of }) => of) }))
}

/** Into the first that it can be joined to; behind them all if there is none and `append`. */
function joinInto<T>(all: Merged<T>[], one: Merged<T>, mostDifferences: number, append = true): boolean {
  for (const [index, other] of all.entries()) {
    const filter = joined(other.filter, one.filter, mostDifferences)
    if (filter === undefined) continue
    all[index] = { filter, of: [...other.of, ...one.of] }
    return true
  }
  if (append) all.push(one)
  return append
}

function joined(a: FilterJson, b: FilterJson, mostDifferences: number): FilterJson | undefined {
  const [fields, others] = [new Map(Object.entries(a)), new Map(Object.entries(b))]
  if (fields.size !== others.size) return undefined
  let differences = 0
  const union: [string, unknown][] = []
  for (const [field, value] of fields) {
    const other = others.get(field)
    if (JSON.stringify(value) === JSON.stringify(other)) {
      union.push([field, value])
      continue
    }
    if (!Array.isArray(value) || !Array.isArray(other)) return undefined
    const values = [...new Set<unknown>([...value, ...other])]
    differences += 1
    if (differences > mostDifferences || values.length > MAX_VALUES) return undefined
    union.push([field, values])
  }
  return Object.fromEntries(union) as FilterJson
}
