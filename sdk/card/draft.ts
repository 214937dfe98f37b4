import { CardError } from '../errors.ts'
import { npubOf } from '../sending/recipient.ts'
import { type AgentCard, parseCard } from './shape.ts'

/** What may be left out when setting a card: it is filled in from what is known. */
export type CardDraft = Partial<AgentCard>

/** Whose card it is, and where its agent is reached. */
export interface CardOwner {
  readonly name: string
  /** 64 hex. */
  readonly pubkey: string
  readonly relays: readonly string[]
}

/** How messages of this protocol are named among A2A's protocol bindings. */
export const NOSTR_BINDING = 'urn:nostr:kind:4700'
/** The card that a draft makes of what there is. Throws CardError. */
export function checkDraft(owner: CardOwner, before: AgentCard | undefined, draft: CardDraft): AgentCard {
  const card = parseCard(JSON.stringify({ ...minimal(owner), ...before, ...draft }))
  if (!card.ok) throw new CardError(`${card.error}.`)
  return card.value
}

const minimal = ({ name, pubkey, relays }: CardOwner): AgentCard => ({
  name,
  description: '',
  version: '1',
  supportedInterfaces: relays.map(url => ({
    url,
    protocolBinding: NOSTR_BINDING,
    protocolVersion: '1',
    tenant: npubOf(pubkey),
  })),
  capabilities: {},
  defaultInputModes: ['text/plain'],
  defaultOutputModes: ['text/plain'],
  skills: [],
})
