import type { NostrEvent } from '../../protocol/event.ts'
import type { Shelf } from '../shelf.ts'
import { keptEvent } from './kept-event.ts'
import { type AgentCard, parseCard } from './shape.ts'

/** The card that was last set or adopted; undefined if there is none, or none of this key. */
export function keptCard(
  shelf: Shelf,
  pubkey: string,
): { readonly event: NostrEvent; readonly card: AgentCard } | undefined {
  const event = keptEvent(shelf, pubkey)
  const card = event && parseCard(event.content)
  return event && card?.ok ? { event, card: card.value } : undefined
}
