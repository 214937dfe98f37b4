import { xchacha20poly1305 } from '@noble/ciphers/chacha.js'
import { expand } from '@noble/hashes/hkdf.js'
import { hmac } from '@noble/hashes/hmac.js'
import { sha256 } from '@noble/hashes/sha2.js'
import type { DocKey } from './doc-key.ts'

/** Where a ciphertext belongs: it opens nowhere else. */
export interface SealedPlace {
  readonly kind: number
  readonly o: string
  readonly author: string
  readonly session: string
  readonly n: number
  readonly control?: string
}

/** Encryption of what travels in one generation of a document. */
export interface DocSeal {
  seal(bytes: Uint8Array, place: SealedPlace): Uint8Array
  /** Throws on anything that was not sealed under this key for this very place. */
  open(sealed: Uint8Array, place: SealedPlace): Uint8Array
}

const utf8 = new TextEncoder()
const NONCE = 24
const LENGTH = 4
const MIN_PADDED = 32

/**
 * XChaCha20-Poly1305. The nonce is made of the place and what is sealed, under a key of its own: the same event made again has the same
 * content, and no fault of a random source can repeat a nonce for two texts.
 */
export function createDocSeal(key: DocKey): DocSeal {
  const cipherKey = expand(sha256, key, utf8.encode('posthorn-doc-cipher'), 32)
  const nonceKey = expand(sha256, key, utf8.encode('posthorn-doc-nonce'), 32)

  return {
    seal(bytes, place) {
      const padded = new Uint8Array(paddedLength(LENGTH + bytes.length))
      new DataView(padded.buffer).setUint32(0, bytes.length)
      padded.set(bytes, LENGTH)
      const bound = boundTo(place)
      const nonce = hmac.create(sha256, nonceKey).update(bound).update(sha256(padded)).digest().subarray(0, NONCE)
      const sealed = xchacha20poly1305(cipherKey, nonce, bound).encrypt(padded)
      const whole = new Uint8Array(NONCE + sealed.length)
      whole.set(nonce)
      whole.set(sealed, NONCE)
      return whole
    },
    open(sealed, place) {
      const nonce = sealed.subarray(0, NONCE)
      if (nonce.length < NONCE) throw new Error('too short to be sealed')
      const padded = xchacha20poly1305(cipherKey, nonce, boundTo(place)).decrypt(sealed.subarray(NONCE))
      const length = new DataView(padded.buffer, padded.byteOffset, padded.byteLength).getUint32(0)
      if (padded.length !== paddedLength(LENGTH + length)) throw new Error('wrongly padded')
      return padded.subarray(LENGTH, LENGTH + length)
    },
  }
}

const boundTo = ({ kind, o, author, session, n, control = '' }: SealedPlace): Uint8Array =>
  utf8.encode(JSON.stringify([kind, o, author, session, n, control]))

/** Powers of two up to 256, then steps of an eighth of the next: sizes tell little of which key changed. */
function paddedLength(length: number): number {
  const power = 2 ** Math.ceil(Math.log2(Math.max(length, MIN_PADDED)))
  const step = power <= 256 ? power : power / 8
  return step * Math.ceil(length / step)
}
