import { base64 } from '@scure/base'
import type { Dependency } from '../../protocol/state.ts'
import { type Cover, coverJson, parseCover } from '../state/log/cover.ts'
import type { StateStore } from '../state/store.ts'
import type { Gated } from './gate.ts'
import type { StatePayload } from './payload.ts'
import type { Withheld } from './withhold.ts'

/** Deltas that a document keeps apart before they are folded into one state. */
export const FOLD_AT = 256
/** Own deltas are kept so long even when folded: a generation that begins without them makes them anew. */
const OWN_KEPT = 128
/** Elements that no member would take: the newest are kept. */
const WITHHELD_KEPT = 16
/** What history tells of. */
const HISTORY = 500

interface DeltaRow {
  readonly author: string
  readonly session: string
  readonly n: number
  readonly id: string
  readonly deps: readonly Dependency[]
  readonly more: boolean
  readonly bytes: string
}
interface StateRow {
  readonly state: string
  readonly cover: unknown
  readonly before?: unknown
}
interface LocalRow {
  readonly client: number
  readonly updates: readonly string[]
}

/** Who wrote when. `bytes`: of the change, before it was sealed. */
export interface HistoryEntry {
  readonly id: string
  /** 64 hex. */
  readonly author: string
  readonly session: string
  readonly n: number
  /** Seconds since 1970, by the author's clock. */
  readonly at: number
  readonly bytes: number
}

/** An element that was taken out of the document because no other member would take it. */
export interface WithheldEntry extends Withheld {
  /** Seconds since 1970. */
  readonly at: number
}

interface WithheldRow {
  readonly at: number
  readonly reason: string
  /** JSON, or base64 of bytes. */
  readonly json?: string
  readonly bytes?: string
}

export interface SessionEnd {
  readonly author: string
  readonly session: string
  readonly n: number
}

export interface KeptState extends StatePayload {
  readonly cover: Cover
}

/** What an agent keeps of one generation of a document: enough to have it again without any relay. */
export interface Kept {
  /** The folded state first, then those by others that came since. */
  states(): KeptState[]
  /** What an author's state said last, until it is folded. */
  stateBy(author: string): KeptState | undefined
  addState(author: string, state: KeptState): void
  deltas(): Gated[]
  addDelta(delta: Gated, at: number): void
  /** Puts everything that `state` covers into it. */
  fold(state: KeptState, self: string): void
  readonly unfolded: number
  /** Own deltas that are still here one by one, oldest first. */
  own(self: string): Gated[]
  /** Local changes that no process has written, and the client id they were made under. */
  local(): { readonly client: number; readonly updates: readonly Uint8Array[] } | undefined
  keepLocal(client: number, updates: readonly Uint8Array[]): void
  history(): readonly HistoryEntry[]
  /** Elements that no member would take. */
  withheld(): readonly WithheldEntry[]
  withhold(entry: WithheldEntry): void
  /** Sessions that end early, because two events have the same place in them: the first n that does not count. */
  ends(): readonly SessionEnd[]
  end(end: SessionEnd): void
  /** The generation is over, and nothing of it is wanted any more. */
  clear(): void
}

const FOLDED = 'folded'
const LOCAL = 'local'

export function openKept(store: StateStore, o: string): Kept {
  const states = store.open<StateRow>(`doc/${o}/states`)
  const deltas = store.open<DeltaRow>(`doc/${o}/deltas`)
  const locals = store.open<LocalRow>(`doc/${o}/local`)
  const past = store.open<HistoryEntry>(`doc/${o}/history`)
  const ended = store.open<SessionEnd>(`doc/${o}/ends`)
  const aside = store.open<WithheldRow>(`doc/${o}/withheld`)
  /** Rows that the folded state has in it. */
  let folded = 0

  const rowOf = ({ state, cover, before }: KeptState): StateRow => ({
    state: base64.encode(state),
    cover: coverJson(cover, ''),
    ...(before === undefined ? {} : { before: coverJson(before, '') }),
  })

  function stateOf({ state, cover, before }: StateRow): KeptState {
    const covered = readCover(cover)
    const earlier = before === undefined ? undefined : readCover(before)
    return { state: base64.decode(state), cover: covered, ...(earlier === undefined ? {} : { before: earlier }) }
  }

  return {
    states: () =>
      [...states.entries()]
        .sort(([a], [b]) => Number(b === FOLDED) - Number(a === FOLDED))
        .map(([, row]) => stateOf(row)),
    stateBy(author) {
      const row = states.get(author)
      return row && stateOf(row)
    },
    addState: (author, state) => void states.set(author, rowOf(state)),
    deltas: () => [...deltas.values()].map(gatedOf),
    addDelta(delta, at) {
      const { author, session, n, id, deps, more, bytes } = delta
      const key = `${author}:${session}:${n}`
      deltas.set(key, { author, session, n, id, deps, more, bytes: base64.encode(bytes) })
      past.set(key, { id, author, session, n, at, bytes: bytes.length })
      if (past.size > HISTORY) for (const oldest of [...past.keys()].slice(0, past.size - HISTORY)) past.delete(oldest)
    },
    fold(state, self) {
      const covered = (row: DeltaRow) => row.n <= (state.cover.get(row.author)?.get(row.session)?.n ?? 0)
      const own = [...deltas].filter(([, row]) => row.author === self && covered(row)).map(([key]) => key)
      const staying = new Set(own.slice(-OWN_KEPT))
      states.set(FOLDED, rowOf(state))
      for (const author of [...states.keys()]) if (author !== FOLDED) states.delete(author)
      for (const [key, row] of [...deltas]) if (covered(row) && !staying.has(key)) deltas.delete(key)
      folded = staying.size
    },
    get unfolded() {
      return deltas.size - folded
    },
    own: self => [...deltas.values()].filter(({ author }) => author === self).map(gatedOf),
    local() {
      const row = locals.get(LOCAL)
      return row && { client: row.client, updates: row.updates.map(text => base64.decode(text)) }
    },
    keepLocal(client, updates) {
      if (updates.length === 0) locals.delete(LOCAL)
      else locals.set(LOCAL, { client, updates: updates.map(update => base64.encode(update)) })
    },
    history: () => [...past.values()],
    withheld: () =>
      [...aside.values()].map(({ at, reason, json, bytes }) => ({
        at,
        reason,
        value: bytes === undefined ? JSON.parse(json ?? 'null') : base64.decode(bytes),
      })),
    withhold({ at, reason, value }) {
      const row =
        value instanceof Uint8Array ? { bytes: base64.encode(value) } : { json: JSON.stringify(value) ?? 'null' }
      const last = Math.max(-1, ...[...aside.keys()].map(Number))
      aside.set(String(last + 1), { at, reason, ...row })
      for (const key of [...aside.keys()].slice(0, -WITHHELD_KEPT)) aside.delete(key)
    },
    ends: () => [...ended.values()],
    end: ({ author, session, n }) => void ended.set(`${author}:${session}`, { author, session, n }),
    clear() {
      for (const table of [states, deltas, locals, past, ended, aside])
        for (const key of [...table.keys()]) table.delete(key)
    },
  }
}

const gatedOf = (row: DeltaRow): Gated => ({ ...row, bytes: base64.decode(row.bytes) })

function readCover(value: unknown): Cover {
  const cover = parseCover(value, '')
  return cover.ok ? cover.value : new Map()
}
