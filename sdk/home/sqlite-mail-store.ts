import { type Database, openDatabase, type Statement } from '../../platform/sqlite.ts'
import { createSyncLater, type SyncLater } from '../../platform/sync-later.ts'
import { KEPT_POSITIONS, RELAY_NOTES } from '../mail/memory-store.ts'
import { compareReceipts, isTerminal, withReceipt } from '../mail/receipt-order.ts'
import type {
  MailBatch,
  MailCounts,
  MailStore,
  OutgoingMail,
  Position,
  RelayNote,
  StoredMail,
  WorkResult,
} from '../mail/store.ts'
import type { Receipt } from '../mail/types.ts'
import {
  asStored,
  type InboxRow,
  type OutboxRow,
  ofMail,
  type ReceiptRow,
  type SentRow,
  toDelivery,
  toMail,
  toReceipt,
  toReceiptDue,
  toSent,
} from './mail-rows.ts'
import { MAIL_APPLICATION_ID, MAIL_MIGRATIONS } from './mail-schema.ts'
import { copyMethods } from './sqlite-copies.ts'
import { seenOn } from './sqlite-seen.ts'
import { strangersOn } from './sqlite-strangers.ts'
import { workOn } from './sqlite-work.ts'

export interface SqliteMailOptions {
  /** A view beside the writing process. */
  readonly readonly?: boolean
  /** This home has run before: a file of no bytes was emptied, and is no new one. */
  readonly wasComplete?: boolean
}

/** Mail in one SQLite file (0600). Throws DatabaseError. */
export function openSqliteMailStore(path: string, options: SqliteMailOptions = {}): MailStore {
  const db = openDatabase(path, {
    applicationId: MAIL_APPLICATION_ID,
    migrations: MAIL_MIGRATIONS,
    secret: true,
    ...options,
  })
  return mailStoreOn(db, createSyncLater(db, path, options.readonly))
}

