import type { Database } from '../../../platform/sqlite.ts'
import type { NostrEvent } from '../../../protocol/event.ts'
import type { Matchable } from '../../../protocol/filter.ts'
import {
  isTooOld,
  type PruneOrder,
  type PrunePage,
  PruneRefusedError,
  type PruneRequest,
  ruleOf,
} from '../retention.ts'
import { authorKey } from './keys.ts'
import { type EventRow, headerOf, provenEvent, ROW_COLUMNS } from './row.ts'

/** Rows looked at per request, so that queries are answered in between. */
const CHUNK = 512

interface RuledRow extends EventRow {
  readonly author: number
}
const EVENT_COLUMNS = `${ROW_COLUMNS}, author`

interface RemovalRow {
  readonly seq: number
  readonly removed_at: number
  readonly target: string
}

/** The event of a row that is what was stored, columns by which it was found included. */
function trusted(row: RuledRow): NostrEvent | undefined {
  const event = provenEvent(row)
  return event !== undefined && authorKey(event.pubkey) === row.author ? event : undefined
}

/** One page of what a rule takes, newest first. Columns only narrow; each event itself is asked. */
export function findVictims(db: Database, request: PruneRequest): PrunePage {
  return request.part === 'events' ? findEvents(db, request) : findRemovals(db, request)
}

function findEvents(db: Database, { rules, rule: index, now, from }: PruneRequest): PrunePage {
  const rule = rules[index]
  const { below, kept: before } = from ?? { below: Number.MAX_SAFE_INTEGER, kept: 0 }
  if (rule === undefined || (rule.maxAgeS === undefined && rule.maxCount === undefined)) return NOTHING
  const keep = rule.maxCount ?? Number.POSITIVE_INFINITY
  const where = ['seq < ?']
  const params: (string | number)[] = [below]
  const narrow = (column: string, values: readonly (string | number)[] | undefined) => {
    if (values === undefined) return
    where.push(`${column} IN (SELECT value FROM json_each(?))`)
    params.push(JSON.stringify(values))
  }
  narrow('kind', rule.kinds)
  narrow('author', rule.authors?.map(authorKey))
  if (rule.maxCount === undefined) {
    where.push('created_at < ?')
    params.push(now - (rule.maxAgeS ?? 0))
  } else if (from === undefined && rule.maxAgeS === undefined) {
    const all = db
      .prepare(`SELECT count(*) FROM events WHERE ${where.join(' AND ')}`)
      .pluck()
      .get(params)
    if (Number(all) <= keep) return NOTHING
  }
  // By the table and not by an index that may lack rows, or name some twice: a count would then take too many.
  const rows = db
    .prepare(`SELECT ${EVENT_COLUMNS} FROM events NOT INDEXED WHERE ${where.join(' AND ')} ORDER BY seq DESC LIMIT ?`)
    .all(...params, CHUNK) as RuledRow[]
  const victims: number[] = []
  const damaged: number[] = []
  let kept = before
  for (const row of rows) {
    const event = trusted(row)
    if (event === undefined) damaged.push(row.seq)
    else if (ruleOf(rules, event) !== rule) continue
    else if (kept >= keep || isTooOld(rule, event, now)) victims.push(row.seq)
    else kept += 1
  }
  return { victims, damaged, next: nextOf(rows, kept) }
}

function findRemovals(db: Database, { rules, rule: index, now, from }: PruneRequest): PrunePage {
  const rule = rules[index]
  if (rule?.maxAgeS === undefined) return NOTHING
  const rows = db
    .prepare('SELECT seq, removed_at, target FROM removals WHERE seq < ? AND removed_at < ? ORDER BY seq DESC LIMIT ?')
    .all(from?.below ?? Number.MAX_SAFE_INTEGER, (now - rule.maxAgeS) * 1000, CHUNK) as RemovalRow[]
  const victims: number[] = []
  const damaged: number[] = []
  for (const { seq, target } of rows) {
    const header = headerOf(target)
    if (header === undefined) damaged.push(seq)
    else if (ruleOf(rules, header) === rule) victims.push(seq)
  }
  return { victims, damaged, next: nextOf(rows, 0) }
}

const NOTHING: PrunePage = { victims: [], damaged: [], next: undefined }

function nextOf(rows: readonly { readonly seq: number }[], kept: number): PrunePage['next'] {
  const end = rows.length < CHUNK ? undefined : rows.at(-1)
  return end && { below: end.seq, kept }
}

/**
 * Takes victims inside the caller's transaction, looking at each once more, and raises the floors of their kinds.
 * Throws {@link PruneRefusedError}, so that the transaction takes nothing. Returns how many were still there.
 */
export function takeVictims(db: Database, order: PruneOrder, drop: (seq: number, event: NostrEvent) => void): number {
  const { part, rules, rule, seqs } = order
  const floors = new Map<number, number>()
  const take = (seq: number, header: Matchable): void => {
    if (ruleOf(rules, header) !== rules[rule]) throw new PruneRefusedError([seq])
    floors.set(header.kind, Math.max(floors.get(header.kind) ?? 0, seq + 1))
  }
  const findEvent = db.prepare(`SELECT ${EVENT_COLUMNS} FROM events WHERE seq = ?`)
  const findRemoval = db.prepare('SELECT seq, removed_at, target FROM removals WHERE seq = ?')
  const dropRemoval = db.prepare('DELETE FROM removals WHERE seq = ?')
  let taken = 0
  for (const seq of seqs) {
    const row = (part === 'events' ? findEvent : findRemoval).get(seq)
    if (row === undefined) continue
    if (part === 'events') {
      const event = trusted(row as RuledRow)
      if (event === undefined) throw new PruneRefusedError([seq])
      take(seq, event)
      drop(seq, event)
    } else {
      const header = headerOf((row as RemovalRow).target)
      if (header === undefined) throw new PruneRefusedError([seq])
      take(seq, header)
      dropRemoval.run(seq)
    }
    taken += 1
  }
  const raise = db.prepare(
    `INSERT INTO floors (part, kind, floor) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET floor = max(floor, excluded.floor)`,
  )
  for (const [kind, floor] of floors) raise.run(part, kind, floor)
  return taken
}
