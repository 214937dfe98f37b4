/** What was used lately, by number, up to a total weight: of two generations the older one goes when the younger is full. */
export class Recent<T> {
  readonly #half: number
  readonly #weightOf: (value: T) => number
  #fresh = new Map<number, T>()
  #stale = new Map<number, T>()
  #freshWeight = 0

  /** `weight`: of all that is kept, at the most. */
  constructor(weight: number, weightOf: (value: T) => number) {
    this.#half = weight / 2
    this.#weightOf = weightOf
  }

  get(key: number): T | undefined {
    const value = this.#fresh.get(key)
    if (value !== undefined) return value
    const older = this.#stale.get(key)
    if (older !== undefined) this.add(key, older)
    return older
  }

  add(key: number, value: T): void {
    const weight = this.#weightOf(value)
    if (this.#freshWeight + weight > this.#half) {
      this.#stale = this.#fresh
      this.#fresh = new Map()
      this.#freshWeight = 0
    }
    if (weight > this.#half) return
    this.#fresh.set(key, value)
    this.#freshWeight += weight
  }

  delete(key: number): void {
    this.#fresh.delete(key)
    this.#stale.delete(key)
  }
}
