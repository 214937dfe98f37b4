import { codeOf, type Database, type Statement } from '../../platform/sqlite.ts'
import type { CarryOver } from '../link/acknowledged.ts'
import { endOf } from '../mail/memory-copies.ts'
import { standingOf } from '../mail/standing.ts'
import type { Copy, MailStore, Outcome, PruneTimes, RecountTimes, WaitingCopy } from '../mail/store.ts'
import type { Delivery } from '../mail/types.ts'

type CopyMethods = Pick<
  MailStore,
  | 'queued'
  | 'expiring'
  | 'unaddressed'
  | 'address'
  | 'awaiting'
  | 'awaitingFrom'
  | 'waiting'
  | 'waitingRelays'
  | 'copies'
  | 'settle'
  | 'overdue'
  | 'recount'
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

const QUEUE_AGAIN_SQL = `UPDATE outbox SET state = 'queued', relay = NULL, seq = NULL, reason = NULL, settled_ms = NULL,
  waits_since_ms = NULL WHERE id = ?`

interface WaitingRow {
  place: number
  id: string
  recipient: string
  event: string
  expires: number | null
}

interface AwaitingRow {
  ordinal: number
  id: string
  settledMs: number | null
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

  const requeued = sql(QUEUE_AGAIN_SQL)
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

  /** The rest of a statement about the outbox that gives rows in order. */
  const page = (rest: string, params: object) =>
    (sql(`SELECT outbox.ordinal AS place, id, recipient, event, expires FROM ${rest}`).all(params) as WaitingRow[]).map(
      row => {
        const { place, ...mail } = toWaiting(row)
        return { ...mail, ordinal: place }
      },
    )
  /** From value to value along an index that begins with that column, however many rows have each. */
  const distinct = (column: string, from: string) =>
    sql(`WITH RECURSIVE each(value) AS (
        SELECT min(${column}) FROM ${from}
        UNION ALL SELECT (SELECT min(${column}) FROM ${from} AND ${column} > each.value) FROM each WHERE value IS NOT NULL)
      SELECT value FROM each WHERE value IS NOT NULL`).pluck()
  const QUEUED_FOR = "outbox INDEXED BY outbox_to WHERE state = 'queued'"
  const UNHEARD = "state IN ('stored', 'refused') AND heard = 0"

  const settleAll = db.transaction((outcomes: readonly Outcome[], nowMs: number) =>
    outcomes.flatMap(outcome => (settleOne(outcome, nowMs) ? [outcome.id] : [])),
  ).immediate
  /**
   * What the disk did not take is written with what is settled next; a process that ends before offers its mail again. Until then no
   * more is given up or expires, because that could not be written either.
   */
  let unsettled: readonly Outcome[] = []

