import { memoryTable, type OpenTable, type Table } from '../tables.ts'
import { type CopyRow, createCopyIndex, isGivenUp } from './memory-copies.ts'
import { createMemorySeen } from './memory-seen.ts'
import { createMemoryStrangers, type Work } from './memory-strangers.ts'
import { withReceipt } from './receipt-order.ts'
import type { FeedKey, MailStore, OutgoingMail, Position, RelayNote, StoredMail, WorkQuery } from './store.ts'
import { isWithin } from './topic.ts'
import type { Delivery, Receipt } from './types.ts'

const withoutState = ({ delivery, copies, settledMs, waitsSinceMs, ...mail }: Row) => mail

/** Positions kept per feed and scope: a few past epochs are tried when a relay has lost its newest. */
export const KEPT_POSITIONS = 8

/** Keys whose relays are remembered. */
export const RELAY_NOTES = 1_000

interface Row extends OutgoingMail {
  readonly ordinal: number
  readonly delivery: Delivery
  readonly copies: readonly CopyRow[]
  readonly settledMs?: number | undefined
  readonly waitsSinceMs?: number | undefined
}

const QUEUED: Delivery = Object.freeze({ state: 'queued' })

/**
 * Mail in tables. By default it lasts as long as the object, for tests and simulations, and a closed one can go on being used
 * (a restart in a simulation); with tables that persist themselves it is the store of a browser.
 */
