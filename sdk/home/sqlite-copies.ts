import type { Database, Statement } from '../../platform/sqlite.ts'
import { endOf } from '../mail/memory-copies.ts'
import { standingOf } from '../mail/standing.ts'
import type { CarryOver, Copy, MailStore, Outcome, PruneTimes, WaitingCopy } from '../mail/store.ts'
import type { Delivery } from '../mail/types.ts'

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

/** The copies decide. */
const STANDING: readonly unknown[] = ['queued', 'stored', 'refused']

/** On its way, or waiting for its recipient. */
const OPEN: readonly unknown[] = ['queued', 'stored']

/** On its way, or not heard of since relays stored or refused it after a time. */
const AWAITING = `(state = 'queued' OR state IN ('stored', 'refused') AND settled_ms > ?
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
  fallback: number
}

/** The relays' copies of what was sent: table `copies` beside `outbox`. `sql` prepares once. */
export function copyMethods(db: Database, sql: (text: string) => Statement): CopyMethods {
  const stateOf = sql('SELECT state FROM outbox WHERE id = ?').pluck()
  const putCopy = sql(`
    INSERT INTO copies (id, relay, state, seq, epoch, reason) VALUES (@id, @relay, @state, @seq, @epoch, @reason)
    ON CONFLICT (id, relay) DO UPDATE SET state = excluded.state, seq = excluded.seq, epoch = excluded.epoch, reason = excluded.reason`)
  const dropWaiting = sql("DELETE FROM copies WHERE id = ? AND state = 'waiting'")
  const end = sql(`
    UPDATE outbox SET state = @state, relay = @relay, seq = @seq, reason = @reason, settled_ms = @nowMs WHERE id = @id`)
  const wait = sql(
    "INSERT INTO copies (id, relay, state, fallback) VALUES (?, ?, 'waiting', ?) ON CONFLICT (id, relay) DO NOTHING",
  )
  const noteWaiting = sql(
    "UPDATE copies SET reason = @reason WHERE id = @id AND relay = @relay AND state = 'waiting' AND @state = 'waiting'",
  )
  const copiesOf = (id: string): readonly Copy[] =>
    (
      sql('SELECT relay, state, seq, reason, fallback FROM copies WHERE id = ? ORDER BY place').all(id) as CopyRow[]
    ).map(toCopy)
  const put = (id: string, delivery: Delivery, nowMs: number) =>
    end.run({ relay: null, seq: null, reason: null, ...delivery, id, nowMs })

  /** Returns whether the delivery changed. */
  function settleOne(outcome: Outcome, nowMs: number): boolean {
    const { id } = outcome
    const state = stateOf.get(id)
    if (state === undefined) return false
    if (outcome.state === 'waiting') {
      noteWaiting.run(outcome)
      return false
    }
    if (outcome.state === 'expired' || outcome.state === 'undeliverable') {
      dropWaiting.run(id)
      if (state === 'queued') put(id, endOf(outcome), nowMs)
      return state === 'queued'
    }
    putCopy.run({ seq: null, epoch: null, reason: null, ...outcome })
    if (state === 'stored') return false
    const standing = standingOf(copiesOf(id))
    // An OK that crossed the deadline is the truth.
    const ends = standing.state === 'stored' || (standing.state === 'refused' && state === 'queued')
    if (ends) put(id, standing, nowMs)
    return ends
  }

  const requeued = sql(`UPDATE outbox SET state = 'queued', relay = NULL, seq = NULL, reason = NULL, settled_ms = NULL,
    waits_since_ms = NULL WHERE id = ?`)
  const moved = sql('UPDATE outbox SET relay = @relay, seq = @seq WHERE id = @id')

  /** What its copies come to decides again of one that is queued, stored or refused. Returns whether that changed. */
  function restand(id: string, nowMs: number): boolean {
    const before = stateOf.get(id)
    if (!STANDING.includes(before)) return false
    const standing = standingOf(copiesOf(id))
    if (standing.state === before) {
      if (standing.state === 'stored') moved.run({ seq: null, ...standing, id })
      return false
    }
    if (standing.state === 'queued') requeued.run(id)
    else put(id, standing, nowMs)
    return true
  }

  function addressOne(id: string, reads: readonly string[], fallback: readonly string[] = [], nowMs = 0): boolean {
    let changes = 0
    if (reads.length > 0)
      changes += sql(`UPDATE copies SET fallback = NOT fallback
        WHERE id = ? AND fallback = (relay IN (SELECT value FROM json_each(?)))`).run(id, JSON.stringify(reads)).changes
    for (const relay of reads) changes += wait.run(id, relay, 0).changes
    for (const relay of fallback) changes += wait.run(id, relay, reads.length > 0 ? 1 : 0).changes
    return changes > 0 && restand(id, nowMs)
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
    address: db.transaction(
      (id: string, reads: readonly string[], fallback?: readonly string[], nowMs?: number) =>
        stateOf.get(id) !== undefined && addressOne(id, reads, fallback, nowMs),
    ).immediate,
    awaiting: settledAfterMs =>
      sql(`SELECT DISTINCT recipient FROM outbox WHERE ${AWAITING}`).pluck().all(settledAfterMs) as string[],
    readdress: db.transaction(
      (to: string, reads: readonly string[], settledAfterMs: number, fallback?: readonly string[], nowMs?: number) => {
        const ids = sql(`SELECT id FROM outbox WHERE ${AWAITING} AND recipient = ? ORDER BY ordinal`).pluck()
        return (ids.all(settledAfterMs, to) as string[]).filter(id => addressOne(id, reads, fallback, nowMs))
      },
    ).immediate,
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
    copies: copiesOf,
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
      const refused = sql("DELETE FROM copies WHERE id = ? AND state = 'refused' RETURNING relay, fallback").all(
        id,
      ) as Pick<CopyRow, 'relay' | 'fallback'>[]
      for (const { relay, fallback } of refused) wait.run(id, relay, fallback)
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
        `DELETE FROM copies WHERE relay = ? AND state = 'stored' AND epoch IS ? AND seq > ? RETURNING id, fallback`,
      ).all(relay, from ?? null, upTo) as { id: string; fallback: number }[]
      sql(`UPDATE copies SET epoch = ? WHERE relay = ? AND state = 'stored' AND epoch IS ? AND seq IS NOT NULL`).run(
        to,
        relay,
        from ?? null,
      )
      for (const { id, fallback } of lost) {
        wait.run(id, relay, fallback)
        restand(id, 0)
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

const toCopy = ({ relay, state, seq, reason, fallback }: CopyRow): Copy =>
  Object.freeze({
    relay,
    state,
    ...(seq === null ? {} : { seq }),
    ...(reason === null ? {} : { reason }),
    ...(fallback ? { fallback: true } : {}),
  })
