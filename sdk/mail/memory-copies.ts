import type { Table } from '../tables.ts'
import { isTerminal } from './receipt-order.ts'
import { standingOf } from './standing.ts'
import type { Copy, MailStore, Outcome, OutgoingMail } from './store.ts'
import type { Delivery, Receipt } from './types.ts'

/** One relay's copy, as a row of the outbox keeps it. `place` orders what waits for a relay. */
export interface CopyRow extends Copy {
  readonly place: number
  readonly epoch?: string
}

/** What copies need of an outbox row. */
export interface CopiedRow extends OutgoingMail {
  readonly ordinal: number
  readonly delivery: Delivery
  readonly copies: readonly CopyRow[]
  readonly settledMs?: number | undefined
  /** When it was first seen waiting. */
  readonly waitsSinceMs?: number | undefined
}

const QUEUED: Delivery = Object.freeze({ state: 'queued' })

/** The copies of an outbox in memory, with what waits for each relay at hand. */
export function createCopyIndex<Row extends CopiedRow>(
  outbox: Table<Row>,
  receiptsOf: (id: string) => readonly Receipt[],
  onForgotten: (id: string) => void,
) {
  /** Per relay: message id by place, places ascending. */
  const queues = new Map<string, Map<number, string>>()
  let lastPlace = 0

  const queueOf = (relay: string) => {
    const queue = queues.get(relay) ?? new Map<number, string>()
    queues.set(relay, queue)
    return queue
  }
  const leave = ({ relay, place }: CopyRow) => {
    queueOf(relay).delete(place)
    if (queueOf(relay).size === 0) queues.delete(relay)
  }
  const write = (row: Readonly<Row>, change: Partial<CopiedRow>) =>
    void outbox.set(row.id, Object.freeze({ ...row, ...change }))
  /** A copy that waits at the end of its relay's queue. */
  const wait = (id: string, copy: Pick<Copy, 'relay' | 'fallback'>): CopyRow => {
    lastPlace += 1
    queueOf(copy.relay).set(lastPlace, id)
    return Object.freeze({ ...roleOf(copy), relay: copy.relay, state: 'waiting', place: lastPlace })
  }

  /** A row's copies, those that wait once more behind the others. */
  const waitAgain = ({ id, copies }: Pick<CopiedRow, 'id' | 'copies'>, again: readonly CopyRow[]) => [
    ...copies.filter(copy => !again.includes(copy)),
    ...again.map(copy => wait(id, copy)),
  ]

  const remove = (id: string): boolean => {
    for (const copy of outbox.get(id)?.copies ?? []) if (copy.state === 'waiting') leave(copy)
    onForgotten(id)
    return outbox.delete(id)
  }

  const known = [...outbox.values()].flatMap(({ id, copies }) => copies.map(copy => ({ id, copy })))
  for (const { id, copy } of known.sort((a, b) => a.copy.place - b.copy.place)) {
    lastPlace = Math.max(lastPlace, copy.place)
    if (copy.state === 'waiting') queueOf(copy.relay).set(copy.place, id)
  }

  /** Returns whether the delivery changed. */
  function settleOne(outcome: Outcome, nowMs: number): boolean {
    const row = outbox.get(outcome.id)
    if (!row) return false
    const open = row.delivery.state === 'queued'
    if (outcome.state === 'expired' || outcome.state === 'undeliverable') {
      for (const copy of row.copies) if (copy.state === 'waiting') leave(copy)
      const copies = row.copies.filter(copy => copy.state !== 'waiting')
      write(row, { copies, ...(open ? { delivery: endOf(outcome), settledMs: nowMs } : {}) })
      return open
    }
    const before = row.copies.find(({ relay }) => relay === outcome.relay)
    const waits = outcome.state === 'waiting'
    if (before?.state === 'waiting') {
      if (!waits) leave(before)
    } else if (waits) return false
    const { id: _id, ...told } = outcome
    const copy: CopyRow = Object.freeze({ ...told, ...roleOf(before), place: before?.place ?? 0 })
    const copies = before ? row.copies.map(each => (each === before ? copy : each)) : [...row.copies, copy]
    const standing = standingOf(copies)
    // An OK that crossed the deadline is the truth.
    const ends = standing.state === 'stored' ? row.delivery.state !== 'stored' : open && standing.state === 'refused'
    write(row, { copies, ...(ends ? { delivery: standing, settledMs: nowMs } : {}) })
    return ends
  }

  /** What its copies come to decides again of one that is queued, stored or refused. Returns whether that changed. */
  function restand(row: Readonly<Row>, copies: readonly CopyRow[], nowMs: number): boolean {
    const delivery = isStanding(row.delivery) ? standingOf(copies) : row.delivery
    const isOther = delivery.state !== row.delivery.state
    const settledMs = delivery.state === 'queued' ? undefined : nowMs
    write(row, { copies, delivery, ...(isOther ? { settledMs, waitsSinceMs: undefined } : {}) })
    return isOther
  }

  function address(id: string, reads: readonly string[], others: readonly string[] = [], nowMs = 0): boolean {
    const row = outbox.get(id)
    if (!row) return false
    const isKnown = reads.length > 0
    const roleAt = (relay: string) => (isKnown && !reads.includes(relay) ? FALLBACK : {})
    const copies = row.copies.map(copy => {
      const { fallback, ...rest } = copy
      return isKnown && reads.includes(copy.relay) === !!fallback
        ? Object.freeze({ ...rest, ...roleAt(copy.relay) })
        : copy
    })
    for (const relay of new Set([...reads, ...others]))
      if (!copies.some(copy => copy.relay === relay)) copies.push(wait(id, { relay, ...roleAt(relay) }))
    return copies.some((copy, at) => copy !== row.copies[at]) && restand(row, copies, nowMs)
  }

  const isAwaiting = ({ id, delivery }: Pick<CopiedRow, 'id' | 'delivery'>) =>
    delivery.state === 'queued' || (isStanding(delivery) && receiptsOf(id).length === 0)

  return {
    address,
    awaiting: settledAfterMs => [
      ...new Set(
        [...outbox.values()]
          .filter(row => isAwaiting(row) && (row.settledMs ?? settledAfterMs + 1) > settledAfterMs)
          .map(({ to }) => to),
      ),
    ],
    awaitingFrom: (to, after, limit) =>
      [...outbox.values()].filter(row => row.to === to && row.ordinal > after && isAwaiting(row)).slice(0, limit),
    waiting(relay, after, limit) {
      const found = []
      for (const [place, id] of queues.get(relay) ?? []) {
        if (found.length >= limit) break
        const row = place > after ? outbox.get(id) : undefined
        if (row) found.push({ ...withoutState(row), place })
      }
      return found
    },
    waitingRelays: () => [...queues.keys()],
    of: id => (outbox.get(id)?.copies ?? []).map(({ place, epoch, ...copy }) => Object.freeze(copy)),
    settle: (outcomes, nowMs) => outcomes.flatMap(outcome => (settleOne(outcome, nowMs) ? [outcome.id] : [])),
    /** A receipt came at `nowMs`. */
    told(id: string, nowMs: number) {
      const row = outbox.get(id)
      if (!row) return
      for (const copy of row.copies) if (copy.state === 'waiting') leave(copy)
      const copies = row.copies.filter(({ state }) => state !== 'waiting')
      const isGone = row.delivery.state === 'queued' || isGivenUp(row)
      write(row, { copies, delivery: isGone ? receivedAt(nowMs) : row.delivery, settledMs: nowMs })
    },
    overdue: (beforeMs, limit) =>
      [...outbox.values()]
        .filter(row => isUndated(row) && (row.waitsSinceMs ?? beforeMs) < beforeMs)
        .slice(0, limit)
        .map(({ id }) => id),
    recount({ nowMs, settledBeforeMs, waitsBeforeMs }, limit) {
      const counted = (ms: number | undefined, beforeMs: number) =>
        ms !== undefined && (ms < beforeMs || ms > nowMs) ? nowMs : ms
      let changed = 0
      for (const row of [...outbox.values()]) {
        if (changed >= limit) break
        const settledMs = counted(row.settledMs, settledBeforeMs)
        const waitsSinceMs = counted(row.waitsSinceMs, waitsBeforeMs)
        if (settledMs === row.settledMs && waitsSinceMs === row.waitsSinceMs) continue
        write(row, { settledMs, waitsSinceMs })
        changed += 1
      }
      return changed
    },
    prune({ nowMs, storedBeforeMs, concludedBeforeMs, heardBeforeMs, settledBeforeMs }, limit) {
      let changed = 0
      for (const row of [...outbox.values()]) {
        if (changed >= limit) break
        const { settledMs } = row
        if (isUndated(row) && row.waitsSinceMs === undefined) {
          write(row, { waitsSinceMs: nowMs })
          changed += 1
        }
        if (settledMs === undefined) continue
        const receipts = receiptsOf(row.id)
        const isConcluded = receipts.some(({ state }) => isTerminal(state))
        const isHeard = receipts.length > 0 || row.delivery.state === 'expired'
        const isForgotten =
          settledMs < settledBeforeMs ||
          (isHeard && settledMs < heardBeforeMs) ||
          (isConcluded && settledMs < concludedBeforeMs)
        const waiting = row.copies.filter(({ state }) => state === 'waiting')
        if (isForgotten) remove(row.id)
        else if (waiting.length === 0 || settledMs >= storedBeforeMs) continue
        else {
          for (const copy of waiting) leave(copy)
          write(row, { copies: row.copies.filter(({ state }) => state !== 'waiting') })
        }
        changed += 1
      }
      return changed
    },
    redate(id, event) {
      const row = outbox.get(id)
      if (!row || row.copies.some(({ state }) => state === 'stored')) return false
      write(row, { event })
      return true
    },
    requeue(id) {
      const row = outbox.get(id)
      if (!row) return false
      const refused = row.copies.filter(({ state }) => state === 'refused')
      if (!isGivenUp(row) && !(refused.length > 0 && isOpen(row))) return false
      const copies = waitAgain(row, refused)
      write(row, {
        copies,
        ...(isGivenUp(row) ? { delivery: QUEUED, settledMs: undefined, waitsSinceMs: undefined } : {}),
      })
      return true
    },
    forget(id) {
      const row = outbox.get(id)
      return row !== undefined && isGivenUp(row) && remove(id)
    },
    unheard() {
      const relays = new Set<string>()
      for (const { id, delivery, copies } of outbox.values()) {
        if (delivery.state !== 'stored' || receiptsOf(id).length > 0) continue
        for (const copy of copies) if (copy.state === 'stored' && copy.seq !== undefined) relays.add(copy.relay)
      }
      return [...relays]
    },
    acknowledged(relay) {
      const highest = new Map<string | undefined, number>()
      for (const { copies } of outbox.values()) {
        const copy = copies.find(each => each.relay === relay)
        if (copy?.state === 'stored' && copy.seq !== undefined)
          highest.set(copy.epoch, Math.max(copy.seq, highest.get(copy.epoch) ?? 0))
      }
      return [...highest].map(([epoch, seq]) => ({ epoch, seq }))
    },
    carryOver(relay, { from, to, upTo }) {
      let count = 0
      for (const row of outbox.values()) {
        const told = row.copies.find(copy => copy.relay === relay)
        if (told?.state !== 'stored' || told.seq === undefined || told.epoch !== from) continue
        if (told.seq <= upTo) {
          const carried = Object.freeze({ ...told, epoch: to })
          write(row, { copies: row.copies.map(copy => (copy === told ? carried : copy)) })
          continue
        }
        restand(row, waitAgain(row, [told]), row.settledMs ?? 0)
        count += 1
      }
      return count
    },
  } satisfies Pick<
    MailStore,
    | 'address'
    | 'awaiting'
    | 'awaitingFrom'
    | 'waiting'
    | 'waitingRelays'
    | 'settle'
    | 'overdue'
    | 'recount'
    | 'prune'
    | 'redate'
    | 'requeue'
    | 'forget'
    | 'unheard'
    | 'acknowledged'
    | 'carryOver'
  > & { of: MailStore['copies']; told(id: string, nowMs: number): void }
}

