import { type NostrEvent, parseEventText } from '../../protocol/event.ts'
import { AGENT_CARD } from '../../protocol/kinds.ts'
import { verifyEvent } from '../../protocol/signature.ts'
import type { Shelf } from '../shelf.ts'

/** Its name on the shelf. */
export const CARD_SHELF = 'card'

/** The event of the card that was last set or adopted; undefined if there is none, or none that this key signed. */
export function keptEvent(shelf: Shelf, pubkey: string): NostrEvent | undefined {
  const event = parseEventText(shelf.read(CARD_SHELF) ?? '')
  if (!event.ok || event.value.pubkey !== pubkey || event.value.kind !== AGENT_CARD) return undefined
  return verifyEvent(event.value) ? event.value : undefined
}
