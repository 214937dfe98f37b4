import type { Cursor } from '../../protocol/cursor.ts'
import type { FeedKey, MailStore, Outcome, OutgoingMail, Position, StoredMail } from './store.ts'
import { memoryTable, type OpenTable } from './tables.ts'
import type { Delivery } from './types.ts'

/** Positions kept per feed and scope: a few past epochs are tried when a relay has lost its newest. */
export const KEPT_POSITIONS = 8

interface Row extends OutgoingMail {
  readonly ordinal: number
  readonly delivery: Delivery
  readonly epoch: string | undefined
}

type Work = StoredMail & { readonly dueMs: number }

const QUEUED: Delivery = Object.freeze({ state: 'queued' })

/**
 * Mail in tables. By default it lasts as long as the object, for tests and simulations, and a closed one can go on being used
 * (a restart in a simulation); with tables that persist themselves it is the store of a browser.
 */
export function createMemoryMailStore(openTable: OpenTable = memoryTable): MailStore {
  const inbox = openTable<Work>('inbox')
  const outbox = openTable<Row>('outbox')
  const feeds = openTable<readonly Position[]>('feeds')
  let lastIn = lastOrdinal(inbox)
  let lastOut = lastOrdinal(outbox)
  const feedKey = ({ relay, filter }: FeedKey) => JSON.stringify([relay, filter])
  const mails = () => [...inbox.values()]
  const change = (id: string, change: Partial<Work>) => {
    const mail = inbox.get(id)
    if (mail) inbox.set(id, Object.freeze({ ...mail, ...change }))
  }
  const isDue = (mail: Work, nowMs: number) => mail.state === 'new' || (mail.state === 'failed' && mail.dueMs <= nowMs)

  const store: MailStore = {
    record({ feed, mail, position }) {
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
    find: (prefix, limit) =>
      mails()
        .filter(({ id }) => id.startsWith(prefix))
        .slice(0, limit),
    list({ unread, from, limit }) {
      const found = mails().filter(mail => (!unread || !mail.read) && (from === undefined || mail.from === from))
      return limit === undefined ? found : found.slice(Math.max(0, found.length - limit))
    },
    repliesTo: (id, after) => mails().filter(mail => mail.replyTo === id && mail.ordinal > after),
    markRead: id => change(id, { read: true }),
    counts: () => ({
      queue: [...outbox.values()].filter(({ delivery }) => delivery.state === 'queued').length,
      unread: mails().filter(({ read }) => !read).length,
    }),
    unreadSenders: () => [...new Set(mails().flatMap(mail => (mail.read ? [] : [mail.from])))],
    nextWork: ({ act, nowMs, from }) =>
      mails().find(mail => mail.act === act && isDue(mail, nowMs) && (from === undefined || from.includes(mail.from))),
    nextDueMs() {
      const due = mails().flatMap(mail => (mail.state === 'failed' ? [mail.dueMs] : []))
      return due.length > 0 ? Math.min(...due) : undefined
    },
    unhandled: ({ except, from, limit }) =>
      mails()
        .filter(mail => mail.state === 'new' && !mail.read && !except.includes(mail.act))
        .filter(mail => from === undefined || from.includes(mail.from))
        .slice(0, limit),
    beginWork(id) {
      const attempts = (inbox.get(id)?.attempts ?? 0) + 1
      change(id, { state: 'working', attempts })
      return attempts
    },
    endWork(id, { dueMs = 0, ...result }, reply) {
      change(id, { ...result, dueMs, ...(result.state === 'done' ? { read: true } : {}) })
      if (reply) store.enqueue(reply)
    },
    reopenWork() {
      const interrupted = mails().filter(({ state }) => state === 'working')
      for (const { id } of interrupted) change(id, { state: 'failed', dueMs: 0, error: 'interrupted' })
      return interrupted.length
    },
    enqueue(mail) {
      if (outbox.has(mail.id)) return
      lastOut += 1
      outbox.set(mail.id, Object.freeze({ ...mail, ordinal: lastOut, delivery: QUEUED, epoch: undefined }))
    },
    queued: (after, limit) =>
      [...outbox.values()]
        .filter(row => row.delivery.state === 'queued' && row.ordinal > after)
        .slice(0, limit)
        .map(({ delivery, epoch, ...mail }) => mail),
    settle(outcomes) {
      for (const outcome of outcomes) {
        const row = outbox.get(outcome.id)
        if (!row) continue
        const epoch = outcome.state === 'stored' ? outcome.epoch : undefined
        outbox.set(row.id, Object.freeze({ ...row, delivery: deliveryOf(outcome), epoch }))
      }
    },
    delivery: id => outbox.get(id)?.delivery,
    recipient: id => outbox.get(id)?.to,
    lastAcknowledged(relay) {
      let last: Cursor | undefined
      for (const { delivery, epoch } of outbox.values()) {
        if (delivery.state !== 'stored' || delivery.relay !== relay || delivery.seq === undefined || !epoch) continue
        if (!last || epoch > last.epoch || (epoch === last.epoch && delivery.seq > last.seq))
          last = { epoch, seq: delivery.seq }
      }
      return last
    },
    reoffer(relay, afterSeq) {
      let count = 0
      for (const row of outbox.values()) {
        const { delivery } = row
        if (delivery.state !== 'stored' || delivery.relay !== relay || (delivery.seq ?? 0) <= afterSeq) continue
        outbox.set(row.id, Object.freeze({ ...row, delivery: QUEUED, epoch: undefined }))
        count += 1
      }
      return count
    },
    close() {},
  }
  return store
}

const lastOrdinal = (rows: ReadonlyMap<string, { readonly ordinal: number }>): number => {
  let last = 0
  for (const { ordinal } of rows.values()) last = Math.max(last, ordinal)
  return last
}

/** What the sender is told of an outcome. */
export function deliveryOf(outcome: Outcome): Delivery {
  switch (outcome.state) {
    case 'stored':
      return Object.freeze({
        state: 'stored',
        relay: outcome.relay,
        ...(outcome.seq === undefined ? {} : { seq: outcome.seq }),
      })
    case 'refused':
      return Object.freeze({ state: 'refused', relay: outcome.relay, reason: outcome.reason })
    case 'expired':
      return Object.freeze({ state: 'expired' })
  }
}
