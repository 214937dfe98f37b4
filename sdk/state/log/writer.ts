import { seconds } from '../../../platform/clock.ts'
import type { Cursor } from '../../../protocol/cursor.ts'
import { makeEpoch } from '../../../protocol/cursor.ts'
import { byteLength, type EventTemplate, encodeEvent, type NostrEvent } from '../../../protocol/event.ts'
import { STATE_DELTA, STATE_SNAPSHOT } from '../../../protocol/kinds.ts'
import {
  chunkTags,
  deltaTags,
  MAX_CHUNKS,
  RING_SLOTS,
  type SnapshotSlot,
  shortId,
  snapshotTags,
} from '../../../protocol/state.ts'
import { WIRE_LIMITS } from '../../../protocol/wire-limits.ts'
import { StateError } from '../../errors.ts'
import { dateOf, horizonOf, removalOf } from '../../misdated.ts'
import type { Table } from '../../tables.ts'
import { type Cover, entryOf, includes, joinCovers } from './cover.ts'
import type { Marks } from './marks.ts'
import type { Retained } from './retained.ts'
import { CHUNK_BYTES, cut, encodeSnapshot, hashOf } from './snapshot-text.ts'
import type { LogHost, LogOptions, Place, SnapshotDraft, WriteOptions } from './types.ts'

/** What was signed last, in whatever process of this home. */
export interface NumberingRow {
  readonly session: string
  readonly n: number
  /** created_at that no event of this log was dated above. */
  readonly newest: number
}

export interface WriterOptions<P, S> extends LogOptions<P, S> {
  readonly host: LogHost
  readonly marks: Marks
  readonly retained: Retained
  readonly numbering: Table<NumberingRow>
  /** Per relay, where reading stands; only if nothing is missing. */
  lows(): ReadonlyMap<string, Cursor>
}

/** Numbers, signs and keeps own events; what is kept is sent by others. Calls must not overlap. */
export interface Writer<P, S> {
  readonly session: string | undefined
  delta(payload: P, how: WriteOptions): Promise<Place & { readonly id: string }>
  whole(draft: (place: Place) => SnapshotDraft<S>, how: WriteOptions): Promise<Place & { readonly id: string }>
  /** Opens the session of the next write, if it is not open, and names it. */
  begin(): string
  /** Undefined: the class above has none to give now. */
  snapshot(): Promise<{ readonly id: string } | undefined>
  renew(above?: string): void
  /** The number that comes next: its ring slot has to be free. */
  nextNumber(): number
  /** An own event was seen at a relay. */
  saw(event: NostrEvent): void
  /** What is kept was dated by a clock that was ahead: a snapshot is wanted, which is dated right and has all of it. */
  isMisdated(): boolean
  /** An event that takes these back where a relay has them. */
  remove(events: readonly NostrEvent[]): Promise<NostrEvent>
}

const ROW = 'numbering'

