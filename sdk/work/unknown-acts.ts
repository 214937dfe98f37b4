import type { Pace } from '../../platform/pace.ts'
import { loadSeldom } from '../load-seldom.ts'
import { isPassing } from './ending.ts'
import type { OutcomeOptions, WriteOutcome } from './outcome.ts'
import type { WorkOf } from './work-of.ts'

export interface UnknownActsOptions extends Pick<OutcomeOptions, 'store' | 'isClosed'> {
  readonly write: WriteOutcome
  readonly pace: Pace
  /** What there are handlers for. */
  known(): readonly WorkOf[]
  /** Public keys that may be told. */
  contacts(): readonly string[]
}

/** Tells contacts what of theirs nobody here understands. */
export interface UnknownActs {
  /** Mail came, or a handler: what was looked through is looked through again. */
  stir(): void
  /** Looks through what no handler takes, if there is cause to. */
  refuse(): Promise<void>
  /** It is being looked through, or there is cause to. */
  readonly isBusy: boolean
}

export function createUnknownActs(options: UnknownActsOptions): UnknownActs {
  const { isClosed } = options
  const passedOver = new Set<string>()
  let isStirred = true
  let refusing = false
  const onLeft = () => {
    isStirred = true
  }

  return {
    stir: onLeft,
    get isBusy() {
      return refusing
    },
    async refuse() {
      if (refusing || !isStirred || isClosed()) return
      refusing = true
      isStirred = false
      try {
        const loaded = await loadSeldom().catch(onLeft)
        // Closed while it was loaded: the store is gone.
        if (!isClosed()) await loaded?.refuseUnknown({ ...options, passedOver, onLeft })
      } catch (error) {
        isStirred = true
        if (!isPassing(error)) throw error
        // The next message, or the next start, tries again.
      } finally {
        refusing = false
      }
    },
  }
}
