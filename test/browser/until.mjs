import { setTimeout as wait } from 'node:timers/promises'

/** A busy machine is no failure: what comes at all comes long before that. */
const LIMIT_MS = 60_000
const LOOK_MS = 50

/** Waits until `check` holds. Rejects with `what` was waited for. */
export async function until(what, check) {
  const end = performance.now() + LIMIT_MS
  while (!(await check())) {
    if (performance.now() > end) throw new Error(`not within ${LIMIT_MS / 1_000} s: ${what}`)
    await wait(LOOK_MS)
  }
}
