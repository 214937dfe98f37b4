import type { ReadEntries } from './index-pages.ts'
import type { Entry, Lane, Span } from './lanes.ts'

/** Entries fetched at a time along one range, at the most and, of several, at first: most of them give little. */
const CHUNK = 256
const SMALL_CHUNK = 8
const FIRST_MORE = 32

/** How many entries will probably still be asked for, of all ranges together. */
interface Need {
  left: number
  /** What is looked for further each time that more is asked for than was guessed, because much is passed over. */
  more: number
}

/** One range, a chunk at a time. */
class LaneReader {
  readonly #read: ReadEntries
  readonly #lane: Lane
  readonly #since: number
  #from: readonly [number, number]
  #size: number
  readonly #need: Need
  #buffer: readonly Entry[] = []
  #at = 0
  #ended = false
  /** Entries at `from` that were handed out: they come once more with the next chunk. */
  #seen: Set<number> = new Set()

  constructor(read: ReadEntries, lane: Lane, { from, since }: Span, size: number, need: Need) {
    this.#need = need
    this.#read = read
    this.#lane = lane
    this.#from = from
    this.#since = since
    this.#size = size
  }

  get head(): Entry | undefined {
    if (this.#at === this.#buffer.length && !this.#ended) this.#fetch()
    return this.#buffer[this.#at]
  }

  advance(): void {
    this.#at += 1
  }

  #fetch(): void {
    const [time, rank] = this.#from
    const limit = Math.max(SMALL_CHUNK, Math.min(this.#size, this.#need.left)) + this.#seen.size
    const rows = this.#read(this.#lane, time, rank, this.#since, limit)
    this.#ended = rows.length < limit
    this.#buffer = this.#seen.size === 0 ? rows : rows.filter(entry => !this.#seen.has(entry[2]))
    this.#at = 0
    this.#size = Math.min(CHUNK, this.#size * 2)
    const end = rows.at(-1)
    if (end === undefined) return
    if (!isAt(end, time, rank)) this.#seen = new Set()
    this.#from = [end[0], end[1]]
    for (let at = rows.length - 1; at >= 0 && isAt(rows[at], end[0], end[1]); at -= 1)
      this.#seen.add(rows[at]?.[2] ?? 0)
  }
}

const isAt = (entry: Entry | undefined, time: number, rank: number): boolean => entry?.[0] === time && entry[1] === rank

/** True if `a` comes before `b`: later, or of a lower id within the second. */
const precedes = (a: Entry, b: Entry): boolean => a[0] > b[0] || (a[0] === b[0] && a[1] > b[1])

/** The entries of several ranges in one order, each seq once. `wanted`: how many will probably be asked for. */
export function* mergeLanes(
  read: ReadEntries,
  lanes: readonly Lane[],
  span: Span,
  wanted: number,
): Generator<Entry, undefined> {
  const share = Math.max(SMALL_CHUNK, Math.ceil(wanted / lanes.length))
  const need: Need = { left: wanted, more: FIRST_MORE }
  const heap = new Heap()
  for (const lane of lanes) heap.push(new LaneReader(read, lane, span, Math.min(CHUNK, share), need))
  // An event that is in two ranges has the same place in both.
  const here = new Set<number>()
  let last: Entry | undefined
  for (let head = heap.head; head !== undefined; head = heap.head) {
    if (last === undefined || !isAt(head, last[0], last[1])) here.clear()
    if (!here.has(head[2])) {
      here.add(head[2])
      last = head
      need.left -= 1
      if (need.left <= 0) {
        need.left = need.more
        need.more = Math.min(CHUNK, need.more * 2)
      }
      yield head
    }
    heap.advance()
  }
  return undefined
}

/** Readers by their heads, the first one on top. */
class Heap {
  readonly #readers: { readonly reader: LaneReader; head: Entry }[] = []

  get head(): Entry | undefined {
    return this.#readers[0]?.head
  }

  push(reader: LaneReader): void {
    const head = reader.head
    if (head === undefined) return
    this.#readers.push({ reader, head })
    for (let at = this.#readers.length - 1; at > 0; ) {
      const parent = (at - 1) >> 1
      if (!this.#swapIfBefore(at, parent)) return
      at = parent
    }
  }

  /** Moves the top reader on. */
  advance(): void {
    const [top] = this.#readers
    if (top === undefined) return
    top.reader.advance()
    const head = top.reader.head
    const end = this.#readers.at(-1)
    if (head !== undefined) top.head = head
    else if (this.#readers.pop() !== undefined && end !== undefined && end !== top) this.#readers[0] = end
    for (let at = 0; ; ) {
      const left = 2 * at + 1
      const child = this.#isBefore(left + 1, left) ? left + 1 : left
      if (!this.#swapIfBefore(child, at)) return
      at = child
    }
  }

  #isBefore(a: number, b: number): boolean {
    const [one, other] = [this.#readers[a], this.#readers[b]]
    return one !== undefined && other !== undefined && precedes(one.head, other.head)
  }

  #swapIfBefore(a: number, b: number): boolean {
    const [one, other] = [this.#readers[a], this.#readers[b]]
    if (one === undefined || other === undefined || !precedes(one.head, other.head)) return false
    this.#readers[a] = other
    this.#readers[b] = one
    return true
  }
}
