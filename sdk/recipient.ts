import * as nip19 from 'nostr-tools/nip19'
import { isHex64 } from '../protocol/hex.ts'
import type { Contact } from './api.ts'
import { UnknownRecipientError } from './errors.ts'

/** NIP-19 `npub1…` of a public key (64 hex). */
export const npubOf = (pubkey: string): string => nip19.npubEncode(pubkey)

/** The public key that `to` names: npub, 64 hex, or a contact's name. Throws {@link UnknownRecipientError}. */
export function resolveRecipient(to: string, contacts: readonly Contact[]): string {
  const text = to.trim()
  if (/^[0-9a-f]{64}$/.test(text)) return text
  if (text.startsWith('npub1')) return fromNpub(text)
  if (text.startsWith('nsec1'))
    throw new UnknownRecipientError('that is a secret key, not a recipient; never hand it to anybody.')
  const named = contacts.filter(contact => contact.name === text)
  const [contact] = named
  if (contact && named.every(other => other.pubkey === contact.pubkey)) return contact.pubkey
  const shown = JSON.stringify(text.slice(0, 80))
  if (contact) throw new UnknownRecipientError(`several contacts are called ${shown}; name one by its npub.`)
  if (text.includes('@') || /^[^\s/]+\.[a-z]{2,}$/i.test(text))
    throw new UnknownRecipientError(
      `${shown} looks like an internet name (NIP-05), which is not looked up yet; use the npub.`,
    )
  const names = contacts.map(({ name }) => name).slice(0, 12)
  throw new UnknownRecipientError(
    `nobody is called ${shown}; ${names.length ? `contacts here: ${names.join(', ')}.` : 'there are no contacts here.'} An npub or 64 hex characters work too.`,
  )
}

function fromNpub(text: string): string {
  try {
    const decoded = nip19.decode(text)
    if (decoded.type === 'npub' && isHex64(decoded.data)) return decoded.data
  } catch {
    // Falls through to the same message: the decoder's own adds nothing.
  }
  throw new UnknownRecipientError(
    `${JSON.stringify(text.slice(0, 80))} is not a valid npub; a character may be missing.`,
  )
}
