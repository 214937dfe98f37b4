import { base64urlnopad } from '@scure/base'
import { type NostrEvent, type Tag, tagValue } from './event.ts'
import { bytesToHex, hexToBytes, isHex, isHex64 } from './hex.ts'
import { STATE_DELTA, STATE_SNAPSHOT } from './kinds.ts'
import { fail, ok, type Result } from './result.ts'

/** Deltas of one author and document share so many addresses, in turn (docs/protocol.md, "State"). */
export const RING_SLOTS = 128
/** Snapshots are written to two addresses in turn, so that a torn one never takes the last good one with it. */
export const SNAPSHOT_SLOTS = ['A', 'B'] as const
export type SnapshotSlot = (typeof SNAPSHOT_SLOTS)[number]
/** Pieces of one snapshot at most. */
export const MAX_CHUNKS = 64
/** Other writers' events that one delta says it was written after. */
export const MAX_DEPS = 64

/** Names a document under its authors: letters, digits, `.`, `_` and `-`, at most 64. */
export const isDocumentId = (value: unknown): value is string =>
  typeof value === 'string' && /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(value)

/** 16 hex: 48 bits start time in ms, then 16 random bits, so that sessions sort; new for every process start. */
export const isSession = (value: unknown): value is string => isHex(value, 16)

/** base64url of 8 bytes. */
const SESSION_CHARS = 11

/** How events refer to each other within a log: the first 16 hex of the id. */
export const shortId = (id: string): string => id.slice(0, 16)

/** The highest event of one session that somebody had. */
export interface Dependency {
  /** 64 hex. */
  readonly author: string
  readonly session: string
  readonly n: number
}

/** The tags of a state delta (34701). */
export interface DeltaTags {
  readonly o: string
  readonly session: string
  /** From 1, without gaps. */
  readonly n: number
  /** 16 hex of the event before it in its session; the first one has none. */
  readonly previous?: string
  /** 64 hex of the control event that it was written under. */
  readonly control?: string
  readonly deps: readonly Dependency[]
}

/** The tags of a state snapshot (34702); `session` and `n`: the author's last event in it, absent if it has written none. */
export interface SnapshotTags {
  readonly o: string
  readonly slot: SnapshotSlot
  readonly session?: string
  readonly n?: number
  /** Of the event that it continues, if it is an event of the session itself. */
  readonly previous?: string
  readonly digest?: string
  readonly control?: string
}

/** The tags of one piece of a snapshot (34702). */
export interface ChunkTags {
  readonly o: string
  readonly slot: SnapshotSlot
  /** From 0. */
  readonly index: number
  readonly count: number
  /** sha256 of the content, 64 hex. */
  readonly hash: string
}

export const ringSlot = (n: number): number => n % RING_SLOTS

export const deltaAddress = (o: string, n: number): string => `${o}:${ringSlot(n)}`
export const snapshotAddress = (o: string, slot: SnapshotSlot): string => `${o}:${slot}`
export const chunkAddress = (o: string, slot: SnapshotSlot, index: number): string => `${o}:${slot}${index}`

const optional = (name: string, value: string | undefined): Tag[] => (value === undefined ? [] : [[name, value]])

/**
 * Document and place in its log, in one tag: every small change carries it, and relays index what tags of one letter begin with. The session
 * in base64url; the id as it stands elsewhere in the event, hex: more bytes, but fewer once compressed.
 */
const placeTag = (o: string, { session, n, previous }: Pick<DeltaTags, 'session' | 'n' | 'previous'>): Tag => [
  'o',
  o,
  base64urlnopad.encode(hexToBytes(session)),
  String(n),
  ...(previous === undefined ? [] : [previous]),
]

function sessionOf(text: string | undefined): string | undefined {
  if (text?.length !== SESSION_CHARS) return undefined
  try {
    return bytesToHex(base64urlnopad.decode(text))
  } catch {
    return undefined
  }
}

/** What an event says of its place: undefined is not there, null is malformed. */
interface SaidPlace {
  readonly session: string | null | undefined
  readonly number: string | undefined
  readonly previous: string | null | undefined
}

function placeOf(event: NostrEvent): SaidPlace {
  const [, , session, number, before] = event.tags.find(([name]) => name === 'o') ?? []
  if (session !== undefined) return { session: sessionOf(session) ?? null, number, previous: previousOf(before) }
  // The longer form: a tag for each.
  const inHex = tagValue(event, 'g')
  return {
    session: inHex === undefined || isSession(inHex) ? inHex : null,
    number: tagValue(event, 'n'),
    previous: previousOf(tagValue(event, 'b')),
  }
}

const previousOf = (text: string | undefined): string | null | undefined =>
  text === undefined || isHex(text, 16) ? text : null

export function deltaTags(delta: DeltaTags): Tag[] {
  return [
    ['d', deltaAddress(delta.o, delta.n)],
    placeTag(delta.o, delta),
    ...optional('c', delta.control),
    ...(delta.deps.length === 0 ? [] : [['deps', ...delta.deps.map(textOf)]]),
  ]
}

