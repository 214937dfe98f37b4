import type { NostrEvent } from '../../protocol/event.ts'
import { npubOf } from '../sending/recipient.ts'
import { type AgentCard, parseCard } from './shape.ts'

/** A card as it was found: verified, its author's word. */
export interface FoundCard {
  /** 64 hex. */
  readonly pubkey: string
  readonly npub: string
  readonly card: AgentCard
  /** The author's clock, seconds since 1970. */
  readonly at: number
}

export function foundOf(event: NostrEvent | undefined): FoundCard | undefined {
  const card = event && parseCard(event.content)
  if (!event || !card?.ok) return undefined
  return Object.freeze({ pubkey: event.pubkey, npub: npubOf(event.pubkey), card: card.value, at: event.created_at })
}
