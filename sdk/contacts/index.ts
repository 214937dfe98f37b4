import type { Contact } from '../api.ts'
import type { MaybePromise } from '../identity/signer.ts'
import type { Requests } from '../messaging.ts'
import type { Found } from '../names/internet-name.ts'
import { relaysIn } from '../sending/recipient.ts'
import { type ContactBook, mergeContacts } from './book.ts'

/** Whom this agent knows: handlers run for them, and they can be written to by name. */
export interface AgentContacts {
  /** Own contacts, and the profiles beside this one. */
  list(): readonly Contact[]
  /**
   * Whom `who` names, as where mail is sent: npub, nprofile, hex, a contact's name, or an internet name (NIP-05), which its domain is
   * asked for. Rejects with UnknownRecipientError, NameLookupError.
   */
  find(who: string): Promise<Found>
  /** `who`: npub, hex, or nprofile, whose relays are kept. What waited of theirs in the request box comes into the inbox. Throws ContactError, ProfileError (a name that is none). */
  add(name: string, who: string, hints?: { readonly relays?: readonly string[] | undefined }): void
  /** By name, npub or hex. False if it was no contact of the book. */
  remove(who: string): boolean
  /** Handlers run for this key from now on, without a name. */
  allow(who: string): void
  /** No contact any more, and what comes from this key is not kept. */
  deny(who: string): void
}

export interface ContactsOptions {
  readonly book: ContactBook
  readonly requests: Requests
  around(): readonly Contact[]
  resolve(who: string): string
  find(who: string): MaybePromise<Found>
  /** More may be known of where this key reads. */
  onAdded(pubkey: string): void
}

export function createContacts({ book, requests, around, resolve, find, onAdded }: ContactsOptions): AgentContacts {
  const list = () => mergeContacts(book.list(), around())
  return {
    list,
    find: async who => find(who),
    add(name, who, { relays = relaysIn(who) } = {}) {
      const pubkey = resolve(who)
      book.put({ name, pubkey, relays }, list())
      requests.accept(pubkey)
      if (relays.length > 0) onAdded(pubkey)
    },
    remove(who) {
      const pubkey = resolve(who)
      requests.forget(pubkey)
      return book.remove(pubkey)
    },
    allow: who => requests.accept(resolve(who)),
    deny(who) {
      const pubkey = resolve(who)
      book.remove(pubkey)
      requests.deny(pubkey)
    },
  }
}
