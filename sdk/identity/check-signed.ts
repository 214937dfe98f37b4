import { type EventTemplate, eventId, type NostrEvent, parseEvent } from '../../protocol/event.ts'
import { hasValidSignature } from '../../protocol/signature.ts'
import { SignerError } from '../errors.ts'

/** What a signer elsewhere gave back, if it is what it was asked to sign, by this key. Throws {@link SignerError}. */
export function checkSigned(value: unknown, template: EventTemplate, pubkey: string, signer: string): NostrEvent {
  const event = parseEvent(value)
  if (!event.ok) throw new SignerError('signer-malformed', `${signer} signed no event: ${event.error}`)
  const { id, pubkey: author } = event.value
  if (id !== eventId(pubkey, template) || author !== pubkey || !hasValidSignature(event.value))
    throw new SignerError('signer-malformed', `${signer} signed something else, or with another key.`)
  return event.value
}
