import type { AgentStatus, RelayStatus } from '../api.ts'

/** What one record of state, one document or the card still has to publish. */
export interface RecordFacts {
  /** `state`: the agent's own public state; `private`: the sealed one; `card`: the agent's card. */
  readonly kind: 'state' | 'private' | 'board' | 'document' | 'card'
  /** Of a board or a document: what its events call it. */
  readonly id?: string
  /** Changes that are kept here and not signed yet. */
  readonly unwritten: number
  /** Signed changes that no relay has. */
  readonly unsent: number
  /** Why the last attempt to write or publish failed, as far as known. */
  readonly error?: string
}

/**
 * Everything that "all is well" is decided from. An agent's status is such a record; `readHealth` gives one of a home on
 * disk. What is not known is absent, and never counts as well.
 */
export interface HealthFacts extends Partial<AgentStatus> {
  /** Absent: no relay was asked from here. */
  readonly relays?: readonly RelayStatus[]
  /** When the oldest queued message was signed, seconds since 1970. */
  readonly oldestQueuedAt?: number
  readonly records?: readonly RecordFacts[]
}
