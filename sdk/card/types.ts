import type { Clock } from '../../platform/clock.ts'
import type { Timers } from '../../platform/timers.ts'
import type { Signer } from '../identity/signer.ts'
import type { Lines } from '../link/lines.ts'
import type { RelayAnswer } from '../link/relay-answer.ts'
import type { Shelf } from '../shelf.ts'
import type { CardDraft } from './draft.ts'
import type { CardSearch } from './search.ts'
import type { AgentCard } from './shape.ts'

export interface AgentCards extends CardSearch {
  /** This agent's card. */
  readonly own: AgentCard | undefined
  /** Replaces it: kept here, and published to every relay as it is reached. Rejects with CardError. */
  set(draft: CardDraft): Promise<AgentCard>
  /** What the relays that were asked to store this agent's card answered. Without one that accepted it, it is at no relay. */
  answers(): Promise<readonly RelayAnswer[]>
}

export interface CardsOptions {
  readonly name: string
  readonly lines: Lines
  readonly signer: Signer
  readonly clock: Clock
  readonly timers: Timers
  readonly shelf: Shelf
  /** Publish a minimal card where there is none yet. */
  readonly present: boolean
  resolve(who: string): string
}
