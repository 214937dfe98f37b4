import type { MailStore } from 'posthorn'
import type { NostrEvent } from 'posthorn/protocol'
import type { MailSnapshot } from 'posthorn/testing'

/** A home's mail as it lies in its store, read without the agent. */
export interface Mailbox {
  /** In order of arrival. */
  readonly inbox: readonly NonNullable<ReturnType<MailStore['get']>>[]
  readonly outbox: readonly Sent[]
  /** Newest first, of each feed. */
  readonly feeds: readonly { readonly relay: string; readonly positions: ReturnType<MailStore['positions']> }[]
  /** Rows of every table, by its name. */
  readonly sizes: Readonly<Record<string, number>>
}

export interface Sent {
  readonly id: string
  readonly to: string
  readonly event: NostrEvent
  readonly state: string
  readonly copies: readonly { readonly relay: string; readonly state: string }[]
}

interface SentRow extends Pick<Sent, 'id' | 'to' | 'copies'> {
  readonly event: string
  readonly delivery: { readonly state: string }
}

/** Rows are replaced, never changed, and most are looked at many times. */
const read = new WeakMap<SentRow, Sent>()

function sentOf(row: SentRow): Sent {
  const known = read.get(row)
  if (known) return known
  const { id, to, copies, delivery } = row
  const sent = { id, to, copies, event: JSON.parse(row.event) as NostrEvent, state: delivery.state }
  read.set(row, sent)
  return sent
}

/** Snapshots of mail that nothing has changed are one. */
const mailboxes = new WeakMap<MailSnapshot, Mailbox>()

export function mailboxOf(snapshot: MailSnapshot): Mailbox {
  const known = mailboxes.get(snapshot)
  if (known) return known
  const mailbox = readMailbox(snapshot)
  mailboxes.set(snapshot, mailbox)
  return mailbox
}

function readMailbox({ rows }: MailSnapshot): Mailbox {
  const table = <Row>(name: string) => (rows.get(name) ?? new Map()) as ReadonlyMap<string, Row>
  return {
    inbox: [...table<Mailbox['inbox'][number]>('inbox').values()],
    outbox: [...table<SentRow>('outbox').values()].map(sentOf),
    feeds: [...table<ReturnType<MailStore['positions']>>('feeds')].map(([key, positions]) => ({
      relay: String((JSON.parse(key) as unknown[])[0]),
      positions,
    })),
    sizes: Object.fromEntries([...rows].map(([name, { size }]) => [name, size])),
  }
}
