import type { DecodedUpdate, Run, Struct, StructId } from './decode.ts'

/** Types within types. Yjs deletes and reads them calling itself once a level. */
export const MAX_NESTING = 64

/** How many shared types an element that is known already is in, a root type counting none; undefined if there is no telling. */
export type KnownDepth = (id: StructId) => number | undefined

/** Nesting of the deepest type that an update makes; Infinity if its elements stand in a circle or refer to nothing. */
export function deepestType(update: DecodedUpdate, known: KnownDepth): number {
  const runs = new Map(update.runs.map(run => [run.client, run]))
  const depths = new Map<Struct, number>()

  function depthOf(struct: Struct): number {
    // Chains of neighbours are as long as the text that was typed: followed in a loop, remembered on the way back.
    const path: { readonly struct: Struct; readonly step: number }[] = []
    const onPath = new Set<Struct>()
    let at: Struct | undefined = struct
    let depth: number | undefined
    while (at !== undefined && depth === undefined) {
      depth = depths.get(at)
      if (depth !== undefined) break
      if (onPath.has(at)) return Number.POSITIVE_INFINITY
      onPath.add(at)
      const place: StructId | undefined = at.parent ?? at.origin ?? at.rightOrigin
      path.push({ struct: at, step: at.parent ? 1 : 0 })
      if (place === undefined) {
        depth = 0
        break
      }
      at = find(runs.get(place.client), place.clock)
      if (at === undefined) depth = known(place) ?? Number.POSITIVE_INFINITY
    }
    let result = depth ?? 0
    for (const { struct: each, step } of path.reverse()) {
      result += step
      depths.set(each, result)
    }
    return result
  }

  let deepest = 0
  for (const { structs } of update.runs)
    for (const struct of structs) if (struct.isType) deepest = Math.max(deepest, depthOf(struct) + 1)
  return deepest
}

/** The struct of a run that covers a clock. */
function find(run: Run | undefined, clock: number): Struct | undefined {
  if (run === undefined || clock < run.clock) return undefined
  let low = 0
  let high = run.structs.length - 1
  while (low <= high) {
    const middle = (low + high) >> 1
    const struct = run.structs[middle]
    if (struct === undefined) return undefined
    if (clock < struct.clock) high = middle - 1
    else if (clock >= struct.clock + struct.length) low = middle + 1
    else return struct
  }
  return undefined
}
