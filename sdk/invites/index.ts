import { seconds } from '../../platform/clock.ts'
import type { Contact, Host } from '../api.ts'
import type { Signer } from '../identity/signer.ts'
import { loadSeldom } from '../load-seldom.ts'
import type { MailStore } from '../mail/store.ts'
import type { Invite, InviteLedger } from './ledger.ts'
import type { CreatedInvite, InviteTerms } from './make.ts'
import type { TakeUp } from './take-up.ts'

export type { CreatedInvite, Invite, InviteTerms }

export interface AcceptedInvite {
  /** The message that tells the inviter: see `delivery(id)` and `receipts(id)`. */
  readonly id: string
  /** Who invited, a contact from now on. */
  readonly contact: Contact
  /** Where they read mail; this agent's relays too from now on. */
  readonly relays: readonly string[]
}

/** How two agents that never met become contacts: a text handed over on any way, no secret kept afterwards. */
export interface AgentInvites {
  /**
   * An invite to hand over. `relayCode`: the first relay is for members and this agent owns it; a code to join it is fetched and
   * goes with the text. Throws InviteError, RangeError; with `relayCode` RelayUnreachableError, RelayRefusedError.
   */
  create(terms?: InviteTerms & { readonly relayCode?: boolean }): Promise<CreatedInvite>
  /**
   * Makes the inviter a contact and its relays this agent's at once, and tells it, asleep or not. `name` is what to call it here
   * (default: its own word, if free). A code for a relay is used first, which needs that relay. Throws InviteError, ContactError,
   * ProfileError, RelayUnreachableError, RelayRefusedError; then nothing was changed.
   */
  accept(text: string, options?: { readonly name?: string }): Promise<AcceptedInvite>
  /** What was given out, newest first; ended ones for a month. */
  list(): readonly Invite[]
  /** By id or its beginning (4 characters). False if no open invite has it. Who has accepted it already stays a contact. */
  revoke(id: string): boolean
}

export interface InvitesOptions extends Host {
  readonly name: string
  readonly signer: Signer
  readonly ledger: InviteLedger
  readonly store: Pick<MailStore, 'refused' | 'copies'>
  /** Queues a dead letter once more. */
  again(id: string): unknown
  readonly allowPrivate?: boolean | undefined
  relays(): readonly string[]
  contacts(): readonly Contact[]
  /** Throws AgentClosedError. */
  ensureOpen(): void
  /** Contact and relays first, then the message; resolves to its id. */
  enter(taken: TakeUp): Promise<string>
}

/** What making and accepting needs is loaded when it is first used: most agents meet nobody new. */
export function createInvites(options: InvitesOptions): AgentInvites {
  const { ledger, clock } = options
  return {
    async create(terms = {}) {
      options.ensureOpen()
      return (await loadSeldom()).createInvite(options, terms)
    },
    async accept(text, how = {}) {
      options.ensureOpen()
      return (await loadSeldom()).acceptInvite(options, text, how.name)
    },
    list: () => ledger.list(seconds(clock)),
    revoke: id => ledger.revoke(id, seconds(clock)),
  }
}
