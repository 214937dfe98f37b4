import * as Y from 'yjs'
import { concat } from './parts.ts'
import { depthIn } from './replica.ts'
import { varint } from './update/bytes.ts'
import { MAX_VALUE_DEPTH } from './update/content.ts'
import { cutUpdate } from './update/cut.ts'
import { decodeUpdate } from './update/decode.ts'
import { MAX_NESTING } from './update/depth.ts'
import { UPDATE_LIMITS } from './update/validate.ts'

/** An element that was taken out of a document because no other member would take it. */
export interface Withheld {
  /** What is wrong with it, and what to do. */
  readonly reason: string
  /** Its content: a JSON value, a Uint8Array, or what a shared type holds as JSON. */
  readonly value: unknown
}

/**
 * Deletes the elements of `client` from `clock` on that others would refuse however they are cut: values that are too large or nested
 * too deeply. Returns them in the order in which they were made.
 */
export function withdrawUnwritable(doc: Y.Doc, client: number, clock: number): Withheld[] {
  const withheld: Withheld[] = []
  const unsent = () =>
    (doc.store.clients.get(client) ?? []).filter(
      (struct): struct is Y.Item => struct instanceof Y.Item && !struct.deleted && struct.id.clock >= clock,
    )
  doc.transact(transaction => {
    const separate = (at: number) => void Y.getItemCleanStart(transaction, Y.createID(client, at))
    if (clock < Y.getState(doc.store, client)) separate(clock)
    // Yjs joins neighbours: of several values in one item only some may be at fault.
    for (const { id, length, content } of unsent().filter(item => faultOf(doc, item)))
      if (!(content instanceof Y.ContentString)) for (let at = 1; at < length; at += 1) separate(id.clock + at)
    for (const item of unsent()) {
      const reason = item.deleted ? undefined : faultOf(doc, item)
      if (reason === undefined) continue
      withheld.push({ reason, value: contentOf(item.content) })
      item.delete(transaction)
    }
  })
  return withheld
}

/** Everything of one client from a clock on, as it is in the document now, and all deletions. */
export function updateSince(doc: Y.Doc, client: number, clock: number): Uint8Array {
  const vector = Y.decodeStateVector(Y.encodeStateVector(doc))
  vector.set(client, clock)
  return Y.encodeStateAsUpdate(doc, Y.encodeStateVector(vector))
}

function faultOf(doc: Y.Doc, item: Y.Item): string | undefined {
  const encoder = new Y.UpdateEncoderV1()
  item.write(encoder, 0)
  const { client, clock } = item.id
  const update = concat([varint(1), varint(1), varint(client), varint(clock), encoder.toUint8Array(), varint(0)])
  const decoded = decodeUpdate(update)
  if (!decoded.ok) return `${decoded.error}: a value may have ${MAX_VALUE_DEPTH} levels. Put it in again with fewer.`
  const largest = Math.max(...cutUpdate(update).map(piece => piece.length))
  if (largest > UPDATE_LIMITS.joinedBytes)
    return `a value has ${largest} bytes: one may have ${UPDATE_LIMITS.joinedBytes}. Put it in again in parts.`
  const depth = item.content instanceof Y.ContentType ? (depthIn(doc, item.id) ?? 0) + 1 : 0
  return depth > MAX_NESTING
    ? `shared types may be nested ${MAX_NESTING} deep. Put it in again with fewer levels.`
    : undefined
}

function contentOf(content: Y.Item['content']): unknown {
  if (content instanceof Y.ContentBinary) return content.content
  if (content instanceof Y.ContentEmbed) return content.embed
  if (content instanceof Y.ContentFormat) return { [content.key]: content.value }
  if (content instanceof Y.ContentType) return content.type.toJSON()
  const values = content.getContent()
  return values.length === 1 ? values[0] : values
}
