import { bytesToHex } from '../protocol/hex.ts'

/** Randomness behind an interface: cryptographic in production, seeded in simulations. */
export interface Random {
  /** `length` random bytes. */
  bytes(length: number): Uint8Array
}

export const systemRandom: Random = {
  bytes: length => crypto.getRandomValues(new Uint8Array(length)),
}

/** `length` random hex characters (even length). */
export const randomHex = (random: Random, length: number): string => bytesToHex(random.bytes(length / 2))

/** An even float in [0, 1) with 32 bits; for jitter and sampling, not for keys. */
export function randomFloat(random: Random): number {
  const [a = 0, b = 0, c = 0, d = 0] = random.bytes(4)
  return (((a << 24) | (b << 16) | (c << 8) | d) >>> 0) / 2 ** 32
}

/** Reproducible bytes from a 32-bit seed (mulberry32). Never for keys outside a simulation. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return (t ^ (t >>> 14)) >>> 0
  }
  return { bytes: length => Uint8Array.from({ length }, () => next() & 0xff) }
}

/** A reproducible stream of its own, so that one part's draws do not shift another's. Never for keys outside a simulation. */
export function forkRandom(random: Random): Random {
  const [a = 0, b = 0, c = 0, d = 0] = random.bytes(4)
  return seededRandom((a << 24) | (b << 16) | (c << 8) | d)
}
