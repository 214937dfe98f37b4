import { type Clock, seconds } from '../platform/clock.ts'
import type { AgentCards } from './card/types.ts'
import type { AgentContacts } from './contacts/index.ts'
import { ContactError, InviteError, ProfileError } from './errors.ts'
import type { MaybePromise } from './identity/signer.ts'
import type { InviteLedger } from './invites/ledger.ts'
import type { TakeUp } from './invites/take-up.ts'
import type { Life } from './life.ts'
import type { MailStore, OutgoingMail } from './mail/store.ts'
import type { Delivery } from './mail/types.ts'
import { type HandedMail, type Order, statusOf } from './orders.ts'
import type { AgentPresence } from './presence/index.ts'
import type { AgentStates } from './state/agent-state.ts'

export interface ObeyingOptions {
  readonly store: MailStore
  readonly clock: Clock
  readonly life: Life
  readonly ledger: InviteLedger
  readonly contacts: AgentContacts
  readonly card: Pick<AgentCards, 'set'>
  readonly presence: Pick<AgentPresence, 'set'>
  readonly state: AgentStates['state']
  /** Whoever invited us is known, and reached, from now on. */
  meet(taken: Pick<TakeUp, 'contact' | 'added'>): MaybePromise<unknown>
  /** A key was said to read there. */
  hint(pubkey: string, relays: readonly string[]): void
  /** Only where orders can come. */
  aboutDocument?(order: Readonly<Record<string, unknown>>): void
  onQueued(mail: OutgoingMail): void
  /** Tells it now, without keeping it. */
  express(mails: readonly OutgoingMail[]): Promise<void>
  /** What became of it. */
  told(id: string): Delivery | undefined
}

/** What other programs of the home, which has one writer, have this agent do. */
export interface Obeying {
  /** Takes over an event that was signed elsewhere with this agent's key. False once it is closing. */
  adopt(mail: HandedMail): boolean
  /** Tells an ephemeral message that was signed elsewhere; nobody is there to hear what became of it. */
  tell(mail: HandedMail): Promise<Delivery | undefined>
  /** What cannot be done any more is let go. False once it is closing. */
  obey(order: Order): boolean
}

export function createObeying(options: ObeyingOptions): Obeying {
  const { store, clock, life, ledger, contacts, card, presence, state } = options

  function adopt({ hints = [], ...mail }: HandedMail): boolean {
    if (life.isClosing) return false
    options.hint(mail.to, hints)
    store.enqueue(mail)
    options.onQueued(mail)
    return true
  }

  function carryOut(order: Order): void {
    if ('invite' in order) ledger.add(order.invite, seconds(clock))
    else if ('revoke' in order) ledger.revoke(order.revoke, seconds(clock))
    else if ('card' in order) void card.set(order.card).catch(() => {})
    else if ('presence' in order) void presence.set(statusOf(order.presence)).catch(() => {})
    else if ('state' in order) {
      // What is malformed is refused here as anywhere.
      void (order.private ? state.private : state).update(order.state).catch(() => {})
    } else if ('doc' in order) options.aboutDocument?.(order.doc)
    else if ('meet' in order) {
      options.meet({ contact: order.meet, added: order.added })
      adopt(order.mail)
    } else if (order.contact === 'add') contacts.add(order.name, order.pubkey, { relays: order.relays })
    else contacts[order.contact](order.pubkey)
  }

  return {
    adopt,
    async tell({ hints = [], ...mail }) {
      options.hint(mail.to, hints)
      // A refusal is what became of it.
      await options.express([mail]).catch(() => {})
      return options.told(mail.id)
    },
    obey(order) {
      if (life.isClosing) return false
      try {
        carryOut(order)
      } catch (error) {
        // The list is full, say, or the name was given to somebody else meanwhile.
        if (!(error instanceof ContactError || error instanceof InviteError || error instanceof ProfileError))
          throw error
      }
      return true
    },
  }
}
