import { isHex64 } from '../protocol/hex.ts'
import { isRecord, own } from '../protocol/json.ts'
import type { Contact } from './api.ts'
import type { CardDraft } from './card/draft.ts'
import { type InviteRecord, readRecord } from './invites/ledger.ts'
import type { OutgoingMail } from './mail/store.ts'
import type { PresenceStatus } from './presence/status.ts'
import type { Json } from './state/owned/record.ts'

/** A message that was signed elsewhere for this agent to send, and relays that were named beside its recipient, unchecked. */
export interface HandedMail extends OutgoingMail {
  readonly hints?: readonly string[]
}

/** What another program of the same home has the running agent do, because a home has one writer. */
export type Order =
  | { readonly contact: 'add'; readonly name: string; readonly pubkey: string; readonly relays?: readonly string[] }
  | { readonly contact: 'remove' | 'allow' | 'deny'; readonly pubkey: string }
  | { readonly invite: InviteRecord }
  /** Id of an invite. */
  | { readonly revoke: string }
  | { readonly card: CardDraft }
  /** Null takes back what was said before. */
  | { readonly presence: PresenceChange }
  /** Changes to the own state, or the private one; null removes. */
  | { readonly state: Readonly<Record<string, Json>>; readonly private: boolean }
  /** About a shared document ({@link ./doc/orders.ts}); whoever obeys reads it. */
  | { readonly doc: Readonly<Record<string, unknown>> }
  /** An invite was accepted: whom to know, relays to add, and what tells the inviter. */
  | { readonly meet: Contact; readonly added: readonly string[]; readonly mail: OutgoingMail }

/** What `presence.set` takes, as JSON can say it. */
export type PresenceChange = { readonly [Field in keyof PresenceStatus]: PresenceStatus[Field] | null }

/** Reads an order from outside; `readMail` judges the mail in it. Undefined if it is none. */
export function parseOrder(
  value: Record<string, unknown>,
  readMail: (value: unknown) => OutgoingMail | undefined,
): Order | undefined {
  const [contact, name, pubkey, revoke] = ['contact', 'name', 'pubkey', 'revoke'].map(field => own(value, field))
  if (contact === 'add' && typeof name === 'string' && isHex64(pubkey))
    return { contact, name, pubkey, ...hintsOf(value) }
  if ((contact === 'remove' || contact === 'allow' || contact === 'deny') && isHex64(pubkey)) return { contact, pubkey }
  if (typeof revoke === 'string') return { revoke }
  const invite = readRecord(own(value, 'invite'))
  if (invite) return { invite }
  const [card, presence] = [own(value, 'card'), own(value, 'presence')]
  // Whoever obeys judges the fields, as of any other caller.
  if (isRecord(card)) return { card }
  if (isRecord(presence)) return { presence }
  const doc = own(value, 'doc')
  if (isRecord(doc)) return { doc }
  const state = own(value, 'state')
  if (isRecord(state)) return { state: state as Record<string, Json>, private: own(value, 'private') === true }
  const [meet, added, mail] = [own(value, 'meet'), own(value, 'added'), readMail(own(value, 'mail'))]
  if (!isRecord(meet) || !Array.isArray(added) || !added.every(isText) || !mail) return undefined
  const [called, key] = [own(meet, 'name'), own(meet, 'pubkey')]
  return isText(called) && isHex64(key)
    ? { meet: { name: called, pubkey: key, ...hintsOf(meet) }, added, mail }
    : undefined
}

/** Addresses are judged by who keeps and who dials them. */
function hintsOf(value: Record<string, unknown>): { readonly relays?: readonly string[] } {
  const relays = own(value, 'relays')
  return Array.isArray(relays) && relays.every(isText) ? { relays } : {}
}

const isText = (value: unknown): value is string => typeof value === 'string'

/** As `presence.set` takes it: what is undefined is taken back. */
export const statusOf = (change: PresenceChange): PresenceStatus =>
  Object.fromEntries(Object.entries(change).map(([field, value]) => [field, value ?? undefined]))
