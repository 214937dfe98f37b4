import { sha256 } from '@noble/hashes/sha2.js'
import type { Filter } from './filter.ts'
import { bytesToHex, hexToBytes, isHex64 } from './hex.ts'
import { audienceOf } from './kinds.ts'

const REGISTERS = 256

/**
 * Where in a pubkey NIP-45's HyperLogLog looks for this filter, or undefined if it defines none: one tag condition with one
 * value. Filters that could find restricted kinds have none either, so that registers never tell of what may not be read.
 */
export function hllOffset({ tags, kinds }: Filter): number | undefined {
  if (kinds === undefined || [...kinds].some(kind => audienceOf(kind) !== 'anyone')) return undefined
  const [first, ...others] = tags ?? []
  const [value, ...more] = first?.[1] ?? []
  if (value === undefined || others.length > 0 || more.length > 0) return undefined
  const pubkey = /^\d+:([0-9a-f]{64}):/.exec(value)?.[1]
  const hex = isHex64(value) ? value : (pubkey ?? bytesToHex(sha256(new TextEncoder().encode(value))))
  return Number.parseInt(hex.charAt(32), 16) + 8
}

/** The 256 registers over the authors of what was counted, as 512 hex characters. Estimates distinct authors, not events. */
export function hllOf(pubkeys: Iterable<string>, offset: number): string {
  const registers = new Uint8Array(REGISTERS)
  for (const pubkey of pubkeys) {
    const bytes = hexToBytes(pubkey)
    const register = bytes[offset] ?? 0
    registers[register] = Math.max(registers[register] ?? 0, leadingZeros(bytes.subarray(offset + 1)) + 1)
  }
  return bytesToHex(registers)
}

/** The registers over everything that either was made of. */
export function joinHll(a: string, b: string): string {
  const [registers, others] = [hexToBytes(a), hexToBytes(b)]
  return bytesToHex(registers.map((value, index) => Math.max(value, others[index] ?? 0)))
}

function leadingZeros(bytes: Uint8Array): number {
  let bits = 0
  for (const byte of bytes) {
    if (byte !== 0) return bits + Math.clz32(byte) - 24
    bits += 8
  }
  return bits
}