const withoutState = <Row extends CopiedRow>(row: Readonly<Row>): OutgoingMail => {
  const { id, to, event } = row
  return { id, to, event, ...(row.expires === undefined ? {} : { expires: row.expires }) }
}

const FALLBACK = { fallback: true } as const
const roleOf = (copy: Pick<Copy, 'fallback'> | undefined) => (copy?.fallback ? FALLBACK : {})

/** Its copies decide. */
const isStanding = ({ state }: Delivery): boolean => state === 'queued' || state === 'stored' || state === 'refused'

/** Queued without a deadline. */
const isUndated = ({ delivery, expires }: { delivery: Delivery; expires?: number | undefined }): boolean =>
  delivery.state === 'queued' && expires === undefined

/** On its way, or waiting for its recipient. */
const isOpen = ({ delivery }: Pick<CopiedRow, 'delivery'>): boolean =>
  delivery.state === 'queued' || delivery.state === 'stored'

/** Refused or undeliverable: a dead letter. */
export const isGivenUp = ({ delivery }: Pick<CopiedRow, 'delivery'>): boolean =>
  delivery.state === 'refused' || delivery.state === 'undeliverable'

/** The recipient has it, though no relay's OK ever came; receipts say more. */
export const receivedAt = (nowMs: number): Delivery =>
  Object.freeze({ state: 'received', at: Math.floor(nowMs / 1000) })

/** What the sender is told where its copies do not decide. */
export const endOf = (outcome: Outcome): Delivery => {
  const { id: _id, ...end } = outcome
  return Object.freeze(end) as Delivery
}
