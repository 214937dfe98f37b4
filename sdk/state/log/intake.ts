import { encodeEvent, type NostrEvent } from '../../../protocol/event.ts'
import { STATE_DELTA } from '../../../protocol/kinds.ts'
import {
  type DeltaTags,
  isChunk,
  parseDelta,
  parseSnapshot,
  type SnapshotTags,
  shortId,
} from '../../../protocol/state.ts'
import type { Line } from '../../link/line.ts'
import type { Table } from '../../tables.ts'
import { entryOf } from './cover.ts'
import type { Marks } from './marks.ts'
import { createPieces } from './pieces.ts'
import type { Retained } from './retained.ts'
import { parseSnapshotText, type SnapshotHeader } from './snapshot-text.ts'
import type { Delta, Fork, LogOptions, Place, Snapshot } from './types.ts'

const MAX_SEEN = 256

export interface IntakeOptions<P, S> extends LogOptions<P, S> {
  readonly self: string
  readonly marks: Marks
  readonly retained: Retained
  readonly forks: Table<Fork>
  /** A snapshot was believed. */
  onCovered(event: NostrEvent, header: SnapshotHeader, line: Line): void
  /** A snapshot that was believed before, or written here, is at this relay too. */
  onAgain(event: NostrEvent, line: Line): void
  /** An event of the own key at a relay: what it is dated, and where it stands. */
  onOwn(event: NostrEvent, place: { readonly session: string; readonly n: number } | undefined): void
}

/** Ready to be applied, all at once and at any later moment. */
export type Prepared = () => void

/** From a verified event to what the class above is told: tags, author, decoding, then marks and forks (research: pipeline). */
export interface Intake {
  /** Whatever takes time; undefined: nothing to be done about it. */
  prepare(event: NostrEvent, line: Line): Promise<Prepared | undefined>
}

export function createIntake<P, S>(options: IntakeOptions<P, S>): Intake {
  const { o, self, marks, retained, forks } = options
  const pieces = createPieces()
  /** Snapshots taken, so that their echo costs nothing. */
  const seen = new Set<string>()

  const refuse = (event: NostrEvent, reason: string): undefined => {
    options.onRefused?.({ id: event.id, author: event.pubkey }, reason)
    return undefined
  }

  async function prepareDelta(event: NostrEvent, line: Line, tags: DeltaTags): Promise<Prepared | undefined> {
    const { session, n, previous, control } = tags
    const numbered = { author: event.pubkey, session, n, id: shortId(event.id), ...(previous ? { previous } : {}) }
    if (marks.judge(numbered) !== 'new') return () => arrive(event, line, numbered, () => {})
    const place: Place = { kind: event.kind, o, author: event.pubkey, session, n, ...(control ? { control } : {}) }
    let payload: P
    try {
      payload = await options.delta.decode(event.content, place)
    } catch (error) {
      return refuse(event, `cannot be decoded: ${String(error)}`)
    }
    const delta: Delta<P> = {
      ...place,
      id: event.id,
      at: event.created_at,
      deps: tags.deps,
      payload,
      ...(previous ? { previous } : {}),
    }
    return () =>
      arrive(event, line, numbered, () => {
        retained.addTail(event, encodeEvent(event), numbered, line.url)
        options.onDelta(delta)
      })
  }

  /** Judged again, because others were applied since. */
  function arrive(event: NostrEvent, line: Line, numbered: Parameters<Marks['judge']>[0], take: () => void): void {
    const { author, session, n } = numbered
    if (author === self) options.onOwn(event, { session, n })
    const verdict = marks.judge(numbered)
    if (verdict === 'known') retained.ackTail({ author, session, n }, line.url)
    else if (verdict === 'new') {
      marks.take(numbered)
      take()
    } else if (verdict !== 'frozen') fork({ author, session, n }, verdict, event)
  }

  function fork(at: { author: string; session: string; n: number }, reason: Fork['reason'], event: NostrEvent): void {
    const name = `${at.author}/${at.session}`
    if (forks.has(name)) return
    const first = retained.find(at.author, at.session, reason === 'chain' ? at.n - 1 : at.n)?.event
    const found = Object.freeze({ ...at, reason, proof: [...(first ? [first] : []), encodeEvent(event)] })
    forks.set(name, found)
    marks.freeze(at)
    options.onFork?.(found)
  }

  async function prepareSnapshot(event: NostrEvent, line: Line, tags: SnapshotTags): Promise<Prepared | undefined> {
    if (seen.has(event.id) || retained.newest()?.id === event.id) return () => options.onAgain(event, line)
    const parsed = parseSnapshotText(event.content, event.pubkey)
    if (!parsed.ok) return refuse(event, parsed.error)
    const header = parsed.value
    const whole = header.pieces
      ? await pieces.join(line, { o, author: event.pubkey, slot: tags.slot }, header.pieces)
      : header.payload
    if (whole === undefined) return refuse(event, 'pieces of it are missing')
    const { session = '', n = 0, control, digest } = tags
    const place: Place = { kind: event.kind, o, author: event.pubkey, session, n, ...(control ? { control } : {}) }
    let payload: S
    try {
      payload = await options.snapshot.decode(whole, place)
    } catch (error) {
      return refuse(event, `cannot be decoded: ${String(error)}`)
    }
    const snapshot: Snapshot<S> = {
      ...place,
      id: event.id,
      at: event.created_at,
      cover: header.cover,
      payload,
      ...(digest ? { digest } : {}),
    }
    return () => apply(event, line, tags, header, snapshot)
  }

  function apply(
    event: NostrEvent,
    line: Line,
    { session, n, previous }: SnapshotTags,
    header: SnapshotHeader,
    snapshot: Snapshot<S>,
  ): void {
    if (event.pubkey === self) options.onOwn(event, session && n ? { session, n } : undefined)
    // Written in place of a delta: an event of the session itself.
    const own = session === undefined ? undefined : entryOf(header.cover, event.pubkey, session)
    if (session && n && own?.n === n && own.id === undefined) {
      const numbered = { author: event.pubkey, session, n, id: shortId(event.id), ...(previous ? { previous } : {}) }
      const verdict = marks.judge(numbered)
      if (verdict === 'two-events') return fork(numbered, verdict, event)
      if (verdict === 'frozen') return
      if (verdict === 'new' || verdict === 'chain') marks.take(numbered)
    }
    if (!options.onSnapshot(snapshot)) return
    seen.add(event.id)
    const [oldest] = seen
    if (seen.size > MAX_SEEN && oldest !== undefined) seen.delete(oldest)
    for (const contradicted of marks.cover(header.cover)) fork(contradicted, 'cover', event)
    options.onCovered(event, header, line)
  }

  return {
    async prepare(event, line) {
      if (!options.authors().has(event.pubkey)) return undefined
      if (event.kind === STATE_DELTA) {
        const tags = parseDelta(event)
        if (!tags.ok) return refuse(event, tags.error)
        return tags.value.o === o ? prepareDelta(event, line, tags.value) : undefined
      }
      const tags = parseSnapshot(event)
      if (!tags.ok) return refuse(event, tags.error)
      if (tags.value.o !== o) return undefined
      if (!isChunk(tags.value)) return prepareSnapshot(event, line, tags.value)
      pieces.take(event, tags.value)
      return undefined
    },
  }
}
