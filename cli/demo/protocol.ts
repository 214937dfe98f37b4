import type { CardDraft, Json, SyncSummary } from '../../sdk/index.ts'

/** What the sleeping agent's process tells its parent over the process channel. */
export type AgentReport =
  | { readonly type: 'awake'; readonly pid: number }
  /** A handler ran for this message. */
  | { readonly type: 'handled'; readonly message: HandledMessage }
  /** Caught up with the relay. `verified` and `rejected` count what its verifier was asked in this run. */
  | {
      readonly type: 'caught-up'
      readonly summary: SyncSummary
      readonly verified: number
      readonly rejected: number
    }
  /** To the oldest order that has none yet. */
  | { readonly type: 'answer'; readonly value: unknown }
  | { readonly type: 'failed'; readonly error: string }

export interface HandledMessage {
  readonly id: string
  readonly from: string
  readonly text: string
  readonly act: string
  /** -1 on a relay without a log. */
  readonly seq: number
}

/** What the parent asks of it, one after the other. */
export type AgentOrder =
  | { readonly type: 'list' }
  | { readonly type: 'introduce'; readonly card: CardDraft }
  | { readonly type: 'note'; readonly values: Readonly<Record<string, Json>> }
  | { readonly type: 'look'; readonly at: string }

/** And what it answers. */
export interface AgentAnswers {
  /** Ids of the whole inbox, in the order of arrival. */
  readonly list: readonly string[]
  readonly introduce: null
  /** The relays have it. */
  readonly note: boolean
  readonly look: SeenState
}

/** State as one agent reads it. */
export interface SeenState {
  /** A relay was read to its end. */
  readonly ready: boolean
  readonly values: Readonly<Record<string, Json>>
  /** Equal for all who have come to the same state. */
  readonly digest: string
}
