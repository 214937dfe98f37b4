import { fail, ok, type Result } from '../result.ts'

/** NIP-77's appendix, "Negentropy Protocol V1". */
export const PROTOCOL_VERSION = 0x61
export const ID_BYTES = 32
export const FINGERPRINT_BYTES = 16

/** Where a range ends, exclusive: a second (Infinity = the end of everything) and the first bytes of an id; the rest counts as zeros. */
export interface Bound {
  readonly time: number
  readonly prefix: Uint8Array
}
export const START: Bound = { time: 0, prefix: new Uint8Array(0) }
export const END: Bound = { time: Number.POSITIVE_INFINITY, prefix: new Uint8Array(0) }

/** Below, at or above 0, as Array.sort wants it. */
export function compareBounds(a: Bound, b: Bound): number {
  if (a.time !== b.time) return a.time < b.time ? -1 : 1
  for (let index = 0; index < ID_BYTES; index += 1) {
    const difference = (a.prefix[index] ?? 0) - (b.prefix[index] ?? 0)
    if (difference !== 0) return difference
  }
  return 0
}

/** One part of the (time, id) space, beginning where the one before it ends. `ids` holds 32 bytes each. */
export type Range =
  | { readonly mode: 'skip'; readonly upper: Bound }
  | { readonly mode: 'fingerprint'; readonly upper: Bound; readonly fingerprint: Uint8Array }
  | { readonly mode: 'ids'; readonly upper: Bound; readonly ids: Uint8Array }

const SKIP = 0
const FINGERPRINT = 1
const ID_LIST = 2

/** Reads a message of version 1. Never throws; `version` if it speaks another one. */
export function decodeMessage(bytes: Uint8Array): Result<Range[], 'version' | 'malformed'> {
  const version = bytes[0]
  if (version === undefined || version < 0x60 || version > 0x6f) return fail('malformed')
  if (version !== PROTOCOL_VERSION) return fail('version')
  const reader = new Reader(bytes.subarray(1))
  const ranges: Range[] = []
  while (!reader.done) {
    const range = reader.range()
    if (range === undefined) return fail('malformed')
    ranges.push(range)
  }
  return ok(ranges)
}

class Reader {
  readonly #bytes: Uint8Array
  #at = 0
  #time = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  get done(): boolean {
    return this.#at >= this.#bytes.length
  }

  range(): Range | undefined {
    const upper = this.#bound()
    const mode = this.#varint()
    if (upper === undefined) return undefined
    if (mode === SKIP) return { mode: 'skip', upper }
    if (mode === FINGERPRINT) {
      const fingerprint = this.#take(FINGERPRINT_BYTES)
      return fingerprint && { mode: 'fingerprint', upper, fingerprint }
    }
    if (mode !== ID_LIST) return undefined
    const count = this.#varint()
    const ids = count === undefined ? undefined : this.#take(count * ID_BYTES)
    return ids && { mode: 'ids', upper, ids }
  }

  #bound(): Bound | undefined {
    const encoded = this.#varint()
    const length = this.#varint()
    if (encoded === undefined || length === undefined || length > ID_BYTES) return undefined
    const prefix = this.#take(length)
    if (prefix === undefined) return undefined
    // Times are told as offsets from the one before; nothing comes after the end.
    this.#time = encoded === 0 ? Number.POSITIVE_INFINITY : this.#time + encoded - 1
    return { time: this.#time, prefix }
  }

  /** Base 128, most significant first. Beyond what a double holds exactly is nothing that any of our events has. */
  #varint(): number | undefined {
    let value = 0
    for (;;) {
      const byte = this.#bytes[this.#at]
      if (byte === undefined) return undefined
      this.#at += 1
      value = value * 128 + (byte & 127)
      if (value > Number.MAX_SAFE_INTEGER + 1) return undefined
      if (byte < 128) return value
    }
  }

  #take(count: number): Uint8Array | undefined {
    if (count > this.#bytes.length - this.#at) return undefined
    const taken = this.#bytes.subarray(this.#at, this.#at + count)
    this.#at += count
    return taken
  }
}

/** Builds a message range by range. */
export class MessageWriter {
  #bytes = new Uint8Array(512)
  #length = 0
  #time = 0
  #empty = true

  constructor() {
    this.#push(Uint8Array.of(PROTOCOL_VERSION))
  }

  /** Bytes so far. */
  get length(): number {
    return this.#length
  }

  /** True while it says nothing: both sides agree on all that was asked. */
  get isEmpty(): boolean {
    return this.#empty
  }

  add(range: Range): void {
    this.#empty = false
    const { time, prefix } = range.upper
    this.#varint(time === Number.POSITIVE_INFINITY ? 0 : time - this.#time + 1)
    this.#time = time
    this.#varint(prefix.length)
    this.#push(prefix)
    if (range.mode === 'skip') this.#varint(SKIP)
    else if (range.mode === 'fingerprint') {
      this.#varint(FINGERPRINT)
      this.#push(range.fingerprint)
    } else {
      this.#varint(ID_LIST)
      this.#varint(range.ids.length / ID_BYTES)
      this.#push(range.ids)
    }
  }

  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#length)
  }

  #varint(value: number): void {
    this.#push(encodeVarint(value))
  }

  #push(bytes: Uint8Array): void {
    const needed = this.#length + bytes.length
    if (needed > this.#bytes.length) {
      const wider = new Uint8Array(Math.max(needed, this.#bytes.length * 2))
      wider.set(this.#bytes.subarray(0, this.#length))
      this.#bytes = wider
    }
    this.#bytes.set(bytes, this.#length)
    this.#length = needed
  }
}

export function encodeVarint(value: number): Uint8Array {
  const digits = [value % 128]
  for (let rest = Math.floor(value / 128); rest > 0; rest = Math.floor(rest / 128)) digits.push((rest % 128) + 128)
  return Uint8Array.from(digits.reverse())
}
