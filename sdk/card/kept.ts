import { type NostrEvent, parseEvent } from '../../protocol/event.ts'
import { parseJson } from '../../protocol/json.ts'
import { AGENT_CARD } from '../../protocol/kinds.ts'
import { verifyEvent } from '../../protocol/signature.ts'
import type { Shelf } from '../shelf.ts'
import { type AgentCard, parseCard } from './shape.ts'

/** Its name on the shelf. */
export const CARD_SHELF = 'card'

/** The card that was last set or adopted; undefined if there is none, or none of this key. */
export function keptCard(
  shelf: Shelf,
  pubkey: string,
): { readonly event: NostrEvent; readonly card: AgentCard } | undefined {
  const json = parseJson(shelf.read(CARD_SHELF) ?? '')
  const event = json.ok ? parseEvent(json.value) : json
  if (!event.ok || event.value.pubkey !== pubkey || event.value.kind !== AGENT_CARD) return undefined
  const card = parseCard(event.value.content)
  return card.ok && verifyEvent(event.value) ? { event: event.value, card: card.value } : undefined
}
