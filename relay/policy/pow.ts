import type { NostrEvent } from '../../protocol/event.ts'
import { reason } from '../../protocol/reasons.ts'
import type { WritePolicy } from './policy.ts'

/** NIP-13: the number of leading zero bits of an id (64 hex). */
export function difficultyOf(id: string): number {
  const zeros = /^0*/.exec(id)?.[0].length ?? 0
  const next = id[zeros]
  return zeros * 4 + (next === undefined ? 0 : Math.clz32(Number.parseInt(next, 16)) - 28)
}

/** The target its author committed to in the nonce tag, if any. */
function targetOf(event: NostrEvent): number | undefined {
  const target = event.tags.find(tag => tag[0] === 'nonce')?.[2]
  return target !== undefined && /^\d{1,3}$/.test(target) ? Number(target) : undefined
}

/** NIP-13 as admission: work was done, and it was done for this target and not met by luck. The id itself is checked later. */
export const proofOfWork =
  (bits: number): WritePolicy =>
  event => {
    const difficulty = difficultyOf(event.id)
    if (difficulty < bits) return reason('pow', `difficulty ${difficulty} is less than ${bits}`)
    const target = targetOf(event)
    if (target === undefined)
      return reason('pow', `the nonce tag commits to no target; commit to ${bits} or more before mining`)
    return target < bits ? reason('pow', `the nonce tag commits to ${target}, which is less than ${bits}`) : undefined
  }
