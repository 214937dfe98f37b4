import { hmac } from '@noble/hashes/hmac.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { getSharedSecret, hashes, schnorr } from '@noble/secp256k1'

// What curve.ts is elsewhere. It verifies at half the speed, so a page that has much to verify loads the other one
// (platform/verifier-browser.ts); signing and ECDH take the same time.

hashes.sha256 = sha256
hashes.hmacSha256 = (key, message) => hmac(sha256, key, message)

const EVEN = 0x02

export const sign = (message: Uint8Array, secretKey: Uint8Array, auxRand: Uint8Array): Uint8Array =>
  schnorr.sign(message, secretKey, auxRand)

export const verify = (sig: Uint8Array, message: Uint8Array, pubkey: Uint8Array): boolean =>
  schnorr.verify(sig, message, pubkey)

export const publicKey = (secretKey: Uint8Array): Uint8Array => schnorr.getPublicKey(secretKey)

export const sharedX = (secretKey: Uint8Array, pubkey: Uint8Array): Uint8Array =>
  getSharedSecret(secretKey, Uint8Array.of(EVEN, ...pubkey)).subarray(1, 33)
