import { concat } from '../parts.ts'
import { createByteReader, varint } from './bytes.ts'
import { elementEnds } from './content.ts'
import {
  type DecodedUpdate,
  type DeletedRange,
  decodeUpdate,
  HAS_ORIGIN,
  HAS_RIGHT_ORIGIN,
  type Run,
  type Struct,
} from './decode.ts'

/** What one piece of an update takes at most: half of what readers accept, in every measure. */
export const PIECE_LIMITS = { bytes: 524_288, structs: 16_384, clocks: 8_388_608 } as const
export type PieceLimits = Readonly<Record<keyof typeof PIECE_LIMITS, number>>

/** Some consecutive elements as they are encoded, and the clocks that they take. */
interface Encoded {
  readonly bytes: Uint8Array
  readonly clocks: number
}

const STRING = 4
const JSON_VALUES = 2
const ANY_VALUES = 8
const CONTENT = 0b0001_1111
const HAS_KEY = 0b0010_0000
const LONGEST_CHARACTER = 4
const utf8 = new TextDecoder('utf-8', { ignoreBOM: true })

/**
 * Cuts an update (format v1) of one client into updates that are valid one after the other, each within `limits`. Long texts and lists
 * are cut inside, as Yjs splits them; deletions come last. An element that cannot be cut makes a piece that is larger than the limits.
 * An update that is malformed, or of several clients, is returned as it is: judging it says why it cannot be written.
 */
export function cutUpdate(update: Uint8Array, limits: PieceLimits = PIECE_LIMITS): Uint8Array[] {
  const decoded = decodeUpdate(update)
  if (!decoded.ok || decoded.value.runs.length > 1 || fits(update, decoded.value, limits)) return [update]
  const { runs, deletes } = decoded.value
  const [run] = runs
  const pieces = run ? cutRun(update, run, limits) : []
  for (let at = 0; at < deletes.length; at += limits.structs)
    pieces.push(concat([varint(0), encodeDeletes(deletes.slice(at, at + limits.structs))]))
  return pieces
}

function fits(update: Uint8Array, { runs, deletes }: DecodedUpdate, limits: PieceLimits): boolean {
  const structs = runs.flatMap(run => run.structs)
  const clocks = structs.reduce((sum, { length }) => sum + length, 0)
  return update.length <= limits.bytes && structs.length + deletes.length <= limits.structs && clocks <= limits.clocks
}

function cutRun(update: Uint8Array, { client, clock, structs }: Run, limits: PieceLimits): Uint8Array[] {
  const pieces: Uint8Array[] = []
  let group: Encoded[] = []
  let start = clock
  let size = { bytes: 0, clocks: 0 }

  function end(): void {
    if (group.length === 0) return
    const head = [varint(1), varint(group.length), varint(client), varint(start)]
    pieces.push(concat([...head, ...group.map(({ bytes }) => bytes), varint(0)]))
    start += size.clocks
    group = []
    size = { bytes: 0, clocks: 0 }
  }

  for (const struct of structs)
    for (const part of partsOf(update, client, struct, limits)) {
      const isFull =
        group.length >= limits.structs ||
        size.bytes + part.bytes.length > limits.bytes ||
        size.clocks + part.clocks > limits.clocks
      if (isFull) end()
      group.push(part)
      size = { bytes: size.bytes + part.bytes.length, clocks: size.clocks + part.clocks }
    }
  end()
  return pieces
}

/** An element, or what Yjs would split it into. */
function partsOf(update: Uint8Array, client: number, struct: Struct, limits: PieceLimits): Encoded[] {
  const whole = update.subarray(struct.from, struct.to)
  const info = whole[0] ?? 0
  const ref = info & CONTENT
  const isSmall = whole.length <= limits.bytes && struct.length <= limits.clocks
  if (isSmall || struct.type !== 'item' || ![STRING, JSON_VALUES, ANY_VALUES].includes(ref))
    return [{ bytes: whole, clocks: struct.length }]
  const content = update.subarray(struct.contentFrom, struct.to)
  const contents = ref === STRING ? cutText(content, limits) : cutValues(content, ref, limits)
  let clock = struct.clock
  return contents.map(({ bytes, clocks }, index) => {
    const head =
      index === 0 ? update.subarray(struct.from, struct.contentFrom) : continued(info, client, clock - 1, struct)
    clock += clocks
    return { bytes: concat([head, bytes]), clocks }
  })
}

/** Head of what follows a split: its left neighbour is its origin, which also gives its parent. */
function continued(info: number, client: number, origin: number, { rightOrigin }: Struct): Uint8Array {
  const flags = (info & (CONTENT | HAS_KEY)) | HAS_ORIGIN | (rightOrigin ? HAS_RIGHT_ORIGIN : 0)
  const right = rightOrigin ? [varint(rightOrigin.client), varint(rightOrigin.clock)] : []
  return concat([Uint8Array.of(flags), varint(client), varint(origin), ...right])
}

/** Between characters: half of a surrogate pair is no text. */
function cutText(content: Uint8Array, limits: PieceLimits): Encoded[] {
  const read = createByteReader(content)
  const length = read.count()
  const text = content.subarray(content.length - length)
  // A character takes at most as many clocks as bytes.
  const most = Math.max(LONGEST_CHARACTER, Math.min(limits.bytes, limits.clocks))
  const parts: Encoded[] = []
  for (let from = 0; from < text.length; ) {
    let to = Math.min(text.length, from + most)
    while (to < text.length && ((text[to] ?? 0) & 0b1100_0000) === 0b1000_0000) to -= 1
    const bytes = text.subarray(from, to)
    parts.push({ bytes: concat([varint(bytes.length), bytes]), clocks: utf8.decode(bytes).length })
    from = to
  }
  return parts
}

/** Between values. */
function cutValues(content: Uint8Array, ref: number, limits: PieceLimits): Encoded[] {
  const { start, ends } = elementEnds(content, ref)
  const parts: Encoded[] = []
  let from = start
  let to = start
  let count = 0
  const end = () => {
    if (count > 0) parts.push({ bytes: concat([varint(count), content.subarray(from, to)]), clocks: count })
    from = to
    count = 0
  }
  for (const next of ends) {
    if (count >= limits.clocks || next - from > limits.bytes) end()
    to = next
    count += 1
  }
  end()
  return parts
}

function encodeDeletes(deletes: readonly DeletedRange[]): Uint8Array {
  const clients = new Map<number, DeletedRange[]>()
  for (const range of deletes) {
    const ranges = clients.get(range.client) ?? []
    ranges.push(range)
    clients.set(range.client, ranges)
  }
  const parts: Uint8Array[] = [varint(clients.size)]
  for (const [client, ranges] of clients) {
    parts.push(varint(client), varint(ranges.length))
    for (const { clock, length } of ranges) parts.push(varint(clock), varint(length))
  }
  return concat(parts)
}
