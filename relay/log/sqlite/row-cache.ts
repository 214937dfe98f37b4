import type { ReadRow } from './row.ts'

/**
 * Rows that were found intact, by seq, so that what many ask for is read and hashed once. A seq is never given to another event, and rows are
 * looked for only where an index of the snapshot has them: what was removed is not served, and goes when newer rows take its place.
 */
export class RowCache {
  readonly #half: number
  #fresh = new Map<number, ReadRow>()
  #stale = new Map<number, ReadRow>()
  #freshChars = 0

  /** Characters of text kept at the most. */
  constructor(chars: number) {
    this.#half = chars / 2
  }

  get(seq: number): ReadRow | undefined {
    const row = this.#fresh.get(seq)
    if (row !== undefined) return row
    const older = this.#stale.get(seq)
    if (older !== undefined) this.add(older)
    return older
  }

  /** Only rows that are intact. */
  add(row: ReadRow): void {
    const chars = row.json.length
    if (this.#freshChars + chars > this.#half) {
      this.#stale = this.#fresh
      this.#fresh = new Map()
      this.#freshChars = 0
    }
    if (chars > this.#half) return
    this.#fresh.set(row.seq, row)
    this.#freshChars += chars
  }
}