export function createMemoryMailStore(openTable: OpenTable = memoryTable): MailStore {
  const inbox = openTable<Work>('inbox')
  const outbox = openTable<Row>('outbox')
  const feeds = openTable<readonly Position[]>('feeds')
  const receipts = openTable<readonly Receipt[]>('receipts')
  const counts = { queue: 0, unread: 0, undelivered: 0, failed: 0 }
  let unaddressed = 0
  counted(inbox, ({ stranger, read, state }, by) => {
    if (stranger === 'held') return
    if (!read) counts.unread += by
    if (state === 'set-aside') counts.failed += by
  })
  counted(outbox, (row, by) => {
    if (isGivenUp(row)) counts.undelivered += by
    if (row.delivery.state === 'queued') {
      counts.queue += by
      if (row.copies.length === 0) unaddressed += by
    }
  })
  const { drop, displace, ...strangers } = createMemoryStrangers(openTable, inbox)
  const { see, ...seen } = createMemorySeen(openTable)
  let lastIn = lastOrdinal(inbox)
  let lastOut = lastOrdinal(outbox)
  const relayNotes = openTable<RelayNote>('relay-notes')
  const copies = createCopyIndex(
    outbox,
    id => receipts.get(id) ?? [],
    id => receipts.delete(id),
  )
  const feedKey = ({ relay, filter }: FeedKey) => JSON.stringify([relay, filter])
  const mails = () => [...inbox.values()]
  const change = (id: string, change: Partial<Work>) => {
    const mail = inbox.get(id)
    if (mail) inbox.set(id, Object.freeze({ ...mail, ...change }))
  }
  /** False if it is not set aside. */
  const leaveAside = (id: string, to: Partial<Work>): boolean => {
    const isAside = inbox.get(id)?.state === 'set-aside'
    if (isAside) change(id, to)
    return isAside
  }
  const listed = () => mails().filter(mail => mail.stranger !== 'held')
  const waitsFor =
    ({ act, schema, notSchemas, topics, from, notFrom }: Omit<WorkQuery, 'nowMs'>) =>
    (mail: Work) =>
      (topics ? isWithin(mail.topic, topics) : mail.topic === undefined && mail.act === act) &&
      (schema === undefined ? !notSchemas?.includes(mail.schema ?? '') : mail.schema === schema) &&
      (from === undefined || from.includes(mail.from)) &&
      !notFrom?.includes(mail.from)
  const isDue = (mail: Work, nowMs: number) => mail.state === 'new' || (mail.state === 'failed' && mail.dueMs <= nowMs)

  const sent = () => [...outbox.values()]
  const due = () => mails().filter(mail => mail.receiptDue)
  const page = (fits: (row: Row) => boolean, limit?: number) =>
    sent()
      .filter(row => row.delivery.state === 'queued' && fits(row))
      .slice(0, limit)
      .map(withoutState)

  const store: MailStore = {
    ...strangers,
    ...seen,
    record({ feed, mail, position, receipts: told = [], dropped = [], displaced = [], seen = [], nowMs }) {
      const added: StoredMail[] = []
      for (const one of mail) {
        if (inbox.has(one.id)) continue
        lastIn += 1
        const row = Object.freeze({
          ...one,
          ordinal: lastIn,
          read: false,
          state: 'new',
          attempts: 0,
          dueMs: 0,
        } as const)
        inbox.set(one.id, row)
        added.push(row)
      }
      for (const receipt of told) {
        if (outbox.get(receipt.of)?.to !== receipt.from) continue
        const known = receipts.get(receipt.of) ?? []
        const all = withReceipt(known, receipt)
        if (all === known) continue
        receipts.set(receipt.of, Object.freeze(all))
        copies.told(receipt.of, nowMs ?? receipt.at * 1000)
      }
      displace(displaced)
      drop(dropped)
      see(seen)
      if (position) {
        const kept = feeds.get(feedKey(feed)) ?? []
        const others = kept.filter(({ scope, epoch }) => scope !== position.scope || epoch !== position.epoch)
        const sameScope = others.filter(({ scope }) => scope === position.scope).slice(0, KEPT_POSITIONS - 1)
        const rest = others.filter(other => other.scope !== position.scope || sameScope.includes(other))
        feeds.set(feedKey(feed), Object.freeze([Object.freeze({ ...position }), ...rest]))
      }
      return added
    },
    positions: feed => [...(feeds.get(feedKey(feed)) ?? [])],
    get: id => inbox.get(id),
    find: (prefix, limit) => startingWith(mails(), prefix, limit),
    list({ unread, from, state, held = false, after, limit }) {
      const found = mails().filter(
        mail =>
          (!unread || !mail.read) &&
          (from === undefined || mail.from === from) &&
          (state === undefined || mail.state === state) &&
          held === (mail.stranger === 'held') &&
          (after === undefined || mail.ordinal > after),
      )
      if (limit === undefined) return found
      return after === undefined ? found.slice(Math.max(0, found.length - limit)) : found.slice(0, limit)
    },
    repliesTo: (id, after) => mails().filter(mail => mail.replyTo === id && mail.ordinal > after),
    markRead: id => change(id, { read: true }),
    counts: () => ({ ...counts }),
    unreadSenders: () => [...new Set(listed().flatMap(mail => (mail.read ? [] : [mail.from])))],
    nextWork({ nowMs, ...query }) {
      const waits = waitsFor(query)
      let next: Work | undefined
      for (const mail of inbox.values())
        if (mail.stranger !== 'held' && isDue(mail, nowMs) && waits(mail) && (!next || rank(mail) > rank(next)))
          next = mail
      return next
    },
    nextDueMs(afterMs = -1) {
      let next: number | undefined
      for (const { state, dueMs } of inbox.values())
        if (state === 'failed' && dueMs > afterMs && (next === undefined || dueMs < next)) next = dueMs
      return next
    },
    countWork(query) {
      const waits = waitsFor(query)
      return listed().filter(mail => WAITING.has(mail.state) && waits(mail)).length
    },
    unhandled: ({ except, from, limit }) =>
      listed()
        .filter(mail => mail.state === 'new' && !mail.read && mail.topic === undefined && !except.includes(mail.act))
        .filter(mail => from === undefined || from.includes(mail.from))
        .slice(0, limit),
    beginWork(id) {
      const attempts = (inbox.get(id)?.attempts ?? 0) + 1
      change(id, { state: 'working', attempts })
      return attempts
    },
    endWork(id, { dueMs = 0, receipted, ...result }, outgoing = []) {
      change(id, {
        ...result,
        dueMs,
        ...(result.state === 'done' ? { read: true } : {}),
        ...(receipted ? { receiptDue: false } : {}),
      })
      for (const mail of outgoing) store.enqueue(mail)
    },
    reopenWork() {
      const interrupted = mails().filter(({ state }) => state === 'working')
      for (const { id } of interrupted) change(id, { state: 'failed', dueMs: 0, error: 'interrupted' })
      return interrupted.length
    },
    finished: (from, idem) =>
      mails().find(
        mail => mail.from === from && mail.idem === idem && (mail.state === 'done' || mail.state === 'set-aside'),
      ),
    receiptsDue: limit => due().slice(0, limit),
    receiptsDueCount: () => due().length,
    acknowledge(ids, outgoing) {
      for (const id of ids) change(id, { receiptDue: false })
      for (const mail of outgoing) store.enqueue(mail)
    },
    receipts: id => receipts.get(id) ?? [],
    retry: id => leaveAside(id, { state: 'new', attempts: 0, dueMs: 0 }),
    dismiss: id => leaveAside(id, { state: 'dropped', read: true }),

    enqueue(mail) {
      if (outbox.has(mail.id)) return
      lastOut += 1
      outbox.set(mail.id, Object.freeze({ ...mail, ordinal: lastOut, delivery: QUEUED, copies: [] }))
    },
    queued: (after, limit, to) => page(row => row.ordinal > after && (to === undefined || row.to === to), limit),
    expiring: limit =>
      page(({ expires }) => expires !== undefined)
        .sort(({ expires: a = 0 }, { expires: b = 0 }) => a - b)
        .slice(0, limit),
    unaddressed: (after, limit) =>
      unaddressed === 0 ? [] : page(row => row.copies.length === 0 && row.ordinal > after, limit),
    address: copies.address,
    waiting: copies.waiting,
    waitingRelays: copies.waitingRelays,
    copies: copies.of,
    settle: copies.settle,
    overdue: copies.overdue,
    recount: copies.recount,
    prune: copies.prune,
    delivery: id => outbox.get(id)?.delivery,
    sent(id) {
      const row = outbox.get(id)
      return row && outgoingOf(row)
    },
    findSent: (prefix, limit) => startingWith(sent(), prefix, limit).map(outgoingOf),
    sentAs: (to, idem) => sent().find(row => row.to === to && row.idem === idem)?.id,
    refused: () => sent().filter(isGivenUp).map(outgoingOf),
    redate: copies.redate,
    requeue: copies.requeue,
    forget: copies.forget,
    recipient: id => outbox.get(id)?.to,
    unheard: copies.unheard,
    awaiting: copies.awaiting,
    awaitingFrom: copies.awaitingFrom,
    acknowledged: copies.acknowledged,
    carryOver: copies.carryOver,
    relayNote: pubkey => relayNotes.get(pubkey),
    keepRelayNote(pubkey, note) {
      relayNotes.delete(pubkey)
      relayNotes.set(pubkey, Object.freeze({ ...note }))
      const [oldest] = relayNotes.size > RELAY_NOTES ? relayNotes.keys() : []
      if (oldest !== undefined) relayNotes.delete(oldest)
    },
    close() {},
  }
  return store
}

