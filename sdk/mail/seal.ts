import { byteLength } from '../../protocol/event.ts'
import { isHex64 } from '../../protocol/hex.ts'
import { WIRE_LIMITS } from '../../protocol/wire-limits.ts'
import { MessageError, SignerError, UnknownRecipientError } from '../errors.ts'
import type { MaybePromise, Signer } from '../identity/signer.ts'

/** Clear text that still fits the content limit once padded and base64-encoded, bytes. */
export const MAX_SEALED_TEXT = 32_768
const MIN_PAYLOAD = 132

/** NIP-44 v2 for one identity, within the limits of a message. */
export interface Sealer {
  /** Throws or rejects with {@link MessageError} if the text is too long. The empty text stays empty. */
  seal(text: string, to: string): MaybePromise<string>
  /**
   * Undefined if it cannot be opened. Only ever called on content whose signature was verified. Rejects with {@link SignerError}
   * if the key could not be asked: then nothing is known of the content.
   */
  open(payload: string, from: string): MaybePromise<string | undefined>
}

export function createSealer(signer: Signer): Sealer {
  return {
    seal(text, to) {
      const bytes = byteLength(text)
      if (bytes > MAX_SEALED_TEXT)
        throw new MessageError(
          'message-too-large',
          `the text has ${bytes} bytes, sealed messages hold ${MAX_SEALED_TEXT}; send it in parts, or a reference to it.`,
        )
      return text === '' ? '' : orUnknown(to, () => signer.encrypt(text, to))
    },
    open(payload, from) {
      if (payload === '') return ''
      if (payload.length < MIN_PAYLOAD || payload.length > WIRE_LIMITS.contentBytes) return undefined
      try {
        const opened = signer.decrypt(payload, from)
        return opened instanceof Promise ? opened.catch(unreadable) : opened
      } catch (error) {
        return unreadable(error)
      }
    },
  }
}

function unreadable(error: unknown): undefined {
  if (error instanceof SignerError && error.code === 'signer-unreachable') throw error
}

function orUnknown(to: string, encrypt: () => MaybePromise<string>): MaybePromise<string> {
  const fail = (error: unknown): never => {
    if (error instanceof SignerError && isHex64(to)) throw error
    throw new UnknownRecipientError(`${to} is no public key: no point of the curve has it.`)
  }
  try {
    const sealed = encrypt()
    return sealed instanceof Promise ? sealed.catch(fail) : sealed
  } catch (error) {
    return fail(error)
  }
}
