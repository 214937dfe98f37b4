import { publicKey, sign as schnorrSignature, verify as schnorrVerify } from './curve.ts'
import { type EventTemplate, eventId, hasValidId, type NostrEvent, parseEvent } from './event.ts'
import { bytesToHex, hexToBytes } from './hex.ts'

// Apart from event.ts, so that who only reads and stores events (the log's threads) does not load the curve.

/** BIP-340: 64, 32 and 32 bytes. False, or throws, for whatever is no valid signature. */
export type SchnorrVerify = (sig: Uint8Array, message: Uint8Array, pubkey: Uint8Array) => boolean

/** BIP-340 over the id, by the given implementation. */
export function isSignedAs(event: NostrEvent, verify: SchnorrVerify): boolean {
  try {
    return verify(hexToBytes(event.sig), hexToBytes(event.id), hexToBytes(event.pubkey))
  } catch {
    return false
  }
}

/** BIP-340 over the id. The reference; hosts use a `Verifier` of `platform/`, which is tested against it. */
export const hasValidSignature = (event: NostrEvent): boolean => isSignedAs(event, schnorrVerify)

/** Id and signature: a pure function of the bytes. Nothing is cached on the object, so a changed copy never stays "verified". */
export const verifyEvent = (event: NostrEvent): boolean => hasValidId(event) && hasValidSignature(event)

/** The x-only public key (hex) of a 32-byte secret key. Throws on a key outside the curve's range. */
export const publicKeyOf = (secretKey: Uint8Array): string => bytesToHex(publicKey(secretKey))

/** BIP-340 over a 32-byte message with 32 bytes of auxiliary randomness: 64 bytes. */
export type SchnorrSign = (message: Uint8Array, secretKey: Uint8Array, auxRand: Uint8Array) => Uint8Array

/** The reference. */
export const schnorrSign: SchnorrSign = schnorrSignature

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
