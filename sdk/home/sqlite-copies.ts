import type { Database, Statement } from '../../platform/sqlite.ts'
import { deliveryOf } from '../mail/memory-copies.ts'
import type { CarryOver, Copy, MailStore, Outcome, PruneTimes, WaitingCopy } from '../mail/store.ts'

type CopyMethods = Pick<
  MailStore,
  | 'unaddressed'
  | 'address'
  | 'awaiting'
  | 'readdress'
  | 'waiting'
  | 'waitingRelays'
  | 'copies'
  | 'settle'
  | 'overdue'
  | 'prune'
  | 'redate'
  | 'requeue'
  | 'unheard'
  | 'acknowledged'
  | 'carryOver'
>

/** An OK that comes later is the truth. */
const REVOCABLE: readonly unknown[] = ['expired', 'undeliverable', 'received']

/** On its way, or waiting for its recipient. */
const OPEN: readonly unknown[] = ['queued', 'stored']

/** On its way, or not heard of since a relay stored it after a time. */
const AWAITING = `(state = 'queued' OR state = 'stored' AND settled_ms > ?
  AND NOT EXISTS (SELECT 1 FROM receipts WHERE message = outbox.id))`

interface WaitingRow {
  place: number
  id: string
  recipient: string
  event: string
  expires: number | null
}

interface CopyRow {
  relay: string
  state: Copy['state']
  seq: number | null
  reason: string | null
}

