import { seededRandom } from '#dist/platform/random.js'

/** Seeded choices for random tests. */
export interface Dice {
  /** Whole number from 0 up to, not including, `bound`. */
  below(bound: number): number
  chance(probability: number): boolean
  /** One of a non-empty list. */
  of<T>(list: readonly T[]): T
}

export function dice(seed: number): Dice {
  const random = seededRandom(seed)
  const float = () => {
    const [a = 0, b = 0, c = 0] = random.bytes(3)
    return (a * 65_536 + b * 256 + c) / 2 ** 24
  }
  const below = (bound: number) => Math.floor(float() * bound)
  return { below, chance: probability => float() < probability, of: list => list[below(list.length)] as never }
}
