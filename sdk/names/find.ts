import type { Contact } from '../api.ts'
import type { MaybePromise } from '../identity/signer.ts'
import { isCalled, relaysIn, resolveRecipient } from '../sending/recipient.ts'
import { type Found, parseInternetName } from './internet-name.ts'
import type { NameBook } from './name-book.ts'

/**
 * Whom `who` names: npub, nprofile, 64 hex, a contact's name, or an internet name (NIP-05), for which alone anything is waited for.
 * Throws UnknownRecipientError, rejects with NameLookupError.
 */
export function findRecipient(who: string, contacts: readonly Contact[], names: NameBook): MaybePromise<Found> {
  const text = who.trim()
  const name = isCalled(text, contacts) ? undefined : parseInternetName(text)
  return name === undefined ? { pubkey: resolveRecipient(text, contacts), relays: relaysIn(text) } : names.find(name)
}
