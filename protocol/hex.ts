import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js'

export { bytesToHex, hexToBytes }

const LOWER_HEX = /^[0-9a-f]+$/

/** True for exactly `length` lowercase hex characters (NIP-01 wants lowercase and exact length everywhere). */
export function isHex(value: unknown, length: number): value is string {
  return typeof value === 'string' && value.length === length && LOWER_HEX.test(value)
}

export const isHex64 = (value: unknown): value is string => isHex(value, 64)
