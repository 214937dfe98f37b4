import { type Filter, matchesNothing } from '../../protocol/filter.ts'
import type { LogBatch, LogRequest, LogRow, Position, QueryFilter, QueryPage, QueryRequest } from './store.ts'

/** A stored event as a query source yields it: already matched, readable and unexpired. */
export interface Row extends Position {
  readonly seq: number
  readonly json: string
}

/** Text handed over per page: enough to keep a socket busy, small enough to hold for many readers at once. */
export const PAGE_BYTES = 262_144
/** How far a page may exceed the relay's own cap to end on a whole second (NIP-67). */
const BOUNDARY_EXTRA = 500

/** A source has looked at enough for one turn: everything up to this place has been yielded, and it ends here. */
export interface Pause extends Position {
  readonly pause: true
}

/** Rows of one filter in NIP-01's order, strictly after `after`, seq up to `upTo`; `wanted` of them will probably be taken. */
export type QuerySource = (
  filter: Filter,
  after: Position | undefined,
  upTo: number,
  wanted: number,
) => Iterator<Row | Pause, undefined>

interface Lane {
  readonly state: { filter: Filter; remaining: number; capped: boolean }
  readonly rows: Iterator<Row | Pause, undefined>
  head: Row | Pause | undefined
}

/**
 * Merges the filters of one REQ into one page: newest first, lowest id first, each event once, each filter within its limit.
 * Where the relay's own cap cuts, the page ends on a whole second, so that a client paging by `until` misses nothing.
 */
export function buildPage(request: QueryRequest, last: number, source: QuerySource): QueryPage {
  const upTo = request.upTo ?? last
  let complete = request.cut !== true
  let position = request.after
  const lanes: Lane[] = []
  for (const state of request.filters) {
    if (matchesNothing(state.filter)) continue
    const rows = source(state.filter, request.after, upTo, state.remaining + 1)
    lanes.push({ state: { ...state }, rows, head: rows.next().value })
  }
  const events: string[] = []
  let bytes = 0
  for (;;) {
    for (const lane of lanes) {
      if (lane.head === undefined || mayTake(lane, position)) continue
      lane.head = undefined
      complete = false
    }
    const row = first(lanes)
    if (row === undefined) return { events, seq: upTo, next: undefined, complete }
    const after = 'pause' in row ? { created_at: row.created_at, id: row.id } : position
    if ((bytes >= PAGE_BYTES || 'pause' in row) && after !== undefined) {
      const filters: QueryFilter[] = lanes.filter(lane => lane.head !== undefined).map(lane => lane.state)
      return { events, seq: upTo, next: { after, filters, cut: !complete }, complete }
    }
    if ('pause' in row) continue
    events.push(row.json)
    bytes += row.json.length
    position = { created_at: row.created_at, id: row.id }
    for (const lane of lanes) {
      if (lane.head?.id !== row.id) continue
      lane.state.remaining -= 1
      lane.head = lane.rows.next().value
    }
  }
}

/** Within its limit, or completing the second on which the relay's own cap fell. */
function mayTake({ state, head }: Lane, position: Position | undefined): boolean {
  if (state.remaining > 0) return true
  return state.capped && state.remaining > -BOUNDARY_EXTRA && head?.created_at === position?.created_at
}

function first(lanes: readonly Lane[]): Row | Pause | undefined {
  let best: Row | Pause | undefined
  for (const { head } of lanes) {
    if (head === undefined) continue
    if (
      best === undefined ||
      head.created_at > best.created_at ||
      (head.created_at === best.created_at && head.id < best.id)
    )
      best = head
  }
  return best
}

/** Where a batch ends early because its sources have looked at enough: everything up to here has been looked at. They lower it. */
export interface Horizon {
  seq: number
}

/** Log rows of one kind (one filter's events, or removals) in ascending seq. */
export type LogSource = Iterator<LogRow, undefined>

/**
 * Merges ascending sources into one batch, each seq once, cut by count or bytes. A `replaced` is told unless the same batch
 * carries the address's present event: a successor that has not been sent yet may itself be gone before it is.
 */
export function buildBatch(
  request: Pick<LogRequest, 'limit'>,
  last: number,
  sources: readonly LogSource[],
  horizon: Readonly<Horizon> = { seq: last },
): Omit<LogBatch, 'floor'> {
  const lanes = sources.map(rows => ({ rows, head: rows.next().value }))
  const rows: LogRow[] = []
  let bytes = 0
  for (;;) {
    let best: LogRow | undefined
    for (const { head } of lanes) if (head !== undefined && (best === undefined || head.seq < best.seq)) best = head
    if (best !== undefined && best.seq > horizon.seq) best = undefined
    const cut = rows.length >= request.limit || bytes >= PAGE_BYTES
    if (best === undefined || cut) {
      const upTo = best === undefined ? horizon.seq : (rows.at(-1)?.seq ?? horizon.seq)
      return { entries: withoutSuperseded(rows), upTo, last }
    }
    rows.push(best)
    if (best.op === 'stored') bytes += best.packed ? best.packed.end - best.packed.start : best.json.length
    for (const lane of lanes) if (lane.head?.seq === best.seq) lane.head = lane.rows.next().value
  }
}

function withoutSuperseded(rows: readonly LogRow[]): readonly LogRow[] {
  if (!rows.some(({ op }) => op === 'replaced')) return rows
  const held = new Set(rows.flatMap(row => (row.op === 'stored' && row.address !== undefined ? [row.address] : [])))
  return rows.filter(row => row.op !== 'replaced' || !held.has(row.address ?? ''))
}
