import { sha256 } from '@noble/hashes/sha2.js'
import { hexToBytes } from '../hex.ts'
import { type Bound, encodeVarint, FINGERPRINT_BYTES, ID_BYTES } from './message.ts'

/** One event as far as reconciliation looks: `time` is its created_at in seconds. */
export interface EventStub {
  readonly id: string
  readonly created_at: number
}

/** Many of them, packed: `ids` holds 32 bytes for each of `times`. */
export interface PackedStubs {
  readonly times: Float64Array
  readonly ids: Uint8Array
}

export function packStubs(stubs: readonly EventStub[]): PackedStubs {
  const times = new Float64Array(stubs.length)
  const ids = new Uint8Array(stubs.length * ID_BYTES)
  for (const [index, stub] of stubs.entries()) {
    times[index] = stub.created_at
    ids.set(hexToBytes(stub.id), index * ID_BYTES)
  }
  return { times, ids }
}

/** Words of 32 bits in an id. */
const WORDS = 8
/** Records per block of sums. */
const BLOCK = 256

/** What one side has: records in ascending (time, id), 40 bytes each. */
export class RecordSet {
  readonly #times: Float64Array
  readonly #ids: Uint8Array
  readonly #view: DataView
  /** Sums of all ids before each block, made when first asked for: a fingerprint then costs two blocks, not its range. */
  #sums: Uint32Array | undefined

  /** `newestFirst`: pages in NIP-01's order, as stored queries give them; put in ascending order in one linear pass. */
  constructor(newestFirst: readonly PackedStubs[]) {
    const size = newestFirst.reduce((sum, { times }) => sum + times.length, 0)
    const times = new Float64Array(size)
    const ids = new Uint8Array(size * ID_BYTES)
    let at = 0
    for (const page of newestFirst) {
      times.set(page.times, at)
      ids.set(page.ids, at * ID_BYTES)
      at += page.times.length
    }
    this.#times = times.slice().reverse()
    this.#ids = new Uint8Array(size * ID_BYTES)
    this.#view = new DataView(this.#ids.buffer)
    // Within a second ids already ascend, so seconds are turned round as whole groups.
    let end = size
    let to = 0
    while (end > 0) {
      let start = end - 1
      while (start > 0 && times[start - 1] === times[start]) start -= 1
      this.#ids.set(ids.subarray(start * ID_BYTES, end * ID_BYTES), to * ID_BYTES)
      to += end - start
      end = start
    }
  }

  get size(): number {
    return this.#times.length
  }

  /** The 32-byte ids of records in [from, to). */
  ids(from: number, to: number): Uint8Array {
    return this.#ids.subarray(from * ID_BYTES, to * ID_BYTES)
  }

  /** The first record at or above `bound`, not before `from`. */
  indexOf(bound: Bound, from: number): number {
    let low = from
    let high = this.size
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#isBelow(middle, bound)) low = middle + 1
      else high = middle
    }
    return low
  }

  /** The shortest bound that separates a record from the one before it. */
  boundBefore(index: number): Bound {
    const time = this.#times[index] ?? 0
    if (this.#times[index - 1] !== time) return { time, prefix: new Uint8Array(0) }
    const id = this.ids(index, index + 1)
    const before = this.ids(index - 1, index)
    let shared = 0
    while (shared < ID_BYTES - 1 && id[shared] === before[shared]) shared += 1
    return { time, prefix: id.subarray(0, shared + 1) }
  }

  /** Sum of the ids mod 2^256 (little-endian) and their number, hashed. */
  fingerprint(from: number, to: number): Uint8Array {
    const sum = this.#sum(from, to)
    const count = encodeVarint(to - from)
    const input = new Uint8Array(ID_BYTES + count.length)
    const view = new DataView(input.buffer)
    for (const [word, value] of sum.entries()) view.setUint32(word * 4, value, true)
    input.set(count, ID_BYTES)
    return sha256(input).subarray(0, FINGERPRINT_BYTES)
  }

  /** Of the ids in [from, to) mod 2^256, as eight words, lowest first. */
  #sum(from: number, to: number): Uint32Array {
    const sum = new Uint32Array(WORDS)
    if (to - from <= BLOCK * 2) {
      this.#add(sum, from, to)
      return sum
    }
    const first = Math.ceil(from / BLOCK)
    const end = Math.floor(to / BLOCK)
    this.#sums ??= this.#sumBlocks()
    let borrow = 0
    for (let word = 0; word < WORDS; word += 1) {
      const total = (this.#sums[end * WORDS + word] ?? 0) - (this.#sums[first * WORDS + word] ?? 0) - borrow
      sum[word] = total
      borrow = total < 0 ? 1 : 0
    }
    this.#add(sum, from, first * BLOCK)
    this.#add(sum, end * BLOCK, to)
    return sum
  }

  #sumBlocks(): Uint32Array {
    const blocks = Math.floor(this.size / BLOCK)
    const sums = new Uint32Array((blocks + 1) * WORDS)
    const sum = new Uint32Array(WORDS)
    for (let block = 0; block < blocks; block += 1) {
      this.#add(sum, block * BLOCK, (block + 1) * BLOCK)
      sums.set(sum, (block + 1) * WORDS)
    }
    return sums
  }

  #add(sum: Uint32Array, from: number, to: number): void {
    for (let index = from; index < to; index += 1) {
      let carry = 0
      for (let word = 0; word < WORDS; word += 1) {
        const total = (sum[word] ?? 0) + this.#view.getUint32(index * ID_BYTES + word * 4, true) + carry
        sum[word] = total
        carry = total > 0xffff_ffff ? 1 : 0
      }
    }
  }

  #isBelow(index: number, { time, prefix }: Bound): boolean {
    const own = this.#times[index] ?? 0
    if (own !== time) return own < time
    const start = index * ID_BYTES
    for (const [offset, byte] of prefix.entries()) {
      const difference = (this.#ids[start + offset] ?? 0) - byte
      if (difference !== 0) return difference < 0
    }
    return false
  }
}
