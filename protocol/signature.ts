import { schnorr } from '@noble/curves/secp256k1.js'
import { type EventTemplate, eventId, hasValidId, type NostrEvent, parseEvent } from './event.ts'
import { bytesToHex, hexToBytes } from './hex.ts'

// Apart from event.ts, so that who only reads and stores events (the log's threads) does not load the curve.

/** BIP-340 over the id. The reference; hosts use a `Verifier` of `platform/`, which is tested against it. */
export function hasValidSignature(event: NostrEvent): boolean {
  try {
    return schnorr.verify(hexToBytes(event.sig), hexToBytes(event.id), hexToBytes(event.pubkey))
  } catch {
    return false
  }
}

/** Id and signature: a pure function of the bytes. Nothing is cached on the object, so a changed copy never stays "verified". */
export const verifyEvent = (event: NostrEvent): boolean => hasValidId(event) && hasValidSignature(event)

/** The x-only public key (hex) of a 32-byte secret key. Throws on a key outside the curve's range. */
export const publicKeyOf = (secretKey: Uint8Array): string => bytesToHex(schnorr.getPublicKey(secretKey))

/** BIP-340 over a 32-byte message with 32 bytes of auxiliary randomness: 64 bytes. */
export type SchnorrSign = (message: Uint8Array, secretKey: Uint8Array, auxRand: Uint8Array) => Uint8Array

/** The reference. */
export const schnorrSign: SchnorrSign = (message, secretKey, auxRand) => schnorr.sign(message, secretKey, auxRand)

/**
 * Signs a template. `auxRand` is 32 random bytes (BIP-340); pass fixed ones for reproducible vectors.
 * `pubkey`, if the caller knows it, spares deriving it; `sign` another implementation. Throws a TypeError if the template is not a valid event, so nothing unsendable is ever stored.
 */
export function signEvent(
  template: EventTemplate,
  secretKey: Uint8Array,
  auxRand: Uint8Array,
  pubkey: string = publicKeyOf(secretKey),
  sign: SchnorrSign = schnorrSign,
): NostrEvent {
  const id = eventId(pubkey, template)
  const sig = bytesToHex(sign(hexToBytes(id), secretKey, auxRand))
  const event = parseEvent({ ...template, id, pubkey, sig })
  if (!event.ok) throw new TypeError(`cannot sign: ${event.error}`)
  return event.value
}
