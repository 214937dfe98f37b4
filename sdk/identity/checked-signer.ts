import { base64 } from '@scure/base'
import { byteLength, type EventTemplate, eventId, type NostrEvent, parseEvent } from '../../protocol/event.ts'
import { hasValidSignature } from '../../protocol/signature.ts'
import { SignerError } from '../errors.ts'
import { payloadLength, VERSION } from './nip44.ts'
import { isTrusted, type Signer, trusted } from './signer.ts'

/** A signer whose answers may be anything. */
export type UncheckedSigner = Omit<Signer, 'sign' | 'encrypt' | 'decrypt'> & {
  readonly [method in 'encrypt' | 'decrypt']: (text: string, key: string) => unknown
} & { sign(template: EventTemplate): unknown }

/**
 * The only way by which answers of a key that is elsewhere are believed: a signature if it is over what was asked, by this key; a
 * ciphertext if it has the form and the length of the text sealed with NIP-44 v2, so that what is called encrypted is never the clear
 * text; an opened text if it is one. Anything else rejects with {@link SignerError} `signer-malformed`. `who` names it in errors.
 */
export function checkedSigner<S extends UncheckedSigner>(
  signer: S,
  who = 'the signer',
): S & {
  readonly [method in 'sign' | 'encrypt' | 'decrypt']: (
    ...args: Parameters<Signer[method]>
  ) => ReturnType<Signer[method]>
} {
  if (isTrusted(signer)) return signer as never
  const { pubkey } = signer
  const malformed = (what: string) => new SignerError('signer-malformed', `${who} ${what}; nothing was sent.`)

  return trusted({
    ...signer,
    pubkey,
    async sign({ kind, created_at, tags, content }: EventTemplate): Promise<NostrEvent> {
      // A copy that the signer may do with as it likes.
      const template = { kind, created_at, tags: tags.map(tag => [...tag]), content }
      const event = parseEvent(await signer.sign(structuredClone(template)))
      if (!event.ok) throw malformed(`signed no event: ${event.error}`)
      const { id, pubkey: author } = event.value
      if (author !== pubkey || id !== eventId(pubkey, template) || !hasValidSignature(event.value))
        throw malformed('signed something else, or with another key')
      return event.value
    },
    async encrypt(text: string, to: string): Promise<string> {
      const sealed = await signer.encrypt(text, to)
      if (!isSealed(sealed, byteLength(text)))
        throw malformed('gave something else than the text sealed with NIP-44 v2')
      return sealed
    },
    async decrypt(payload: string, from: string): Promise<string> {
      const text = await signer.decrypt(payload, from)
      if (typeof text !== 'string') throw new SignerError('signer-malformed', `${who} opened a text and gave none.`)
      return text
    },
  }) as never
}

/** Whether it has the form of `bytes` bytes of text sealed with NIP-44 v2: its version, canonical base64, and exactly its length. */
function isSealed(value: unknown, bytes: number): value is string {
  if (typeof value !== 'string' || value.length !== payloadLength(bytes)) return false
  try {
    return base64.decode(value)[0] === VERSION
  } catch {
    return false
  }
}
