import { secp256k1 } from '@noble/curves/secp256k1.js'
import { extract } from '@noble/hashes/hkdf.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { hexToBytes } from '../../protocol/hex.ts'

const SALT = new TextEncoder().encode('nip44-v2')
/** Compressed point with even y, which is how a public key of 32 bytes is meant (BIP-340). */
const EVEN = 0x02

/**
 * The NIP-44 v2 key that two parties share. Throws if `pubkey` (64 hex) is no point of the curve. Made here, so that nostr-tools'
 * own copy of the curve stays out of what a browser loads.
 */
export function conversationKey(secretKey: Uint8Array, pubkey: string): Uint8Array {
  const shared = secp256k1.getSharedSecret(secretKey, Uint8Array.of(EVEN, ...hexToBytes(pubkey)))
  return extract(sha256, shared.subarray(1, 33), SALT)
}
