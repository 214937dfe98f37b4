import { type Clock, seconds } from '../../platform/clock.ts'
import { parseReason } from '../../protocol/reasons.ts'
import type { Contact } from '../api.ts'
import { type Body, json } from '../body.ts'
import { freeName } from '../contacts/free-name.ts'
import { ContactError, InviteError } from '../errors.ts'
import type { Copy } from '../mail/store.ts'
import { checkName, DEFAULT_PROFILE } from '../profile-name.ts'
import { MAX_RELAYS } from '../relay-url.ts'
import { allowsPrivate, foreignRelay } from '../relays/addresses.ts'
import { ACCEPT_INVITE } from './act.ts'
import type { AcceptedInvite, InvitesOptions } from './index.ts'
import { hashOf } from './ledger.ts'
import { doorOf, inviterOf, joinRelay } from './relay-code.ts'
import { parseInvite } from './text.ts'

export interface Accepter {
  readonly pubkey: string
  readonly name: string
  readonly relays: readonly string[]
  /** Default: if all own relays are on this machine or a private network. */
  readonly allowPrivate?: boolean | undefined
  readonly clock: Clock
  readonly contacts: readonly Contact[]
}

/** What accepting an invite comes to; nothing of it has been done. */
export interface TakeUp {
  readonly contact: Contact
  /** All that the invite names and may be used, normalised. */
  readonly relays: readonly string[]
  /** Those of them that are not the accepter's yet. */
  readonly added: readonly string[]
  /** A code for the first relay of the invite, which is for members. */
  readonly join?: { readonly relay: string; readonly claim: string }
  readonly body: Body
  readonly act: string
  /** Accepted twice, one message is sent. */
  readonly idem: string
}

/** Reads an invite and checks it against who accepts it; `name` is what the inviter is to be called. Throws InviteError, ProfileError. */
export function takeUp(text: string, accepter: Accepter, name?: string): TakeUp {
  const { pubkey, contacts, relays: own } = accepter
  const invite = parseInvite(text)
  if (invite.pubkey === pubkey)
    throw new InviteError('invite-own', 'this is an invite of your own; hand it to somebody else.')
  if (invite.expires <= seconds(accepter.clock))
    throw new InviteError('invite-expired', 'this invite has expired; ask for a new one.')
  const allowPrivate = allowsPrivate(accepter.allowPrivate, own)
  const relays = [...new Set(invite.relays.flatMap(url => foreignRelay(url, allowPrivate) ?? []))]
  if (relays.length === 0)
    throw new InviteError(
      'invite-relay',
      'none of its relays may be used: they are no relay addresses, or on a private network, which has to be allowed.',
    )
  const added = relays.filter(url => !own.includes(url))
  if (own.length + added.length > MAX_RELAYS)
    throw new InviteError('invite-relay', `that would be more than ${MAX_RELAYS} relays; take some out first.`)
  const known = contacts.find(each => each.pubkey === invite.pubkey)
  const called = name === undefined ? (known?.name ?? freeName(invite.name, invite.pubkey, contacts)) : checkName(name)
  if (contacts.some(each => each.name === called && each.pubkey !== invite.pubkey))
    throw new ContactError('contact-exists', `somebody else is called ${called}; choose another name for them.`)
  const first = foreignRelay(invite.relays[0] ?? '', allowPrivate)
  return {
    contact: Object.freeze({ name: called, pubkey: invite.pubkey, relays }),
    relays,
    added,
    ...(invite.claim !== undefined && first !== undefined ? { join: { relay: first, claim: invite.claim } } : {}),
    body: json({ token: invite.token, ...(accepter.name === DEFAULT_PROFILE ? {} : { name: accepter.name }) }),
    act: ACCEPT_INVITE,
    idem: `invite-${hashOf(invite.token)}`,
  }
}

/** Joins the relay that the invite has a code for, then makes the inviter a contact and tells it. Throws what `AgentInvites.accept` says. */
export async function acceptInvite(
  options: InvitesOptions,
  text: string,
  called: string | undefined,
): Promise<AcceptedInvite> {
  const accepter = { ...inviterOf(options), allowPrivate: options.allowPrivate, contacts: options.contacts() }
  const taken = takeUp(text, accepter, called)
  if (taken.join) {
    await joinRelay(taken.join.relay, taken.join.claim, doorOf(options))
    options.ensureOpen()
  }
  const id = await options.enter(taken)
  if (taken.join) offerAgain(options, taken.join.relay)
  return Object.freeze({ id, contact: taken.contact, relays: Object.freeze(taken.relays) })
}

/** What a relay refused because this key was no member of it goes out now. */
function offerAgain({ store, again }: InvitesOptions, relay: string): void {
  const isShutOut = ({ relay: url, reason = '' }: Copy) => {
    const { prefix } = parseReason(reason)
    return url === relay && (prefix === 'restricted' || prefix === 'auth-required')
  }
  for (const { id } of store.refused()) if (store.copies(id).some(isShutOut)) again(id)
}
