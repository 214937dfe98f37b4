import { base64 } from '@scure/base'
import { isRecord, own, parseJson } from '../../protocol/json.ts'
import { type Cover, coverJson, parseCover } from '../state/log/cover.ts'
import type { Codec, Place } from '../state/log/types.ts'
import type { DocSeal } from './secret/seal.ts'

/** What one event takes of an update, so that it fits sealed, padded and encoded. */
export const PART_BYTES = 30_000

/** An update, or a piece of one that is longer: pieces follow each other in the author's own order. */
export interface DeltaPayload {
  readonly more: boolean
  readonly bytes: Uint8Array
}

export interface StatePayload {
  /** A whole document, as a v1 update. */
  readonly state: Uint8Array
  /** What of the generation before is in it: set in every state of a generation that began with one. */
  readonly before?: Cover
}

const WHOLE = 0
const MORE = 1
const utf8 = new TextEncoder()
const utf8Strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** `seal` undefined: the document is public, and what is written stands there for everybody. */
export function deltaCodec(seal: DocSeal | undefined): Codec<DeltaPayload> {
  return bytesCodec(
    seal,
    ({ more, bytes }) => Uint8Array.of(more ? MORE : WHOLE, ...bytes),
    bytes => {
      const [head] = bytes
      if (head !== WHOLE && head !== MORE) throw new Error('a change of no kind that we know')
      return { more: head === MORE, bytes: bytes.slice(1) }
    },
  )
}

export const stateCodec = (seal: DocSeal | undefined): Codec<StatePayload> => bytesCodec(seal, stateBytes, stateFrom)

/** Length of a JSON head, the head, the document. */
export function stateBytes({ state, before }: StatePayload): Uint8Array {
  const head = utf8.encode(JSON.stringify(before === undefined ? {} : { before: coverJson(before, '') }))
  const bytes = new Uint8Array(4 + head.length + state.length)
  new DataView(bytes.buffer).setUint32(0, head.length)
  bytes.set(head, 4)
  bytes.set(state, 4 + head.length)
  return bytes
}

export function stateFrom(bytes: Uint8Array): StatePayload {
  const length = bytes.length < 4 ? bytes.length : new DataView(bytes.buffer, bytes.byteOffset).getUint32(0)
  if (4 + length > bytes.length) throw new Error('a state that ends too early')
  const head = parseJson(utf8Strict.decode(bytes.subarray(4, 4 + length)))
  if (!head.ok || !isRecord(head.value)) throw new Error('a state without its head')
  const state = bytes.slice(4 + length)
  const named = own(head.value, 'before')
  if (named === undefined) return { state }
  const before = parseCover(named, '')
  if (!before.ok) throw new Error(before.error)
  return { state, before: before.value }
}

function bytesCodec<P>(
  seal: DocSeal | undefined,
  encode: (payload: P) => Uint8Array,
  decode: (bytes: Uint8Array) => P,
): Codec<P> {
  return {
    encode: (payload, place) => base64.encode(seal ? seal.seal(encode(payload), bound(place)) : encode(payload)),
    decode: (content, place) => {
      const bytes = base64.decode(content)
      return decode(seal ? seal.open(bytes, bound(place)) : bytes)
    },
  }
}

const bound = ({ kind, o, author, session, n, control }: Place) => ({
  kind,
  o,
  author,
  session,
  n,
  ...(control === undefined ? {} : { control }),
})
