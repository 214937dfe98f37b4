import { receivedAt } from '../mail/memory-copies.ts'
import type { Mail, OutgoingMail, ReceiptDue, StoredMail } from '../mail/store.ts'
import type { Delivery, Priority, Receipt, WorkState } from '../mail/types.ts'

export interface InboxRow {
  ordinal: number
  id: string
  sender: string
  text: string
  act: string
  at: number
  root: string | null
  reply_to: string | null
  private: number
  content_type: string | null
  deadline: number | null
  seq: number | null
  relay: string
  error: string | null
  event: string
  read: number
  state: WorkState
  attempts: number
  topic: string | null
  idem: string | null
  schema: string | null
  priority: number
  envelope: string
  receipt_due: number
  stranger: 'listed' | 'held' | null
  result: string | null
}

export interface OutboxRow {
  state: 'queued' | 'stored' | 'refused' | 'expired' | 'undeliverable' | 'received'
  settled_ms: number | null
  relay: string | null
  seq: number | null
  reason: string | null
}

export interface SentRow {
  id: string
  recipient: string
  event: string
  expires: number | null
  idem: string | null
  seal: string | null
}

const PRIORITIES: Readonly<Record<Priority, number>> = { high: 1, normal: 0, low: -1 }
const priorityOf = (rank: number): Priority => (rank > 0 ? 'high' : 'low')

/** The parameters under which a message is inserted. All by name: thousands come in a row, and a shape of its own for each costs more than writing it. */
export const ofMail = (mail: Mail) => ({
  id: mail.id,
  from: mail.from,
  text: mail.text,
  act: mail.act,
  at: mail.at,
  root: mail.root ?? null,
  replyTo: mail.replyTo ?? null,
  private: mail.private ? 1 : 0,
  contentType: mail.contentType ?? null,
  deadline: mail.deadline ?? null,
  seq: mail.seq ?? null,
  relay: mail.relay,
  error: mail.error ?? null,
  event: mail.event,
  topic: mail.topic ?? null,
  idem: mail.idem ?? null,
  schema: mail.schema ?? null,
  priority: PRIORITIES[mail.priority ?? 'normal'],
  envelope: envelopeText(mail),
  receiptDue: mail.receiptDue ? 1 : 0,
  stranger: mail.stranger ?? null,
})

/** What is never searched for; JSON leaves out what is not there. */
const envelopeText = ({ hop, budget, spent, traceparent, wrap }: Mail): string =>
  JSON.stringify({ hop, budget, spent, traceparent, wrap })

/** A message that was just inserted, as {@link toMail} would read it. */
export const asStored = (mail: Mail, ordinal: number): StoredMail =>
  Object.freeze({ ...mail, ordinal, read: false, state: 'new', attempts: 0 })

export function toMail(row: InboxRow): StoredMail {
  return Object.freeze({
    ...JSON.parse(row.envelope),
    ordinal: row.ordinal,
    id: row.id,
    from: row.sender,
    text: row.text,
    act: row.act,
    at: row.at,
    private: row.private === 1,
    relay: row.relay,
    event: row.event,
    read: row.read === 1,
    state: row.state,
    attempts: row.attempts,
    ...(row.root === null ? {} : { root: row.root }),
    ...(row.reply_to === null ? {} : { replyTo: row.reply_to }),
    ...(row.content_type === null ? {} : { contentType: row.content_type }),
    ...(row.deadline === null ? {} : { deadline: row.deadline }),
    ...(row.seq === null ? {} : { seq: row.seq }),
    ...(row.error === null ? {} : { error: row.error }),
    ...(row.topic === null ? {} : { topic: row.topic }),
    ...(row.idem === null ? {} : { idem: row.idem }),
    ...(row.schema === null ? {} : { schema: row.schema }),
    ...(row.priority === 0 ? {} : { priority: priorityOf(row.priority) }),
    ...(row.receipt_due === 0 ? {} : { receiptDue: true }),
    ...(row.stranger === null ? {} : { stranger: row.stranger }),
    ...(row.result === null ? {} : { result: JSON.parse(row.result) }),
  })
}

export function toReceiptDue(row: Pick<InboxRow, 'id' | 'sender' | 'private' | 'envelope'>): ReceiptDue {
  const { wrap } = JSON.parse(row.envelope) as Pick<Mail, 'wrap'>
  return { id: row.id, from: row.sender, private: row.private === 1, ...(wrap === undefined ? {} : { wrap }) }
}

export const toSent = ({ id, recipient, event, expires, idem, seal }: SentRow): OutgoingMail => ({
  id,
  to: recipient,
  event,
  ...(expires === null ? {} : { expires }),
  ...(idem === null ? {} : { idem }),
  ...(seal === null ? {} : { seal }),
})

export interface ReceiptRow {
  message: string
  state: Receipt['state']
  id: string
  at: number
  text: string | null
  private: number
  recipient: string
}

export const toReceipt = (row: ReceiptRow): Receipt =>
  Object.freeze({
    id: row.id,
    of: row.message,
    from: row.recipient,
    state: row.state,
    at: row.at,
    ...(row.text === null ? {} : { text: row.text }),
    private: row.private === 1,
  })

export function toDelivery(row: OutboxRow | undefined): Delivery | undefined {
  switch (row?.state) {
    case undefined:
      return undefined
    case 'queued':
    case 'expired':
      return Object.freeze({ state: row.state })
    case 'received':
      return receivedAt(row.settled_ms ?? 0)
    case 'undeliverable':
      return Object.freeze({ state: 'undeliverable', reason: row.reason ?? '' })
    case 'stored':
      return Object.freeze({
        state: 'stored',
        relay: row.relay ?? '',
        ...(row.seq === null ? {} : { seq: row.seq }),
      })
    case 'refused':
      return Object.freeze({ state: 'refused', relay: row.relay ?? '', reason: row.reason ?? '' })
  }
}
