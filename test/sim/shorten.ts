const MAX_TRIES = 150

/** Leaves out what the failure does not need: halves first, then single steps. */
export async function shorten<Plan extends { readonly steps: readonly unknown[] }>(
  plan: Plan,
  fails: (shorter: Plan) => Promise<boolean>,
): Promise<Plan> {
  let best = plan
  let tries = 0
  for (let size = Math.ceil(plan.steps.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let at = 0; at < best.steps.length && tries < MAX_TRIES; ) {
      tries += 1
      const shorter = { ...best, steps: best.steps.toSpliced(at, size) }
      if (await fails(shorter)) best = shorter
      else at += size
    }
  }
  return best
}
