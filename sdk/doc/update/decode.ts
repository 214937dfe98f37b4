import { fail, ok, type Result } from '../../../protocol/result.ts'
import { createByteReader, MalformedUpdate, malformed } from './bytes.ts'
import { readContent } from './content.ts'

/** One element of a document: which client wrote it, as its how-manieth. */
export interface StructId {
  readonly client: number
  readonly clock: number
}

export interface Struct {
  readonly type: 'item' | 'gc' | 'skip'
  readonly clock: number
  /** Clocks it takes, at least 1. */
  readonly length: number
  readonly origin?: StructId
  readonly rightOrigin?: StructId
  /** The shared type it is in, if neither neighbour tells; a root type has a name instead. */
  readonly parent?: StructId
  readonly isType: boolean
  /** Where it stands in the update: offsets of its first byte, of its content (of an item), and behind its last byte. */
  readonly from: number
  readonly contentFrom: number
  readonly to: number
}

/** Consecutive structs of one client. */
export interface Run {
  readonly client: number
  readonly clock: number
  readonly structs: readonly Struct[]
}

export interface DeletedRange {
  readonly client: number
  readonly clock: number
  readonly length: number
}

/** What a Yjs update (format v1) says, without its values. */
export interface DecodedUpdate {
  readonly runs: readonly Run[]
  /** Per client ascending and apart from each other. */
  readonly deletes: readonly DeletedRange[]
}

/** The largest client id and clock: what a number holds exactly. */
export const MAX_ID = Number.MAX_SAFE_INTEGER
const CONTENT = 0b0001_1111
const GC = 0
const SKIP = 10
export const HAS_ORIGIN = 0b1000_0000
export const HAS_RIGHT_ORIGIN = 0b0100_0000
const HAS_KEY = 0b0010_0000

/**
 * Reads a v1 update as far as it can be judged without a document. Work and memory are proportional to its length: counts are never
 * believed, nothing is looked up. Fails on what is cut off, has something behind its end, or holds what Yjs would choke on.
 */
export function decodeUpdate(bytes: Uint8Array): Result<DecodedUpdate> {
  try {
    return ok(readUpdate(bytes))
  } catch (error) {
    if (error instanceof MalformedUpdate) return fail(error.message)
    throw error
  }
}

function readUpdate(bytes: Uint8Array): DecodedUpdate {
  const read = createByteReader(bytes)
  const id = (): StructId => ({ client: read.count(), clock: read.count() })

  const position = () => bytes.length - read.left

  function readStruct(clock: number): Struct {
    const from = position()
    const info = read.byte()
    const ref = info & CONTENT
    if (ref === GC || ref === SKIP) {
      const length = read.count()
      if (length === 0) malformed('a struct is empty')
      return { type: ref === GC ? 'gc' : 'skip', clock, length, isType: false, from, contentFrom: from, to: position() }
    }
    const origin = info & HAS_ORIGIN ? id() : undefined
    const rightOrigin = info & HAS_RIGHT_ORIGIN ? id() : undefined
    let parent: StructId | undefined
    if (!origin && !rightOrigin) {
      if (read.count() === 1) read.text()
      else parent = id()
      if (info & HAS_KEY) read.text()
    }
    const contentFrom = position()
    const { length, isType } = readContent(read, ref)
    return {
      from,
      contentFrom,
      to: position(),
      type: 'item',
      clock,
      length,
      isType,
      ...(origin === undefined ? {} : { origin }),
      ...(rightOrigin === undefined ? {} : { rightOrigin }),
      ...(parent === undefined ? {} : { parent }),
    }
  }

  function readRun(): Run {
    const count = read.count()
    const client = read.count()
    const clock = read.count()
    if (count > read.left) malformed('it ends too early')
    const structs: Struct[] = []
    let next = clock
    for (let index = 0; index < count; index += 1) {
      const struct = readStruct(next)
      structs.push(struct)
      next += struct.length
      if (next > MAX_ID) malformed('a clock is too large')
    }
    return { client, clock, structs }
  }

  function readDeletes(): DeletedRange[] {
    const ranges: DeletedRange[] = []
    const clients = new Set<number>()
    for (let left = read.count(); left > 0; left -= 1) {
      const client = read.count()
      if (clients.has(client)) malformed('deletions of a client stand in two places')
      clients.add(client)
      let end = -1
      for (let rest = read.count(); rest > 0; rest -= 1) {
        const clock = read.count()
        const length = read.count()
        // Yjs writes them so; in any order and over each other they would be work without end.
        if (length === 0 || clock <= end || clock + length > MAX_ID) malformed('deletions are empty or out of order')
        end = clock + length - 1
        ranges.push({ client, clock, length })
      }
    }
    return ranges
  }

  const runs: Run[] = []
  const clients = new Set<number>()
  for (let left = read.count(); left > 0; left -= 1) {
    const run = readRun()
    if (clients.has(run.client)) malformed('structs of a client stand in two places')
    clients.add(run.client)
    runs.push(run)
  }
  const deletes = readDeletes()
  if (read.left > 0) malformed('something stands behind its end')
  return { runs, deletes }
}
