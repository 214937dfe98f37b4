import { ecdh } from '@noble/curves/abstract/weierstrass.js'
import { schnorr } from '@noble/curves/secp256k1.js'

// secp256k1 as far as events and NIP-44 need it. Pages get curve-browser.ts in its place (`browser` in package.json), which has the
// same exports over a third of the bytes; tests hold the two against each other.

/** ECDH alone: `secp256k1` would bring ECDSA with it. */
const exchange = /* @__PURE__ */ ecdh(schnorr.Point)
/** Compressed point with even y, which is how a public key of 32 bytes is meant (BIP-340). */
const EVEN = 0x02

/** BIP-340 over 32 bytes: 64 bytes. `auxRand` is 32 random bytes. */
export const sign = (message: Uint8Array, secretKey: Uint8Array, auxRand: Uint8Array): Uint8Array =>
  schnorr.sign(message, secretKey, auxRand)

/** False, or throws, for whatever is no valid signature. */
export const verify = (sig: Uint8Array, message: Uint8Array, pubkey: Uint8Array): boolean =>
  schnorr.verify(sig, message, pubkey)

/** The x-only public key, 32 bytes. Throws on a secret key outside the curve's range. */
export const publicKey = (secretKey: Uint8Array): Uint8Array => schnorr.getPublicKey(secretKey)

/** The x coordinate that two keys share, 32 bytes. Throws if `pubkey` (x-only) is no point of the curve. */
export const sharedX = (secretKey: Uint8Array, pubkey: Uint8Array): Uint8Array =>
  exchange.getSharedSecret(secretKey, Uint8Array.of(EVEN, ...pubkey)).subarray(1, 33)
