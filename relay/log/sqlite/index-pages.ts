import type { Entry, Lane } from './lanes.ts'
import type { Statements } from './statements.ts'

/** Entries kept, of all pages together: some 3 MB. */
const KEPT_ENTRIES = 32_768

/** Reads the first entries of a range, from a place in it downwards, `since` included. */
export type ReadEntries = (lane: Lane, time: number, rank: number, since: number, limit: number) => readonly Entry[]

export const readEntries =
  (statements: Statements): ReadEntries =>
  ({ sql, prefix }, time, rank, since, limit) =>
    statements.raw(sql).all(...prefix, time, rank, since, limit) as Entry[]

/** Pieces of indexes as they were read, until another connection has committed: much is asked for by many, and the driver's price is per value. */
export class IndexPages {
  readonly #statements: Statements
  readonly #most: number
  readonly #pages = new Map<string, Map<string, readonly Entry[]>>()
  #entries = 0
  #version = 0

  constructor(statements: Statements, most = KEPT_ENTRIES) {
    this.#statements = statements
    this.#most = most
  }

  /** For one snapshot, inside its transaction. */
  open(): ReadEntries {
    const version = this.#statements.version
    if (version !== this.#version) this.#forget()
    this.#version = version
    const readNew = readEntries(this.#statements)
    return (lane, time, rank, since, limit) => {
      const pages = this.#pagesOf(lane.sql)
      const key = `${lane.prefix},${time},${rank},${since},${limit}`
      const known = pages.get(key)
      if (known !== undefined) return known
      const entries = readNew(lane, time, rank, since, limit)
      // One that found nothing is worth keeping and weighs something.
      const weight = entries.length + 1
      if (this.#entries + weight > this.#most) this.#forget()
      if (weight > this.#most) return entries
      this.#entries += weight
      this.#pagesOf(lane.sql).set(key, entries)
      return entries
    }
  }

  #pagesOf(sql: string): Map<string, readonly Entry[]> {
    const pages = this.#pages.get(sql) ?? new Map<string, readonly Entry[]>()
    this.#pages.set(sql, pages)
    return pages
  }

  #forget(): void {
    this.#pages.clear()
    this.#entries = 0
  }
}
