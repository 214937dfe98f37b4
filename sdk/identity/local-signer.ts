import type { Random } from '../../platform/random.ts'
import { publicKeyOf, type SchnorrSign, schnorrSign, signEvent } from '../../protocol/signature.ts'
import { conversationKey, decrypt, encrypt, type Mac } from './nip44.ts'
import { type Signer, trusted } from './signer.ts'

/** Conversation keys kept: one costs an elliptic-curve multiplication. */
const KEPT_KEYS = 256

/** A signer whose answers are there at once. */
export interface LocalSigner extends Signer {
  sign(...args: Parameters<Signer['sign']>): Exclude<ReturnType<Signer['sign']>, Promise<unknown>>
  encrypt(text: string, to: string): string
  decrypt(payload: string, from: string): string
}

/** The key in this process; `sign` and `mac` may be faster than the reference. Throws on 32 bytes that are no secret key. */
export function localSigner(
  secretKey: Uint8Array,
  random: Random,
  sign: SchnorrSign = schnorrSign,
  mac?: Mac,
): LocalSigner {
  const key = Uint8Array.from(secretKey)
  const pubkey = publicKeyOf(key)
  const keys = new Map<string, Uint8Array>()

  function keyWith(other: string): Uint8Array {
    const known = keys.get(other)
    const found = known ?? conversationKey(key, other)
    // Used last, dropped last: one-time keys of gift wraps pass through without displacing those in use.
    keys.delete(other)
    keys.set(other, found)
    const [oldest] = keys.keys()
    if (keys.size > KEPT_KEYS && oldest !== undefined) keys.delete(oldest)
    return found
  }

  return trusted({
    pubkey,
    sign: template => signEvent(template, key, random.bytes(32), pubkey, sign),
    encrypt: (text, to) => encrypt(text, keyWith(to), random.bytes(32), mac),
    decrypt: (payload, from) => decrypt(payload, keyWith(from), mac),
  })
}
