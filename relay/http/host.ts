import type { Clock } from '../../platform/clock.ts'
import type { Timers } from '../../platform/timers.ts'
import type { Verifier } from '../../platform/verifier.ts'
import type { Cursor } from '../../protocol/cursor.ts'
import type { Filter } from '../../protocol/filter.ts'
import type { EoseHints } from '../../protocol/hints.ts'
import type { Limits } from '../../protocol/limits.ts'
import type { Source } from '../follower.ts'
import type { Sender } from '../gate.ts'
import type { Ingest } from '../ingest.ts'
import type { LiveIndex } from '../live.ts'
import type { AccessLists } from '../policy/access-lists.ts'
import type { Admission } from '../policy/admission.ts'

/** What HTTP needs of the relay: the very parts that the sockets use. */
export interface HttpHost {
  readonly limits: Limits
  readonly clock: Clock
  readonly timers: Timers
  readonly verifier: Verifier
  readonly ingest: Ingest
  readonly live: LiveIndex
  readonly source: Source
  readonly lists: AccessLists
  readonly admission: Admission
  /** The relay's own URLs, normalised; empty = nobody can authenticate. */
  readonly urls: ReadonlySet<string>
  /** Aborted when the relay stops: waits end. */
  readonly stopping: AbortSignal
  /** Answers being made; a relay that stops waits for them. */
  readonly underway: Set<Promise<unknown>>
  /** What an operator should know; `error` is the cause. */
  readonly onError: (where: string, error: unknown) => void
  /** The reason why this sender may not ask this, or undefined. */
  refuseRead(filters: readonly Filter[], sender: Sender): string | undefined
  /** Resolves to the reason of a refusal, or undefined. */
  judge(cursor: Cursor): Promise<string | undefined>
  /** All of an EOSE in log order but what the page itself tells: position, completeness, floor. */
  hints(filters: readonly Filter[], keys: readonly string[]): Required<Omit<EoseHints, 'complete' | 'seq' | 'floor'>>
}