function mailStoreOn(db: Database, later: SyncLater): MailStore {
  const prepared = new Map<string, Statement>()
  const sql = (text: string): Statement => {
    const statement = prepared.get(text) ?? db.prepare(text)
    prepared.set(text, statement)
    return statement
  }
  const insertMail = sql(`
    INSERT INTO inbox (id, sender, text, act, at, root, reply_to, private, content_type, deadline, seq, relay, error, event,
      topic, idem, schema, priority, envelope, receipt_due, stranger)
    VALUES (@id, @from, @text, @act, @at, @root, @replyTo, @private, @contentType, @deadline, @seq, @relay, @error, @event,
      @topic, @idem, @schema, @priority, @envelope, @receiptDue, @stranger)
    ON CONFLICT (id) DO NOTHING`)
  const putPosition = sql(`
    INSERT INTO positions (relay, filter, scope, epoch, seq, told)
    VALUES (@relay, @filter, @scope, @epoch, @seq, (SELECT coalesce(max(told), 0) + 1 FROM positions))
    ON CONFLICT (relay, filter, scope, epoch) DO UPDATE SET seq = excluded.seq, told = excluded.told`)
  const trimPositions = sql(`
    DELETE FROM positions WHERE relay = @relay AND filter = @filter AND scope = @scope AND told <
      (SELECT told FROM positions WHERE relay = @relay AND filter = @filter AND scope = @scope
       ORDER BY told DESC LIMIT 1 OFFSET ${KEPT_POSITIONS - 1})`)
  const byId = sql('SELECT * FROM inbox WHERE id = ?')
  const receiptsOf = (id: string): Receipt[] =>
    (
      sql('SELECT receipts.*, recipient FROM receipts JOIN outbox ON outbox.id = message WHERE message = ?').all(
        id,
      ) as ReceiptRow[]
    )
      .map(toReceipt)
      .sort(compareReceipts)
  const strangers = strangersOn(db, sql)
  const { see, ...seenMethods } = seenOn(sql)

  function keepReceipt(receipt: Receipt, nowMs: number | undefined): void {
    const recipient = sql('SELECT recipient FROM outbox WHERE id = ?').pluck().get(receipt.of)
    if (recipient !== receipt.from) return
    const known = receiptsOf(receipt.of)
    if (withReceipt(known, receipt) === known) return
    sql(`INSERT INTO receipts (message, state, id, at, text, private) VALUES (@of, @state, @id, @at, @text, @private)
      ON CONFLICT (message, state) DO UPDATE SET id = excluded.id, at = excluded.at, text = excluded.text,
        private = excluded.private`).run({ text: null, ...receipt, private: receipt.private ? 1 : 0 })
    sql("DELETE FROM copies WHERE id = ? AND state = 'waiting'").run(receipt.of)
    sql(`UPDATE outbox SET settled_ms = ?, heard = max(heard, ?),
      state = CASE WHEN state IN ('queued', 'refused', 'undeliverable') THEN 'received' ELSE state END WHERE id = ?`).run(
      nowMs ?? receipt.at * 1000,
      isTerminal(receipt.state) ? 2 : 1,
      receipt.of,
    )
  }

  const enqueue = sql(`
    INSERT INTO outbox (id, recipient, event, expires, idem, seal) VALUES (@id, @to, @event, @expires, @idem, @seal)
    ON CONFLICT (id) DO NOTHING`)
  const queueAll = (mails: readonly OutgoingMail[]) => {
    for (const mail of mails) enqueue.run({ expires: null, idem: null, seal: null, ...mail })
  }
  const mailOf = (row: unknown) => (row === undefined ? undefined : toMail(row as InboxRow))
  const mailsOf = (rows: unknown[]) => rows.map(row => toMail(row as InboxRow))
  const count = (text: string) => Number(sql(text).pluck().get())

  const keep = db.transaction(
    ({ feed, mail, position, receipts = [], dropped = [], displaced = [], seen = [], nowMs }: MailBatch) => {
      const added: StoredMail[] = []
      for (const one of mail) {
        const { changes, lastInsertRowid } = insertMail.run(ofMail(one))
        if (changes > 0) added.push(asStored(one, Number(lastInsertRowid)))
      }
      for (const receipt of receipts) keepReceipt(receipt, nowMs)
      strangers.displace(displaced)
      strangers.drop(dropped)
      see(seen)
      if (position) {
        putPosition.run({ ...feed, ...position })
        trimPositions.run({ ...feed, scope: position.scope })
      }
      return added
    },
  ).immediate
  const keepForGood = later.synced(keep)

  const store: MailStore = {
    ...strangers.methods,
    ...seenMethods,
    durable: later.durable,
    // Where the position goes back with the mail the relay gives both again.
    record: batch => (batch.position ? keep(batch) : keepForGood(batch)),
    positions: ({ relay, filter }) =>
      sql('SELECT scope, epoch, seq FROM positions WHERE relay = ? AND filter = ? ORDER BY told DESC').all(
        relay,
        filter,
      ) as Position[],
    get: id => mailOf(byId.get(id)),
    find: (prefix, limit) =>
      mailsOf(
        sql('SELECT * FROM inbox WHERE id >= ? AND id < ? ORDER BY ordinal LIMIT ?').all(prefix, `${prefix}~`, limit),
      ),
    list({ unread, from, state, held, after, limit }) {
      // Of each combination its own statement: each has an index that holds its rows in order.
      const where = [
        held ? "stranger IS NOT NULL AND stranger = 'held'" : "stranger IS NOT 'held'",
        ...(unread ? ['read = 0'] : []),
        ...(from === undefined ? [] : ['sender = @from']),
        ...(state === undefined ? [] : ["state = 'set-aside'"]),
        ...(after === undefined ? [] : ['ordinal > @after']),
      ].join(' AND ')
      const isNewest = after === undefined && limit !== undefined
      const index = held
        ? 'INDEXED BY inbox_strangers'
        : unread
          ? `INDEXED BY ${from === undefined ? 'inbox_unread' : 'inbox_unread_senders'}`
          : ''
      const text = `SELECT * FROM inbox ${index} WHERE ${where} ORDER BY ordinal ${isNewest ? 'DESC' : ''} LIMIT @limit`
      const rows = mailsOf(
        sql(text).all({
          limit: limit ?? -1,
          ...(from === undefined ? {} : { from }),
          ...(after === undefined ? {} : { after }),
        }),
      )
      return isNewest ? rows.reverse() : rows
    },
    repliesTo: (id, after) =>
      mailsOf(sql('SELECT * FROM inbox WHERE reply_to = ? AND ordinal > ? ORDER BY ordinal').all(id, after)),
    markRead: id => void sql('UPDATE inbox SET read = 1 WHERE id = ? AND read = 0').run(id),
    counts: () => sql('SELECT queue, unread, undelivered, failed FROM counts').get() as MailCounts,
    receiptsDueCount: () => count('SELECT receipts_due FROM counts'),
    unreadSenders: () =>
      sql(`WITH RECURSIVE each(sender) AS (
        SELECT min(sender) FROM inbox WHERE read = 0 AND stranger IS NOT 'held' UNION ALL
        SELECT (SELECT min(sender) FROM inbox WHERE read = 0 AND stranger IS NOT 'held' AND sender > each.sender)
        FROM each WHERE sender IS NOT NULL) SELECT sender FROM each WHERE sender IS NOT NULL`)
        .pluck()
        .all() as string[],

    ...workOn(sql),
    beginWork: id =>
      Number(
        sql("UPDATE inbox SET state = 'working', attempts = attempts + 1 WHERE id = ? RETURNING attempts")
          .pluck()
          .get(id),
      ),
    endWork: db.transaction((id: string, work: WorkResult, outgoing: readonly OutgoingMail[] = []) => {
      const { result, receipted, ...rest } = work
      sql(`UPDATE inbox SET state = @state, due_ms = @dueMs, error = coalesce(@error, error),
        attempts = coalesce(@attempts, attempts), read = max(read, @state = 'done'),
        result = coalesce(@result, result), receipt_due = receipt_due * @due WHERE id = @id`).run({
        id,
        dueMs: 0,
        error: null,
        attempts: null,
        ...rest,
        result: result === undefined ? null : JSON.stringify(result),
        due: receipted ? 0 : 1,
      })
      queueAll(outgoing)
    }).immediate,
    reopenWork: () =>
      sql("UPDATE inbox SET state = 'failed', due_ms = 0, error = 'interrupted' WHERE state = 'working'").run().changes,

    finished: (from, idem) =>
      mailOf(
        sql(`SELECT * FROM inbox WHERE sender = ? AND idem = ? AND state IN ('done', 'set-aside')
          ORDER BY ordinal LIMIT 1`).get(from, idem),
      ),
    receiptsDue: limit =>
      (
        sql('SELECT id, sender, private, envelope FROM inbox WHERE receipt_due = 1 ORDER BY ordinal LIMIT ?').all(
          limit,
        ) as Pick<InboxRow, 'id' | 'sender' | 'private' | 'envelope'>[]
      ).map(toReceiptDue),
    acknowledge: db.transaction((ids: readonly string[], outgoing: readonly OutgoingMail[]) => {
      for (const id of ids) sql('UPDATE inbox SET receipt_due = 0 WHERE id = ?').run(id)
      queueAll(outgoing)
    }).immediate,
    receipts: receiptsOf,
    retry: id =>
      sql("UPDATE inbox SET state = 'new', attempts = 0, due_ms = 0 WHERE id = ? AND state = 'set-aside'").run(id)
        .changes > 0,
    dismiss: id =>
      sql("UPDATE inbox SET state = 'dropped', read = 1 WHERE id = ? AND state = 'set-aside'").run(id).changes > 0,

    enqueue: later.synced((mail: OutgoingMail) => queueAll([mail])),
    ...copyMethods(db, sql),
    delivery: id =>
      toDelivery(
        sql('SELECT state, relay, seq, reason, settled_ms FROM outbox WHERE id = ?').get(id) as OutboxRow | undefined,
      ),
    sent(id) {
      const row = sql('SELECT * FROM outbox WHERE id = ?').get(id) as SentRow | undefined
      return row && toSent(row)
    },
    findSent: (prefix, limit) =>
      (
        sql('SELECT * FROM outbox WHERE id >= ? AND id < ? ORDER BY ordinal LIMIT ?').all(
          prefix,
          `${prefix}~`,
          limit,
        ) as SentRow[]
      ).map(toSent),
    sentAs: (to, idem) =>
      sql('SELECT id FROM outbox WHERE recipient = ? AND idem = ?').pluck().get(to, idem) as string | undefined,
    refused: () =>
      (
        sql(`SELECT * FROM outbox INDEXED BY outbox_given_up WHERE state IN ('refused', 'undeliverable')
          ORDER BY ordinal`).all() as SentRow[]
      ).map(toSent),
    forget: id => sql("DELETE FROM outbox WHERE id = ? AND state IN ('refused', 'undeliverable')").run(id).changes > 0,
    recipient: id => sql('SELECT recipient FROM outbox WHERE id = ?').pluck().get(id) as string | undefined,
    relayNote: pubkey =>
      sql('SELECT text, asked_ms AS askedMs FROM relay_notes WHERE pubkey = ?').get(pubkey) as RelayNote | undefined,
    keepRelayNote: db.transaction((pubkey: string, { text, askedMs }: RelayNote) => {
      sql(`INSERT INTO relay_notes (pubkey, text, asked_ms) VALUES (?, ?, ?)
        ON CONFLICT (pubkey) DO UPDATE SET text = excluded.text, asked_ms = excluded.asked_ms`).run(
        pubkey,
        text,
        askedMs,
      )
      if (count('SELECT count(*) FROM relay_notes') > RELAY_NOTES)
        sql('DELETE FROM relay_notes WHERE pubkey = (SELECT pubkey FROM relay_notes ORDER BY asked_ms LIMIT 1)').run()
    }).immediate,
    close() {
      later.close()
      db.close()
    },
  }
  return store
}
