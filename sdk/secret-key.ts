import type { Random } from '../platform/random.ts'
import { publicKeyOf } from '../protocol/signature.ts'

/** A fresh secret key inside the curve's range. */
export function makeSecretKey(random: Random): Uint8Array {
  for (;;) {
    const key = random.bytes(32)
    try {
      publicKeyOf(key)
      return key
    } catch {
      // Outside the range: about one in 2^128.
    }
  }
}
