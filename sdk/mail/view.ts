import type { Contact, InboxQuery, MailStatus } from '../api.ts'
import { AmbiguousIdError } from '../errors.ts'
import { bestCopy } from '../relays/whereabouts.ts'
import { resolveRecipient } from '../sending/recipient.ts'
import { deliveryWith } from './receipt-order.ts'
import type { Mail, MailStore, StoredMail } from './store.ts'
import type { Delivery, InboxEntry, IncomingMessage, MailRoute, SentEntry } from './types.ts'

const SHORTEST_PREFIX = 8

/** Stored mail as one agent sees it: senders named by its contacts of today. */
export interface View {
  message(mail: Mail): IncomingMessage
  entry(mail: StoredMail): InboxEntry
  inbox(store: MailStore, query: InboxQuery): InboxEntry[]
  counts(store: MailStore): MailStatus
  /** What became of a sent message, recipients' receipts and deadlines included. */
  delivery(store: MailStore, id: string, nowMs: number): Delivery | undefined
  /** By full id or a unique prefix of at least 8 characters. Throws AmbiguousIdError. */
  sent(store: MailStore, id: string, nowMs: number): SentEntry | undefined
  contacts(): readonly Contact[]
  /** Contacts' keys, accepted strangers', and the agent's own. */
  readonly knownKeys: () => readonly string[]
}

export function createView(
  pubkey: string,
  contacts: () => readonly Contact[],
  accepted: () => readonly string[] = () => [],
  /** Why a relay was given mail for a key. */
  routeOver?: (to: string, url: string) => MailRoute,
): View {
  const knownKeys = () => [...new Set([pubkey, ...contacts().map(contact => contact.pubkey), ...accepted()])]

  function fields(mail: Mail & Partial<StoredMail>): IncomingMessage {
    const contact = contacts().find(each => each.pubkey === mail.from)
    const { ordinal, event, read, state, attempts, error, receiptDue, stranger, result, ...message } = mail
    return {
      ...message,
      known: contact !== undefined || mail.from === pubkey || accepted().includes(mail.from),
      ...(contact ? { fromName: contact.name } : {}),
    }
  }

  const view: View = {
    message: mail => Object.freeze(fields(mail)),
    entry: mail =>
      Object.freeze({
        ...fields(mail),
        arrival: mail.ordinal,
        read: mail.read,
        state: mail.state,
        attempts: mail.attempts,
        ...(mail.error === undefined ? {} : { error: mail.error }),
      }),
    inbox(store, { unread, after, limit, from }) {
      const sender = from === undefined ? {} : { from: resolveRecipient(from, contacts()) }
      return store
        .list({
          ...sender,
          ...(unread === undefined ? {} : { unread }),
          ...(after === undefined ? {} : { after }),
          ...(limit === undefined ? {} : { limit }),
        })
        .map(view.entry)
    },
    counts(store) {
      const known = new Set(knownKeys())
      const unknownSenders = store.unreadSenders().filter(sender => !known.has(sender)).length
      return { ...store.counts(), unknownSenders }
    },
    delivery(store, id, nowMs) {
      const base = store.delivery(id)
      const told = base && deliveryWith(base, store.receipts(id), { expires: store.sent(id)?.expires, nowMs })
      const to = told?.state === 'stored' ? store.recipient(id) : undefined
      if (told?.state !== 'stored' || to === undefined || !routeOver) return told
      return Object.freeze({ ...told, ...bestCopy(store.copies(id), url => routeOver(to, url)), state: 'stored' })
    },
    sent(store, id, nowMs) {
      const mail = oneOf(id, { get: store.sent, find: store.findSent })
      const delivery = mail && view.delivery(store, mail.id, nowMs)
      if (!mail || !delivery) return undefined
      const contact = contacts().find(({ pubkey: key }) => key === mail.to)
      return Object.freeze({
        id: mail.id,
        to: mail.to,
        ...(contact ? { toName: contact.name } : {}),
        delivery,
        receipts: store.receipts(mail.id),
        copies: store.copies(mail.id),
      })
    },
    contacts,
    knownKeys,
  }
  return view
}

/** By full id or a unique prefix of at least 8 characters. Throws {@link AmbiguousIdError}. */
export const findOne = (store: MailStore, id: string): StoredMail | undefined =>
  oneOf(id, { get: store.get, find: store.find })

function oneOf<T>(
  id: string,
  { get, find }: { get(id: string): T | undefined; find(prefix: string, limit: number): readonly T[] },
): T | undefined {
  if (!/^[0-9a-f]+$/.test(id)) return undefined
  if (id.length === 64) return get(id)
  if (id.length < SHORTEST_PREFIX)
    throw new AmbiguousIdError(`give at least ${SHORTEST_PREFIX} characters of the id, not ${id.length}.`)
  const [found, second] = find(id, 2)
  if (second) throw new AmbiguousIdError(`several messages begin with ${id}; give more characters.`)
  return found
}
