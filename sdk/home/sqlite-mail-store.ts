import { type Database, openDatabase, type Statement } from '../../platform/sqlite.ts'
import { KEPT_POSITIONS } from '../mail/memory-store.ts'
import type { MailBatch, MailStore, Outcome, OutgoingMail, Position, StoredMail, WorkResult } from '../mail/store.ts'
import type { Delivery, WorkState } from '../mail/types.ts'
import { MAIL_APPLICATION_ID, MAIL_MIGRATIONS } from './mail-schema.ts'

interface InboxRow {
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
}

interface OutboxRow {
  state: Delivery['state']
  relay: string | null
  seq: number | null
  reason: string | null
}

/** Mail in one SQLite file (0600). `readonly` is a view beside the writing process. */
export function openSqliteMailStore(path: string, options: { readonly?: boolean } = {}): MailStore {
  const db = openDatabase(path, {
    applicationId: MAIL_APPLICATION_ID,
    migrations: MAIL_MIGRATIONS,
    secret: true,
    ...(options.readonly ? { readonly: true } : {}),
  })
  return mailStoreOn(db)
}

function mailStoreOn(db: Database): MailStore {
  const prepared = new Map<string, Statement>()
  const sql = (text: string): Statement => {
    const statement = prepared.get(text) ?? db.prepare(text)
    prepared.set(text, statement)
    return statement
  }
  const insertMail = sql(`
    INSERT INTO inbox (id, sender, text, act, at, root, reply_to, private, content_type, deadline, seq, relay, error, event)
    VALUES (@id, @from, @text, @act, @at, @root, @replyTo, @private, @contentType, @deadline, @seq, @relay, @error, @event)
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
  // One query per state: each walks the index in order and stops at the first row.
  const nextIn = (state: string) => `
    SELECT * FROM inbox WHERE state = ${state} AND act = @act
      AND (@senders IS NULL OR sender IN (SELECT value FROM json_each(@senders))) ORDER BY ordinal LIMIT 1`
  const nextNew = sql(nextIn("'new'"))
  const nextDue = sql(nextIn("'failed' AND due_ms <= @nowMs"))
  const enqueue = sql(`
    INSERT INTO outbox (id, recipient, event, expires) VALUES (@id, @to, @event, @expires) ON CONFLICT (id) DO NOTHING`)
  const settle = sql(
    'UPDATE outbox SET state = @state, relay = @relay, seq = @seq, epoch = @epoch, reason = @reason WHERE id = @id',
  )
  const mailOf = (row: unknown) => (row === undefined ? undefined : toMail(row as InboxRow))
  const mailsOf = (rows: unknown[]) => rows.map(row => toMail(row as InboxRow))
  const count = (text: string) => Number(sql(text).pluck().get())

  const store: MailStore = {
    record: db.transaction(({ feed, mail, position }: MailBatch) => {
      const added: StoredMail[] = []
      for (const one of mail) {
        const { changes } = insertMail.run({ ...NO_OPTIONS, ...one, private: one.private ? 1 : 0 })
        const row = changes > 0 ? mailOf(byId.get(one.id)) : undefined
        if (row) added.push(row)
      }
      if (position) {
        putPosition.run({ ...feed, ...position })
        trimPositions.run({ ...feed, scope: position.scope })
      }
      return added
    }).immediate,
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
    list: ({ unread, from, limit }) =>
      mailsOf(
        sql(`
        SELECT * FROM (SELECT * FROM inbox WHERE (@unread = 0 OR read = 0) AND (@from IS NULL OR sender = @from)
          ORDER BY ordinal DESC LIMIT @limit) ORDER BY ordinal`).all({
          unread: unread ? 1 : 0,
          from: from ?? null,
          limit: limit ?? -1,
        }),
      ),
    repliesTo: (id, after) =>
      mailsOf(sql('SELECT * FROM inbox WHERE reply_to = ? AND ordinal > ? ORDER BY ordinal').all(id, after)),
    markRead: id => void sql('UPDATE inbox SET read = 1 WHERE id = ? AND read = 0').run(id),
    counts: () => ({
      queue: count("SELECT count(*) FROM outbox WHERE state = 'queued'"),
      unread: count('SELECT count(*) FROM inbox WHERE read = 0'),
    }),
    unreadSenders: () => sql('SELECT DISTINCT sender FROM inbox WHERE read = 0').pluck().all() as string[],

    nextWork({ act, nowMs, from }) {
      const senders = from === undefined ? null : JSON.stringify(from)
      const fresh = mailOf(nextNew.get({ act, senders }))
      const again = mailOf(nextDue.get({ act, senders, nowMs }))
      return fresh && again ? (fresh.ordinal < again.ordinal ? fresh : again) : (fresh ?? again)
    },
    nextDueMs: () =>
      (sql("SELECT min(due_ms) FROM inbox WHERE state = 'failed'").pluck().get() as number | null) ?? undefined,
    unhandled: ({ except, from, limit }) =>
      mailsOf(
        sql(`
        SELECT * FROM inbox WHERE state = 'new' AND read = 0 AND act NOT IN (SELECT value FROM json_each(@except))
          AND (@from IS NULL OR sender IN (SELECT value FROM json_each(@from)))
          ORDER BY ordinal LIMIT @limit`).all({
          except: JSON.stringify(except),
          from: from === undefined ? null : JSON.stringify(from),
          limit,
        }),
      ),
    beginWork: id =>
      Number(
        sql("UPDATE inbox SET state = 'working', attempts = attempts + 1 WHERE id = ? RETURNING attempts")
          .pluck()
          .get(id),
      ),
    endWork: db.transaction((id: string, result: WorkResult, reply?: OutgoingMail) => {
      sql(`UPDATE inbox SET state = @state, due_ms = @dueMs, error = coalesce(@error, error),
        attempts = coalesce(@attempts, attempts), read = max(read, @state = 'done') WHERE id = @id`).run({
        id,
        dueMs: 0,
        error: null,
        attempts: null,
        ...result,
      })
      if (reply) enqueue.run({ expires: null, ...reply })
    }).immediate,
    reopenWork: () =>
      sql("UPDATE inbox SET state = 'failed', due_ms = 0, error = 'interrupted' WHERE state = 'working'").run().changes,

    enqueue: mail => void enqueue.run({ expires: null, ...mail }),
    queued: (after, limit) =>
      (
        sql(
          "SELECT ordinal, id, recipient, event, expires FROM outbox WHERE state = 'queued' AND ordinal > ? ORDER BY ordinal LIMIT ?",
        ).all(after, limit) as {
          ordinal: number
          id: string
          recipient: string
          event: string
          expires: number | null
        }[]
      ).map(({ recipient, expires, ...row }) => ({ ...row, to: recipient, ...(expires === null ? {} : { expires }) })),
    settle: db.transaction((outcomes: readonly Outcome[]) => {
      for (const outcome of outcomes) settle.run({ relay: null, seq: null, epoch: null, reason: null, ...outcome })
    }).immediate,
    delivery: id =>
      toDelivery(sql('SELECT state, relay, seq, reason FROM outbox WHERE id = ?').get(id) as OutboxRow | undefined),
    recipient: id => sql('SELECT recipient FROM outbox WHERE id = ?').pluck().get(id) as string | undefined,
    lastAcknowledged: relay =>
      sql(`SELECT epoch, seq FROM outbox WHERE state = 'stored' AND relay = ? AND seq IS NOT NULL AND epoch IS NOT NULL
        ORDER BY epoch DESC, seq DESC LIMIT 1`).get(relay) as { epoch: string; seq: number } | undefined,
    reoffer: (relay, afterSeq) =>
      sql(`UPDATE outbox SET state = 'queued', relay = NULL, seq = NULL, epoch = NULL
        WHERE state = 'stored' AND relay = ? AND coalesce(seq, 0) > ?`).run(relay, afterSeq).changes,
    close: () => void db.close(),
  }
  return store
}

const NO_OPTIONS = { root: null, replyTo: null, contentType: null, deadline: null, seq: null, error: null }

function toMail(row: InboxRow): StoredMail {
  return Object.freeze({
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
  })
}

function toDelivery(row: OutboxRow | undefined): Delivery | undefined {
  switch (row?.state) {
    case undefined:
      return undefined
    case 'queued':
    case 'expired':
      return Object.freeze({ state: row.state })
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
