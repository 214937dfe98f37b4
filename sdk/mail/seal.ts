import * as nip44 from 'nostr-tools/nip44'
import type { Random } from '../../platform/random.ts'
import { byteLength } from '../../protocol/event.ts'
import { LIMITS } from '../../protocol/limits.ts'
import { MessageError, UnknownRecipientError } from '../errors.ts'

/** Clear text that still fits the content limit once padded and base64-encoded, bytes. */
export const MAX_SEALED_TEXT = 32_768
const MIN_PAYLOAD = 132
/** Conversation keys kept: one costs an elliptic-curve multiplication. */
const KEPT_KEYS = 256

/** NIP-44 v2 for one identity. */
export interface Sealer {
  /** Throws {@link MessageError} if the text is too long. The empty text stays empty. */
  seal(text: string, to: string): string
  /** Undefined if it cannot be opened. Only ever called on content whose signature was verified. */
  open(payload: string, from: string): string | undefined
}

export function createSealer(secretKey: Uint8Array, random: Random): Sealer {
  const keys = new Map<string, Uint8Array>()

  function keyWith(pubkey: string): Uint8Array {
    const known = keys.get(pubkey)
    if (known) return known
    const key = nip44.getConversationKey(secretKey, pubkey)
    const [oldest] = keys.keys()
    if (keys.size >= KEPT_KEYS && oldest !== undefined) keys.delete(oldest)
    keys.set(pubkey, key)
    return key
  }

  function keyFor(recipient: string): Uint8Array {
    try {
      return keyWith(recipient)
    } catch {
      throw new UnknownRecipientError(`${recipient} is no public key: no point of the curve has it.`)
    }
  }

  return {
    seal(text, to) {
      const bytes = byteLength(text)
      if (bytes > MAX_SEALED_TEXT)
        throw new MessageError(
          'message-too-large',
          `the text has ${bytes} bytes, sealed messages hold ${MAX_SEALED_TEXT}; send it in parts, or a reference to it.`,
        )
      const key = keyFor(to)
      return text === '' ? '' : nip44.encrypt(text, key, random.bytes(32))
    },
    open(payload, from) {
      if (payload === '') return ''
      if (payload.length < MIN_PAYLOAD || payload.length > LIMITS.contentBytes.value) return undefined
      try {
        return nip44.decrypt(payload, keyWith(from))
      } catch {
        return undefined
      }
    },
  }
}