/** The relays' copies of what was sent: table `copies` beside `outbox`. `sql` prepares once. */
export function copyMethods(db: Database, sql: (text: string) => Statement): CopyMethods {
  const stateOf = sql('SELECT state FROM outbox WHERE id = ?').pluck()
  const putCopy = sql(`
    INSERT INTO copies (id, relay, state, seq, epoch, reason) VALUES (@id, @relay, @state, @seq, @epoch, @reason)
    ON CONFLICT (id, relay) DO UPDATE SET state = excluded.state, seq = excluded.seq, epoch = excluded.epoch, reason = excluded.reason`)
  const dropWaiting = sql("DELETE FROM copies WHERE id = ? AND state = 'waiting'")
  const hopes = sql("SELECT count(*) FROM copies WHERE id = ? AND state <> 'refused'").pluck()
  const end = sql(`
    UPDATE outbox SET state = @state, relay = @relay, seq = @seq, reason = @reason, settled_ms = @nowMs WHERE id = @id`)
  const wait = sql("INSERT INTO copies (id, relay, state) VALUES (?, ?, 'waiting') ON CONFLICT (id, relay) DO NOTHING")

  /** Returns whether the delivery changed. */
  function settleOne(outcome: Outcome, nowMs: number): boolean {
    const { id } = outcome
    const state = stateOf.get(id)
    if (state === undefined) return false
    if (outcome.state === 'expired' || outcome.state === 'undeliverable') dropWaiting.run(id)
    else putCopy.run({ seq: null, epoch: null, reason: null, ...outcome })
    // An OK that crossed the deadline is the truth.
    if (state !== 'queued' && !(REVOCABLE.includes(state) && outcome.state === 'stored')) return false
    if (outcome.state === 'refused' && Number(hopes.get(id)) > 0) return false
    end.run({ relay: null, seq: null, reason: null, ...deliveryOf(outcome), id, nowMs })
    return true
  }

  return {
    unaddressed: (after, limit) =>
      (
        sql(`SELECT ordinal AS place, id, recipient, event, expires FROM outbox
          WHERE state = 'queued' AND ordinal > ? AND NOT EXISTS (SELECT 1 FROM copies WHERE copies.id = outbox.id)
          ORDER BY ordinal LIMIT ?`).all(after, limit) as WaitingRow[]
      ).map(row => {
        const { place, ...mail } = toWaiting(row)
        return { ...mail, ordinal: place }
      }),
    address: db.transaction((id: string, relays: readonly string[]) => {
      if (stateOf.get(id) !== undefined) for (const relay of relays) wait.run(id, relay)
    }).immediate,
    awaiting: storedAfterMs =>
      sql(`SELECT DISTINCT recipient FROM outbox WHERE ${AWAITING}`).pluck().all(storedAfterMs) as string[],
    readdress: db.transaction((to: string, relays: readonly string[], storedAfterMs: number) => {
      const ids = sql(`SELECT id FROM outbox WHERE ${AWAITING} AND recipient = ? ORDER BY ordinal`).pluck()
      for (const id of ids.all(storedAfterMs, to) as string[]) for (const relay of relays) wait.run(id, relay)
    }).immediate,
    waiting: (relay, after, limit) =>
      (
        sql(`SELECT place, copies.id, recipient, event, expires FROM copies JOIN outbox ON outbox.id = copies.id
          WHERE copies.relay = ? AND copies.state = 'waiting' AND place > ? ORDER BY place LIMIT ?`).all(
          relay,
          after,
          limit,
        ) as WaitingRow[]
      ).map(toWaiting),
    // From relay to relay along the index, however many wait for each.
    waitingRelays: () =>
      sql(`WITH RECURSIVE each(relay) AS (
          SELECT min(relay) FROM copies WHERE state = 'waiting'
          UNION ALL SELECT (SELECT min(relay) FROM copies WHERE state = 'waiting' AND relay > each.relay)
            FROM each WHERE relay IS NOT NULL)
        SELECT relay FROM each WHERE relay IS NOT NULL`)
        .pluck()
        .all() as string[],
    copies: id =>
      (sql('SELECT relay, state, seq, reason FROM copies WHERE id = ? ORDER BY place').all(id) as CopyRow[]).map(
        toCopy,
      ),
    settle: db.transaction((outcomes: readonly Outcome[], nowMs: number) =>
      outcomes.flatMap(outcome => (settleOne(outcome, nowMs) ? [outcome.id] : [])),
    ).immediate,
    overdue: db.transaction((beforeMs: number, nowMs: number) => {
      sql("UPDATE outbox SET waits_since_ms = ? WHERE state = 'queued' AND waits_since_ms IS NULL").run(nowMs)
      return sql(
        `SELECT id FROM outbox WHERE state = 'queued' AND waits_since_ms < ? AND expires IS NULL ORDER BY ordinal`,
      )
        .pluck()
        .all(beforeMs) as string[]
    }).immediate,
    prune: db.transaction(({ storedBeforeMs, ...times }: PruneTimes) => {
      const told = 'EXISTS (SELECT 1 FROM receipts WHERE message = outbox.id'
      const forgotten = sql(`DELETE FROM outbox WHERE settled_ms < @settledBeforeMs
        OR settled_ms < @heardBeforeMs AND (state = 'expired' OR ${told}))
        OR settled_ms < @concludedBeforeMs AND ${told} AND state IN ('done', 'failed', 'rejected'))`).run(times).changes
      const settled = 'SELECT id FROM outbox WHERE settled_ms <'
      const given = sql(`DELETE FROM copies WHERE state = 'waiting' AND id IN (${settled} ?)`).run(storedBeforeMs)
      return forgotten + given.changes
    }).immediate,
    redate: (id, event) =>
      sql(`UPDATE outbox SET event = ? WHERE id = ? AND NOT EXISTS (
        SELECT 1 FROM copies WHERE copies.id = outbox.id AND copies.state = 'stored')`).run(event, id).changes > 0,
    requeue: db.transaction((id: string) => {
      const queue = sql(`UPDATE outbox SET state = 'queued', relay = NULL, seq = NULL, reason = NULL, settled_ms = NULL,
        waits_since_ms = NULL WHERE id = ? AND state IN ('refused', 'undeliverable')`)
      const wasGivenUp = queue.run(id).changes > 0
      if (!wasGivenUp && !OPEN.includes(stateOf.get(id))) return false
      const refused = sql("DELETE FROM copies WHERE id = ? AND state = 'refused' RETURNING relay").pluck().all(id)
      for (const relay of refused) wait.run(id, relay)
      return wasGivenUp || refused.length > 0
    }).immediate,
    unheard: () =>
      sql(`SELECT DISTINCT copies.relay FROM copies JOIN outbox ON outbox.id = copies.id
        WHERE copies.state = 'stored' AND copies.seq IS NOT NULL AND outbox.state = 'stored'
        AND NOT EXISTS (SELECT 1 FROM receipts WHERE message = outbox.id)`)
        .pluck()
        .all() as string[],
    acknowledged: relay =>
      (
        sql(`SELECT epoch, max(seq) AS seq FROM copies WHERE state = 'stored' AND relay = ? AND seq IS NOT NULL
          GROUP BY epoch`).all(relay) as { epoch: string | null; seq: number }[]
      ).map(({ epoch, seq }) => ({ epoch: epoch ?? undefined, seq })),
    carryOver: db.transaction((relay: string, { from, to, upTo }: CarryOver) => {
      const lost = sql(
        `DELETE FROM copies WHERE relay = ? AND state = 'stored' AND epoch IS ? AND seq > ? RETURNING id`,
      )
        .pluck()
        .all(relay, from ?? null, upTo) as string[]
      sql(`UPDATE copies SET epoch = ? WHERE relay = ? AND state = 'stored' AND epoch IS ? AND seq IS NOT NULL`).run(
        to,
        relay,
        from ?? null,
      )
      for (const id of lost) wait.run(id, relay)
      const other = sql("SELECT relay, seq FROM copies WHERE id = ? AND state = 'stored' ORDER BY place LIMIT 1")
      const move = sql("UPDATE outbox SET relay = @relay, seq = @seq WHERE id = @id AND state = 'stored'")
      const requeue = sql(`UPDATE outbox SET state = 'queued', relay = NULL, seq = NULL, settled_ms = NULL,
        waits_since_ms = NULL WHERE id = @id AND state = 'stored'`)
      for (const id of lost) {
        const elsewhere = other.get(id) as { relay: string; seq: number | null } | undefined
        if (elsewhere) move.run({ ...elsewhere, id })
        else requeue.run({ id })
      }
      return lost.length
    }).immediate,
  }
}

const toWaiting = ({ place, id, recipient, event, expires }: WaitingRow): WaitingCopy => ({
  place,
  id,
  to: recipient,
  event,
  ...(expires === null ? {} : { expires }),
})

const toCopy = ({ relay, state, seq, reason }: CopyRow): Copy =>
  Object.freeze({ relay, state, ...(seq === null ? {} : { seq }), ...(reason === null ? {} : { reason }) })