export function createWriter<P, S>(options: WriterOptions<P, S>): Writer<P, S> {
  const { o, host, marks, retained, numbering } = options
  const { signer, clock, random, store } = host
  const self = signer.pubkey
  let session: string | undefined
  let n = 0
  let previous: string | undefined
  /** Dates of this session's events by number: a ring slot is only taken over by something dated later. */
  let dates = new Map<number, number>()
  let newest = numbering.get(ROW)?.newest ?? 0
  let stale = false
  let floor = ''

  const highestSeen = (): string => {
    const seen = [...marks.sessions(self), numbering.get(ROW)?.session ?? '', floor]
    return seen.reduce((a, b) => (a > b ? a : b), '')
  }

  /** Another process of this key wrote in a session above ours, or ours is in doubt: numbers start anew above it. */
  const mustRenew = () => session === undefined || stale || (options.keepSession !== true && highestSeen() > session)

  function open(): string {
    if (session !== undefined && !mustRenew()) return session
    const [high = 0, low = 0] = random.bytes(2)
    const above = highestSeen()
    session = makeEpoch(clock.now(), (high << 8) | low, above === '' ? [] : [above])
    n = 0
    previous = undefined
    dates = new Map()
    stale = false
    return session
  }

  async function sign(template: EventTemplate): Promise<NostrEvent> {
    if (byteLength(template.content) > WIRE_LIMITS.contentBytes) throw tooLarge()
    try {
      const event = await signer.sign(template)
      if (byteLength(encodeEvent(event)) > WIRE_LIMITS.eventBytes) throw tooLarge()
      return event
    } catch (error) {
      // It may have been signed: this number is not used again.
      stale = true
      throw error
    }
  }

  const tooLarge = () => new StateError('state-too-large', 'a change does not fit into one event; write it in parts.')

  /** Never before what is at this address already, unless a clock that was ahead has dated that: no relay would take what is dated above it. */
  function dateFor(number: number): number {
    const before = dateOf(dates.get(number - 1) ?? newest, clock)
    const there = dates.get(number - RING_SLOTS)
    return Math.max(
      seconds(clock),
      before,
      there === undefined ? 0 : dateOf(there, clock) + 1,
      number === 1 ? dateOf(newest, clock) + 1 : 0,
    )
  }

  function keep(place: Place & { id: string }, event: NostrEvent, how: WriteOptions, retain: () => void): void {
    const was = previous
    store.transaction(() => {
      newest = Math.max(dateOf(newest, clock), event.created_at)
      numbering.set(ROW, { session: place.session, n: place.n, newest })
      retain()
      marks.take({ ...place, id: shortId(event.id), ...(was ? { previous: was } : {}) })
      how.commit?.(place)
    })
    n = place.n
    previous = shortId(event.id)
    dates.set(n, event.created_at)
    dates.delete(n - RING_SLOTS - 1)
  }

  async function snapshotEvents(
    slot: SnapshotSlot,
    place: Place,
    draft: SnapshotDraft<S>,
    cover: Cover,
    link?: string,
  ): Promise<NostrEvent[]> {
    const payload = await options.snapshot.encode(draft.payload, place)
    const low = draft.cover && !includes(draft.cover, cover) ? new Map<string, Cursor>() : options.lows()
    const texts = payload.length > MAX_CHUNKS * CHUNK_BYTES ? [] : cut(payload)
    if (texts.length === 0 || texts.length > MAX_CHUNKS)
      throw new StateError(
        'state-too-large',
        `the state is larger than ${(MAX_CHUNKS * CHUNK_BYTES) / 1024} KiB; delete some of it, or spread it over several documents.`,
      )
    const whole = texts.length === 1
    const hashes = texts.map(hashOf)
    const header = { cover, low, ...(whole ? {} : { pieces: hashes }) }
    const created_at = Math.max(seconds(clock), dateOf(newest, clock) + 1)
    const events: NostrEvent[] = []
    if (!whole)
      for (const [index, content] of texts.entries()) {
        const tags = chunkTags({ o, slot, index, count: texts.length, hash: hashes[index] ?? '' })
        events.push(await sign({ kind: STATE_SNAPSHOT, created_at, tags, content }))
      }
    const { digest, control } = draft
    const tags = snapshotTags({
      o,
      slot,
      ...(place.n > 0 ? { session: place.session, n: place.n } : {}),
      ...(link === undefined ? {} : { previous: link }),
      ...(digest === undefined ? {} : { digest }),
      ...(control === undefined ? {} : { control }),
    })
    const content = encodeSnapshot(header, self, whole ? payload : '')
    events.push(await sign({ kind: STATE_SNAPSHOT, created_at, tags, content }))
    return events
  }

  function keepSnapshot(slot: SnapshotSlot, events: readonly NostrEvent[], cover: Cover): void {
    const last = events.at(-1)
    if (!last) return
    newest = Math.max(dateOf(newest, clock), last.created_at)
    retained.putSnapshot(slot, {
      id: last.id,
      createdAt: last.created_at,
      events: events.map(encodeEvent),
      acks: [],
      cover,
    })
  }

  return {
    get session() {
      return session
    },
    async delta(payload, how) {
      const { deps = [], control } = how
      const at = { kind: STATE_DELTA, o, author: self, session: open(), n: n + 1 }
      const place: Place = { ...at, ...(control === undefined ? {} : { control }) }
      const content = await options.delta.encode(payload, place)
      const tags = deltaTags({
        o,
        session: place.session,
        n: place.n,
        deps,
        ...(previous === undefined ? {} : { previous }),
        ...(control === undefined ? {} : { control }),
      })
      const event = await sign({ kind: STATE_DELTA, created_at: dateFor(place.n), tags, content })
      const written = { ...place, id: event.id }
      keep(written, event, how, () => retained.addTail(event, encodeEvent(event), place))
      await store.durable?.()
      return written
    },
    async whole(draft, how) {
      const place: Place = { kind: STATE_SNAPSHOT, o, author: self, session: open(), n: n + 1 }
      const drawn = draft(place)
      const own = new Map([[self, new Map([[place.session, { n: place.n }]])]])
      const cover = joinCovers(drawn.cover ?? marks.read(), own)
      const slot = retained.nextSlot()
      const events = await snapshotEvents(slot, place, drawn, cover, previous)
      const event = events.at(-1)
      if (!event) throw new StateError('state-malformed', 'there is nothing to write.')
      const written = { ...place, id: event.id }
      keep(written, event, how, () => {
        keepSnapshot(slot, events, cover)
        drawn.commit?.()
      })
      await store.durable?.()
      return written
    },
    async snapshot() {
      const cover = marks.read()
      const draft = options.takeSnapshot(cover)
      if (!draft) return undefined
      const named = draft.cover ?? cover
      const latest = [...(named.get(self) ?? [])].sort(([a], [b]) => (a < b ? 1 : -1))[0]
      const place: Place = {
        kind: STATE_SNAPSHOT,
        o,
        author: self,
        session: latest?.[0] ?? '',
        n: latest?.[1].n ?? 0,
        ...(draft.control === undefined ? {} : { control: draft.control }),
      }
      // Without an id it would be taken for an event of the session itself.
      if (place.n > 0 && entryOf(named, self, place.session)?.id === undefined) return undefined
      const slot = retained.nextSlot()
      const events = await snapshotEvents(slot, place, draft, named)
      store.transaction(() => {
        keepSnapshot(slot, events, named)
        draft.commit?.()
        numbering.set(ROW, { session: '', n: 0, ...numbering.get(ROW), newest })
      })
      await store.durable?.()
      const event = events.at(-1)
      return event && { id: event.id }
    },
    begin: open,
    renew(above) {
      stale = true
      if (above !== undefined && above > floor) floor = above
    },
    nextNumber: () => (mustRenew() ? 1 : n + 1),
    saw(event) {
      newest = Math.max(newest, event.created_at)
    },
    isMisdated: () => retained.isMisdated(horizonOf(clock)),
    remove: async events => signer.sign(removalOf(events, clock)),
  }
}