/** Counts each row of a table in, and out again once it is replaced or gone. */
function counted<Row extends object>(table: Table<Row>, count: (row: Readonly<Row>, by: number) => void): void {
  const { set, delete: remove } = table
  const tally = (row: Readonly<Row> | undefined, by: number) => row && count(row, by)
  for (const row of table.values()) tally(row, 1)
  table.set = (key, row) => {
    tally(table.get(key), -1)
    tally(row, 1)
    return set.call(table, key, row)
  }
  table.delete = key => {
    tally(table.get(key), -1)
    return remove.call(table, key)
  }
}

const WAITING: ReadonlySet<string> = new Set(['new', 'working', 'failed'])
const RANKS = { high: 2, normal: 1, low: 0 } as const
const rank = ({ priority = 'normal' }: StoredMail): number => RANKS[priority]

const outgoingOf = (row: Row): OutgoingMail => {
  const { ordinal, ...mail } = withoutState(row)
  return mail
}

const startingWith = <Row extends { readonly id: string }>(
  rows: readonly Row[],
  prefix: string,
  limit: number,
): Row[] => rows.filter(({ id }) => id.startsWith(prefix)).slice(0, limit)

const lastOrdinal = (rows: ReadonlyMap<string, { readonly ordinal: number }>): number => {
  let last = 0
  for (const { ordinal } of rows.values()) last = Math.max(last, ordinal)
  return last
}