export function snapshotTags(snapshot: SnapshotTags): Tag[] {
  return [
    ['d', snapshotAddress(snapshot.o, snapshot.slot)],
    snapshot.session === undefined || snapshot.n === undefined
      ? ['o', snapshot.o]
      : placeTag(snapshot.o, { session: snapshot.session, n: snapshot.n, ...given({ previous: snapshot.previous }) }),
    ...optional('x', snapshot.digest),
    ...optional('c', snapshot.control),
  ]
}

export const chunkTags = (chunk: ChunkTags): Tag[] => [
  ['d', chunkAddress(chunk.o, chunk.slot, chunk.index)],
  ['o', chunk.o],
  ['i', `${chunk.index}/${chunk.count}`],
  ['x', chunk.hash],
]

export function parseDelta(event: NostrEvent): Result<DeltaTags> {
  if (event.kind !== STATE_DELTA) return fail('not a state delta')
  const o = tagValue(event, 'o')
  const { session, number, previous } = placeOf(event)
  const n = countOf(number)
  const control = tagValue(event, 'c')
  if (!isDocumentId(o)) return fail('tag o names no document')
  if (!session) return fail('its session is none')
  if (n === undefined) return fail('its number is none from 1')
  if (tagValue(event, 'd') !== deltaAddress(o, n)) return fail('tag d is not the address of this document and number')
  if (previous === null) return fail('what it follows is no id')
  if (n === 1 ? previous !== undefined : previous === undefined)
    return fail('every delta but the first names the one before')
  if (control !== undefined && !isHex64(control)) return fail('tag c is not 64 hex')
  const deps = parseDeps(event)
  if (!deps.ok) return deps
  return ok({ o, session, n, deps: deps.value, ...given({ previous, control }) })
}

/** A snapshot, or one piece of it. */
export function parseSnapshot(event: NostrEvent): Result<SnapshotTags | ChunkTags> {
  if (event.kind !== STATE_SNAPSHOT) return fail('not a state snapshot')
  const o = tagValue(event, 'o')
  if (!isDocumentId(o)) return fail('tag o names no document')
  const d = tagValue(event, 'd')
  const piece = tagValue(event, 'i')
  if (piece !== undefined) return parseChunk(event, o, piece)
  const slot = SNAPSHOT_SLOTS.find(each => d === snapshotAddress(o, each))
  if (slot === undefined) return fail('tag d is none of the two addresses of this document')
  const { session, number, previous } = placeOf(event)
  const n = countOf(number)
  const control = tagValue(event, 'c')
  const digest = tagValue(event, 'x')
  if (session === null) return fail('its session is none')
  if (number !== undefined && n === undefined) return fail('its number is none from 1')
  if ((session === undefined) !== (n === undefined)) return fail('session and number belong together')
  if (previous === null) return fail('what it follows is no id')
  if (control !== undefined && !isHex64(control)) return fail('tag c is not 64 hex')
  if (digest !== undefined && !/^[0-9a-f]{16,64}$/.test(digest)) return fail('tag x is no digest')
  return ok({ o, slot, ...given({ session, n, previous, control, digest }) })
}

function parseChunk(event: NostrEvent, o: string, piece: string): Result<ChunkTags> {
  const [, index = -1, count = 0] = (/^(\d{1,2})\/(\d{1,2})$/.exec(piece) ?? []).map(Number)
  const hash = tagValue(event, 'x')
  if (index < 0 || index >= count || count > MAX_CHUNKS) return fail('tag i is no index of a piece')
  if (!isHex64(hash)) return fail('tag x is not 64 hex')
  const d = tagValue(event, 'd')
  const slot = SNAPSHOT_SLOTS.find(each => d === chunkAddress(o, each, index))
  if (slot === undefined) return fail('tag d is no address of a piece of this document')
  return ok({ o, slot, index, count, hash })
}

export const isChunk = (tags: SnapshotTags | ChunkTags): tags is ChunkTags => 'index' in tags

function parseDeps(event: NostrEvent): Result<readonly Dependency[]> {
  const [, ...texts] = event.tags.find(([name]) => name === 'deps') ?? []
  if (texts.length > MAX_DEPS) return fail('tag deps names too many')
  const deps: Dependency[] = []
  for (const text of texts) {
    const [author, session, number, ...rest] = text.split(':')
    const n = countOf(number)
    if (!isHex64(author) || !isSession(session) || n === undefined || rest.length > 0)
      return fail('tag deps holds something other than author:session:n')
    deps.push({ author, session, n })
  }
  return ok(deps)
}

const textOf = ({ author, session, n }: Dependency): string => `${author}:${session}:${n}`

function countOf(text: string | undefined): number | undefined {
  const n = text !== undefined && /^[1-9]\d{0,15}$/.test(text) ? Number(text) : undefined
  return Number.isSafeInteger(n) ? n : undefined
}

/** What is there of it: exact optional properties have no undefined. */
function given<T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>
  }
}
