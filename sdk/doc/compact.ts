import * as Y from 'yjs'
import { adopt, kindOf, reissue } from './reissue.ts'

/** A document is worth making anew when it is so many times its content, and so large at least (bytes), */
const BLOAT = { times: 10, bytes: 65_536 } as const
/** or when so many sessions have written in it: each state names them all. */
const MANY_CLIENTS = 200

/** What a document weighs. */
export interface DocSize {
  /** As one update: what somebody new has to get. */
  readonly bytes: number
  /** Its content as JSON: what of it anybody sees. */
  readonly contentBytes: number
  /** Sessions that have written in it. */
  readonly sessions: number
  /** `compact` would be worth it. */
  readonly wantsCompaction: boolean
}

export function sizeOf(state: Uint8Array): DocSize {
  const doc = docOf(state)
  const contentBytes = new TextEncoder().encode(contentOf(doc)).length
  const sessions = doc.store.clients.size
  const isBloated = state.length > BLOAT.bytes && state.length > BLOAT.times * contentBytes
  return { bytes: state.length, contentBytes, sessions, wantsCompaction: isBloated || sessions > MANY_CLIENTS }
}

/** The same content without its past, as if `client` had written it in one go. Undefined: it cannot be said again without loss. */
export function compactState(state: Uint8Array, client: number): Uint8Array | undefined {
  const { update, whole } = reissue(undefined, [state], undefined, client)
  return whole && isSameContent(state, update) ? update : undefined
}

/** Whether two states say the same, whatever their past. */
export const isSameContent = (a: Uint8Array, b: Uint8Array): boolean => contentOf(docOf(a)) === contentOf(docOf(b))

function docOf(state: Uint8Array): Y.Doc {
  const doc = new Y.Doc()
  Y.applyUpdate(doc, state)
  return doc
}

/** Equal for equal content, whatever its past. Of a copy: to read a root gives it a type. */
function contentOf(doc: Y.Doc): string {
  const roots = [...doc.share]
    .map(([name, root]) => {
      // Two types under one name are possible: a map beside a sequence.
      const isBoth = [...root._map.values()].some(item => !item.deleted) && hasSequence(root)
      return [name, isBoth ? null : plainOf(doc, name, kindOf(root))] as const
    })
    .filter(([, value]) => value === null || Object.keys(value).length > 0)
    .sort(([a], [b]) => (a < b ? -1 : 1))
  return JSON.stringify(roots, (_, value) =>
    value !== null && typeof value === 'object' && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value,
  )
}

function hasSequence(root: { readonly _start: Y.Item | null }): boolean {
  for (let item = root._start; item !== null; item = item.right) if (!item.deleted) return true
  return false
}

function plainOf(doc: Y.Doc, name: string, kind: ReturnType<typeof kindOf>): object | string {
  const root = adopt(doc, name, kind)
  if (root instanceof Y.XmlFragment) return root.toString()
  return root instanceof Y.Text ? joined(root.toDelta()) : root.toJSON()
}

interface Piece {
  readonly insert: unknown
  readonly attributes?: object
}

/** Neighbours of equal format are one: how often a format was said is no content. */
function joined(pieces: readonly Piece[]): Piece[] {
  const all: Piece[] = []
  for (const { insert, attributes = {} } of pieces) {
    const last = all.at(-1)
    const format = Object.fromEntries(Object.entries(attributes).sort(([a], [b]) => (a < b ? -1 : 1)))
    const isSame = typeof insert === 'string' && JSON.stringify(last?.attributes) === JSON.stringify(format)
    if (last && isSame && typeof last.insert === 'string')
      all[all.length - 1] = { insert: last.insert + insert, attributes: format }
    else all.push({ insert, attributes: format })
  }
  return all
}
