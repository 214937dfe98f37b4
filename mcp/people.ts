import { npubOf, resolveRecipient, UnknownRecipientError } from '../sdk/index.ts'
import type { Mailbox } from './mailbox.ts'
import { ToolError } from './tool-error.ts'

/** Characters of a recipient: an nprofile has addresses in it. */
export const MAX_WHO = 4_000

/** Contacts, and strangers that the operator has let in. A model writes to nobody else: words it read may ask it to. Of an nprofile the key alone counts, for the same reason. */
export function knownRecipient(
  mailbox: Mailbox,
  to: string,
): { readonly pubkey: string; readonly name: string | undefined } {
  const contacts = mailbox.contacts.list()
  const pubkey = resolveOrUndefined(to, contacts)
  const contact = contacts.find(each => each.pubkey === pubkey)
  if (pubkey !== undefined && contact === undefined && mailbox.inbox({ from: pubkey, limit: 1 })[0]?.known)
    return { pubkey, name: undefined }
  if (pubkey === undefined || contact === undefined)
    throw new ToolError(
      'recipient-unknown',
      'There is no such agent among the contacts. list_contacts shows them. Only the operator can add one: posthorn contact add <name> <npub>',
    )
  return { pubkey, name: contact.name }
}

function resolveOrUndefined(to: string, contacts: ReturnType<Mailbox['contacts']['list']>): string | undefined {
  try {
    return resolveRecipient(to, contacts)
  } catch (error) {
    if (error instanceof UnknownRecipientError) return undefined
    throw error
  }
}

/** Name if there is one, else the key. */
export const nameOf = (mailbox: Mailbox, pubkey: string): string =>
  mailbox.contacts.list().find(each => each.pubkey === pubkey)?.name ?? npubOf(pubkey)
