import { chacha20 } from '@noble/ciphers/chacha.js'
import { equalBytes } from '@noble/ciphers/utils.js'
import { extract } from '@noble/hashes/hkdf.js'
import { hmac } from '@noble/hashes/hmac.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { base64 } from '@scure/base'
import { sharedX } from '../../protocol/curve.ts'
import { hexToBytes } from '../../protocol/hex.ts'

// NIP-44 v2 over the very primitives that signatures stand on, so that a page loads one copy of them. Differential tests against
// nostr-tools are in test/sdk/nip44.test.ts.

const utf8 = new TextEncoder()
const utf8Strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const SALT = utf8.encode('nip44-v2')
export const VERSION = 2
const NONCE = 32
const MAC = 32
/** What two bytes of length can say. */
const MAX_TEXT = 65_535

/** The key that two parties share. Throws if `pubkey` (64 hex) is no point of the curve. */
export const conversationKey = (secretKey: Uint8Array, pubkey: string): Uint8Array =>
  extract(sha256, sharedX(secretKey, hexToBytes(pubkey)), SALT)

/** HMAC-SHA-256, 32 bytes. */
export type Mac = (key: Uint8Array, ...parts: readonly Uint8Array[]) => Uint8Array

/** The reference; a host may have a faster one. */
const noble: Mac = (key, ...parts) => parts.reduce((mac, part) => mac.update(part), hmac.create(sha256, key)).digest()

/** Seals 1 to 65,535 bytes of text. `nonce`: 32 random bytes, never twice. Throws a RangeError on other lengths. */
export function encrypt(text: string, key: Uint8Array, nonce: Uint8Array, mac: Mac = noble): string {
  const bytes = utf8.encode(text)
  if (bytes.length === 0 || bytes.length > MAX_TEXT || nonce.length !== NONCE)
    throw new RangeError(`NIP-44 seals 1 to ${MAX_TEXT} bytes, not ${bytes.length}, under a nonce of ${NONCE}.`)
  const padded = new Uint8Array(2 + paddedLength(bytes.length))
  padded.set([bytes.length >> 8, bytes.length & 0xff])
  padded.set(bytes, 2)
  const keys = messageKeys(key, nonce, mac)
  const ciphertext = chacha20(keys.cipher, keys.nonce, padded)
  const payload = new Uint8Array(1 + NONCE + ciphertext.length + MAC)
  payload[0] = VERSION
  payload.set(nonce, 1)
  payload.set(ciphertext, 1 + NONCE)
  payload.set(mac(keys.mac, nonce, ciphertext), 1 + NONCE + ciphertext.length)
  return base64.encode(payload)
}

/** Opens what the other party sealed. Throws if it is malformed, of another version, or anybody else's. */
export function decrypt(payload: string, key: Uint8Array, mac: Mac = noble): string {
  const bytes = base64.decode(payload)
  if (bytes[0] !== VERSION) throw new Error('sealed by another version of NIP-44')
  if (bytes.length < 1 + NONCE + 2 + 32 + MAC) throw new Error('too short to be sealed')
  const nonce = bytes.subarray(1, 1 + NONCE)
  const ciphertext = bytes.subarray(1 + NONCE, -MAC)
  const keys = messageKeys(key, nonce, mac)
  if (!equalBytes(mac(keys.mac, nonce, ciphertext), bytes.subarray(-MAC))) throw new Error('not sealed under this key')
  const padded = chacha20(keys.cipher, keys.nonce, ciphertext)
  const length = ((padded[0] ?? 0) << 8) | (padded[1] ?? 0)
  if (length === 0 || padded.length !== 2 + paddedLength(length)) throw new Error('wrongly padded')
  return utf8Strict.decode(padded.subarray(2, 2 + length))
}

/** 32, then in steps of an eighth of the next power of two: lengths are told roughly. */
function paddedLength(length: number): number {
  if (length <= 32) return 32
  const power = 2 ** (Math.floor(Math.log2(length - 1)) + 1)
  const step = power <= 256 ? 32 : power / 8
  return step * Math.ceil(length / step)
}

/** Characters of what so many bytes of text are sealed to. */
export const payloadLength = (bytes: number): number => 4 * Math.ceil((1 + NONCE + 2 + paddedLength(bytes) + MAC) / 3)

/** HKDF-Expand (RFC 5869) to 76 bytes: three blocks, the last one cut. */
function messageKeys(key: Uint8Array, nonce: Uint8Array, mac: Mac) {
  const first = mac(key, nonce, Uint8Array.of(1))
  const second = mac(key, first, nonce, Uint8Array.of(2))
  const third = mac(key, second, nonce, Uint8Array.of(3))
  const bytes = new Uint8Array(96)
  bytes.set(first)
  bytes.set(second, 32)
  bytes.set(third, 64)
  return { cipher: bytes.subarray(0, 32), nonce: bytes.subarray(32, 44), mac: bytes.subarray(44, 76) }
}
