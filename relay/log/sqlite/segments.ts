import { hash } from 'node:crypto'
import type { TextBytes } from '../../../platform/packed-texts.ts'
import { Recent } from './recent.ts'
import { addressIn, type ReadRow, SQL_ROW, SUM_CHARS } from './row.ts'
import type { Statements } from './statements.ts'

/** Seqs of a segment. */
const SEQS = 256
/** Bytes of text above which an event stays out of its segment and is read by itself: a segment is 1 MiB at the most. */
const LARGE = 4_096
/** Bytes of segments kept: whoever comes next reads the same log. */
const KEPT_BYTES = 33_554_432
/** What a row weighs beside its bytes. */
const ROW_BYTES = 96

/**
 * The rows of a segment as one value, and the bytes of each. The limit keeps SQLite from writing each row out twice, once for either.
 * Of a large one only the seq.
 */
export const SEGMENT_SQL = `SELECT CAST(group_concat(row, '') AS BLOB), group_concat(octet_length(row)) FROM (
  SELECT CASE WHEN octet_length(e.json) > ${LARGE} THEN format('%d', e.seq) ELSE ${SQL_ROW} END AS row
  FROM events e NOT INDEXED WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT -1)`
export const SEGMENT_COUNT_SQL = 'SELECT count(*) FROM events NOT INDEXED WHERE seq > ? AND seq <= ?'

const COMMA = 44
const ZERO = 48

/** A row inside a segment. Its text is made when somebody looks at it; most are sent as they are. */
export class SegmentRow implements ReadRow, TextBytes {
  readonly seq: number
  readonly created_at: number
  readonly kind: number
  readonly expires_at: number | null
  readonly intact: boolean
  readonly bytes: Buffer
  readonly start: number
  readonly end: number

  /** Takes an `SQL_ROW` of `end - start` bytes apart. */
  constructor(bytes: Buffer, start: number, end: number) {
    const sumAt = end - SUM_CHARS
    let at = start
    /** Digits up to the next comma; null where there are none. */
    const next = (): number | null => {
      const from = at
      let number = 0
      for (; at < end && bytes[at] !== COMMA; at += 1) number = number * 10 + (bytes[at] ?? 0) - ZERO
      at += 1
      return at - 1 === from ? null : number
    }
    this.seq = next() ?? 0
    this.created_at = next() ?? 0
    this.kind = next() ?? 0
    this.expires_at = next()
    this.bytes = bytes
    this.start = Math.min(at, sumAt)
    this.end = sumAt
    const sum = bytes.toString('latin1', Math.max(start, sumAt), end)
    this.intact = sumAt > start && hash('sha256', bytes.subarray(start, sumAt), 'base64').startsWith(sum)
  }

  get op(): 'stored' {
    return 'stored'
  }

  get json(): string {
    return this.bytes.toString('utf8', this.start, this.end)
  }

  get packed(): TextBytes {
    return this
  }

  get address(): string | undefined {
    return addressIn(this)
  }
}

/** All events of a stretch of the log whose seqs have all been given. */
export interface Segment {
  /** The last seq that belongs to it. */
  readonly end: number
  /** Ascending; of a large event its seq. */
  readonly rows: readonly (SegmentRow | number)[]
  readonly bytes: number
  /** The file as it was when this was last found to be all there is. */
  version: number
}

export interface SegmentOptions {
  readonly seqs?: number
  readonly keptBytes?: number
}

/**
 * The log in segments of equal numbers of seqs, each read as one value, checked row by row and kept. A seq is never given twice, so a segment
 * can only lose rows, and one that has as many as it had is what it was.
 */
export class Segments {
  readonly #statements: Statements
  readonly #seqs: number
  readonly #kept: Recent<Segment>

  constructor(statements: Statements, { seqs = SEQS, keptBytes = KEPT_BYTES }: SegmentOptions = {}) {
    this.#statements = statements
    this.#seqs = seqs
    this.#kept = new Recent(keptBytes, ({ bytes, rows }) => bytes + rows.length * ROW_BYTES)
  }

  /**
   * The segment that `after` is in or right before, as the present snapshot has it. Undefined where it is not yet complete, and, unless it
   * may be read, where it is not kept.
   */
  at(after: number, last: number, read: boolean): Segment | undefined {
    const index = Math.floor(after / this.#seqs)
    const from = index * this.#seqs
    if (from + this.#seqs > last) return undefined
    const version = this.#statements.version
    const kept = this.#kept.get(index)
    if (kept !== undefined) {
      if (kept.version === version) return kept
      if (this.#statements.values(SEGMENT_COUNT_SQL).get(from, kept.end) === kept.rows.length) {
        kept.version = version
        return kept
      }
      this.#kept.delete(index)
    }
    if (!read) return undefined
    const segment = this.#read(from, version)
    // What is damaged is read anew: it may have been the reading.
    if (segment.rows.every(row => typeof row === 'number' || row.intact)) this.#kept.add(index, segment)
    return segment
  }

  #read(from: number, version: number): Segment {
    const end = from + this.#seqs
    const [bytes, sizes] = this.#statements.raw(SEGMENT_SQL).get(from, end) as [Buffer | null, string | null]
    const rows: (SegmentRow | number)[] = []
    let at = 0
    if (bytes !== null && sizes !== null)
      for (const size of sizes.split(',')) {
        const start = at
        at += Number(size)
        rows.push(largeSeq(bytes, start, at) ?? new SegmentRow(bytes, start, at))
      }
    return { end, rows, bytes: bytes?.length ?? 0, version }
  }
}

/** The digits of a safe integer. */
const MOST_DIGITS = 16
const ALL_DIGITS = /^\d+$/
/** What stands for a large event: its seq and nothing else, where any other row has commas. */
function largeSeq(bytes: Buffer, start: number, end: number): number | undefined {
  const text = end - start <= MOST_DIGITS ? bytes.toString('latin1', start, end) : ''
  return ALL_DIGITS.test(text) ? Number(text) : undefined
}