  return {
    queued: (after, limit, to) =>
      to === undefined
        ? page(
            `outbox INDEXED BY outbox_queued WHERE state = 'queued' AND ordinal > @after ORDER BY ordinal LIMIT @limit`,
            { after, limit },
          )
        : page(`${QUEUED_FOR} AND recipient = @to AND ordinal > @after ORDER BY ordinal LIMIT @limit`, {
            after,
            limit,
            to,
          }),
    expiring: limit =>
      unsettled.length > 0
        ? []
        : page(
            `outbox INDEXED BY outbox_expires WHERE state = 'queued' AND expires IS NOT NULL ORDER BY expires LIMIT @limit`,
            { limit },
          ),
    unaddressed: (after, limit) =>
      page(
        `unaddressed JOIN outbox ON outbox.ordinal = unaddressed.ordinal WHERE unaddressed.ordinal > @after
          ORDER BY unaddressed.ordinal LIMIT @limit`,
        { after, limit },
      ),
    address: db.transaction(
      (id: string, reads: readonly string[], fallback?: readonly string[], nowMs?: number) =>
        stateOf.get(id) !== undefined && addressOne(id, reads, fallback, nowMs),
    ).immediate,
    awaiting(settledAfterMs) {
      const since = sql(`SELECT max(settled_ms) FROM outbox INDEXED BY outbox_unheard_since
        WHERE ${UNHEARD} AND recipient = ?`).pluck()
      const settled = distinct('recipient', `outbox INDEXED BY outbox_unheard_since WHERE ${UNHEARD}`)
      return [
        ...new Set([
          ...(distinct('recipient', QUEUED_FOR).all() as string[]),
          ...(settled.all() as string[]).filter(to => Number(since.get(to)) > settledAfterMs),
        ]),
      ]
    },
    awaitingFrom: (to, after, limit) =>
      (
        sql(`SELECT ordinal, id, NULL AS settledMs FROM ${QUEUED_FOR} AND recipient = @to AND ordinal > @after
          UNION ALL SELECT ordinal, id, settled_ms FROM outbox INDEXED BY outbox_unheard
            WHERE ${UNHEARD} AND recipient = @to AND ordinal > @after
          ORDER BY ordinal LIMIT @limit`).all({ to, after, limit }) as AwaitingRow[]
      ).map(({ settledMs, ...row }) => ({ ...row, ...(settledMs === null ? {} : { settledMs }) })),
    waiting: (relay, after, limit) =>
      (
        sql(`SELECT place, copies.id, recipient, event, expires FROM copies JOIN outbox ON outbox.id = copies.id
          WHERE copies.relay = ? AND copies.state = 'waiting' AND place > ? ORDER BY place LIMIT ?`).all(
          relay,
          after,
          limit,
        ) as WaitingRow[]
      ).map(toWaiting),
    waitingRelays: () =>
      distinct('relay', "copies INDEXED BY copies_waiting WHERE state = 'waiting'").all() as string[],
    copies: copiesOf,
    settle(outcomes, nowMs) {
      const all = [...unsettled, ...outcomes]
      try {
        const changed = settleAll(all, nowMs)
        unsettled = []
        return changed
      } catch (error) {
        if (!isUnwritable(error)) throw error
        unsettled = all
        return []
      }
    },
    overdue: (beforeMs, limit) =>
      unsettled.length > 0
        ? []
        : (sql(`SELECT id FROM outbox INDEXED BY outbox_waits
        WHERE state = 'queued' AND expires IS NULL AND waits_since_ms IS NOT NULL AND waits_since_ms < ?
        ORDER BY waits_since_ms, ordinal LIMIT ?`)
            .pluck()
            .all(beforeMs, limit) as string[]),
    prune: db.transaction(
      (
        { nowMs, storedBeforeMs, concludedBeforeMs, heardBeforeMs, settledBeforeMs }: PruneTimes,
        limit: number,
      ): number => {
        const forget = (where: string, beforeMs: number) =>
          sql(
            `DELETE FROM outbox WHERE ordinal IN (SELECT ordinal FROM outbox ${where} AND settled_ms < ? LIMIT ?)`,
          ).run(beforeMs, limit).changes
        const HEARD = 'INDEXED BY outbox_heard WHERE settled_ms IS NOT NULL AND heard ='
        return (
          sql(`UPDATE outbox SET waits_since_ms = ? WHERE ordinal IN (SELECT ordinal FROM outbox INDEXED BY outbox_unseen
            WHERE state = 'queued' AND expires IS NULL AND waits_since_ms IS NULL LIMIT ?)`).run(nowMs, limit).changes +
          forget('INDEXED BY outbox_settled WHERE settled_ms IS NOT NULL', settledBeforeMs) +
          forget(`${HEARD} 1`, heardBeforeMs) +
          forget(`${HEARD} 2`, Math.max(concludedBeforeMs, heardBeforeMs)) +
          forget("INDEXED BY outbox_expired WHERE state = 'expired'", heardBeforeMs) +
          sql(`DELETE FROM copies WHERE place IN (SELECT place FROM copies INDEXED BY copies_left_over
            WHERE state = 'waiting' AND settled_ms IS NOT NULL AND settled_ms < ? LIMIT ?)`).run(storedBeforeMs, limit)
            .changes
        )
      },
    ).immediate,
    recount: db.transaction(({ nowMs, settledBeforeMs, waitsBeforeMs }: RecountTimes, limit: number): number => {
      const count = (column: string, rows: string) =>
        sql(`UPDATE outbox SET ${column} = ? WHERE ordinal IN (SELECT ordinal FROM outbox ${rows} LIMIT ?)`)
      const SETTLED = 'INDEXED BY outbox_settled WHERE settled_ms IS NOT NULL AND settled_ms'
      const WAITS = `INDEXED BY outbox_waits
        WHERE state = 'queued' AND expires IS NULL AND waits_since_ms IS NOT NULL AND waits_since_ms`
      return (
        count('settled_ms', `${SETTLED} < ?`).run(nowMs, settledBeforeMs, limit).changes +
        count('settled_ms', `${SETTLED} > ?`).run(nowMs, nowMs, limit).changes +
        count('waits_since_ms', `${WAITS} < ?`).run(nowMs, waitsBeforeMs, limit).changes +
        count('waits_since_ms', `${WAITS} > ?`).run(nowMs, nowMs, limit).changes
      )
    }).immediate,
    redate: (id, event) =>
      sql(`UPDATE outbox SET event = ? WHERE id = ? AND NOT EXISTS (
        SELECT 1 FROM copies WHERE copies.id = outbox.id AND copies.state = 'stored')`).run(event, id).changes > 0,
    requeue: db.transaction((id: string) => {
      const queue = sql(`${QUEUE_AGAIN_SQL} AND state IN ('refused', 'undeliverable')`)
      const wasGivenUp = queue.run(id).changes > 0
      if (!wasGivenUp && !OPEN.includes(stateOf.get(id))) return false
      const refused = sql("SELECT relay, fallback FROM copies WHERE id = ? AND state = 'refused' ORDER BY place").all(
        id,
      ) as Pick<CopyRow, 'relay' | 'fallback'>[]
      sql("DELETE FROM copies WHERE id = ? AND state = 'refused'").run(id)
      for (const { relay, fallback } of refused) wait.run(id, relay, fallback)
      return wasGivenUp || refused.length > 0
    }).immediate,
    unheard() {
      const where =
        "copies INDEXED BY copies_unheard WHERE copies.state = 'stored' AND copies.seq IS NOT NULL AND copies.heard = 0"
      const isAny = sql(`SELECT 1 FROM ${where} AND copies.relay = ? AND EXISTS (
        SELECT 1 FROM outbox WHERE outbox.id = copies.id AND outbox.state = 'stored') LIMIT 1`)
      return (distinct('relay', where).all() as string[]).filter(relay => isAny.get(relay) !== undefined)
    },
    acknowledged(relay) {
      const where = "copies INDEXED BY copies_acknowledged WHERE state = 'stored' AND relay = @relay"
      const highest = sql(`SELECT max(seq) FROM ${where} AND epoch IS @epoch`).pluck()
      const epochs = distinct('epoch', where).all({ relay }) as string[]
      return [null, ...epochs].flatMap(epoch => {
        const seq = highest.get({ relay, epoch })
        return typeof seq === 'number' ? [{ epoch: epoch ?? undefined, seq }] : []
      })
    },
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

const isUnwritable = (error: unknown): boolean => /^SQLITE_(FULL|IOERR|READONLY)/.test(codeOf(error))
