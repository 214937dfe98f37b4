import type { Contact } from '../api.ts'
import { UnknownRecipientError } from '../errors.ts'
import { parseInternetName } from '../names/internet-name.ts'
import { fromNprofile, npubOf, fromNpub as publicKeyIn } from '../npub.ts'

export { npubOf }

/** The public key that `to` names: npub, nprofile, 64 hex, or a contact's name. Throws {@link UnknownRecipientError}. */
export function resolveRecipient(to: string, contacts: readonly Contact[]): string {
  const text = to.trim()
  if (/^[0-9a-f]{64}$/.test(text)) return text
  if (text.startsWith('npub1') || text.startsWith('nprofile1')) return fromNpub(text)
  if (text.startsWith('nsec1'))
    throw new UnknownRecipientError('that is a secret key, not a recipient; never hand it to anybody.')
  const named = called(text, contacts)
  const [contact] = named
  if (contact && named.every(other => other.pubkey === contact.pubkey)) return contact.pubkey
  const shown = JSON.stringify(text.slice(0, 80))
  if (contact) throw new UnknownRecipientError(`several contacts are called ${shown}; name one by its npub.`)
  if (parseInternetName(text) !== undefined)
    throw new UnknownRecipientError(
      `${shown} looks like an internet name (NIP-05), which only sending and contacts.find() look up; use the npub here.`,
    )
  const names = contacts.map(({ name }) => name).slice(0, 12)
  throw new UnknownRecipientError(
    `nobody is called ${shown}; ${names.length ? `contacts here: ${names.join(', ')}.` : 'there are no contacts here.'} An npub or 64 hex characters work too.`,
  )
}

/** A profile of this machine keeps its name, also where the book has another one for it. */
function called(text: string, contacts: readonly Contact[]): readonly Contact[] {
  const named = contacts.filter(contact => contact.name === text)
  return named.length > 0 ? named : contacts.filter(contact => contact.profile === text)
}

/** Whether contacts have this name. */
export const isCalled = (text: string, contacts: readonly Contact[]): boolean => called(text, contacts).length > 0

/** Relays named beside a key, none of them checked: only an nprofile has such. */
export const relaysIn = (who: string): readonly string[] => fromNprofile(who.trim())?.relays ?? []

function fromNpub(text: string): string {
  const pubkey = publicKeyIn(text) ?? fromNprofile(text)?.pubkey
  if (pubkey !== undefined) return pubkey
  throw new UnknownRecipientError(
    `${JSON.stringify(text.slice(0, 80))} is not a valid npub or nprofile; a character may be missing.`,
  )
}
