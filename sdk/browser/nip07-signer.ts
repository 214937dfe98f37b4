import type { EventTemplate } from '../../protocol/event.ts'
import { isHex64 } from '../../protocol/hex.ts'
import { SignerError } from '../errors.ts'
import { checkedSigner } from '../identity/checked-signer.ts'
import type { Signer } from '../identity/signer.ts'

/** What an extension puts at `window.nostr` (NIP-07), with the NIP-44 part that sealed mail needs. */
export interface Nip07 {
  getPublicKey(): Promise<string>
  signEvent(template: EventTemplate): Promise<unknown>
  readonly nip44?: {
    encrypt(pubkey: string, text: string): Promise<string>
    decrypt(pubkey: string, payload: string): Promise<string>
  }
}

/**
 * A signer whose key stays in the user's browser extension (NIP-07), for `host.signer`. Asks it for the public key, which most
 * extensions ask their user about. What it gives back is checked. Rejects with {@link SignerError}.
 */
export async function nip07Signer(extension: unknown = Reflect.get(globalThis, 'nostr')): Promise<Signer> {
  if (!isExtension(extension))
    throw new SignerError('signer-unreachable', 'there is no window.nostr; install an extension that speaks NIP-07.')
  const { nip44 } = extension
  if (!nip44) throw new SignerError('signer-malformed', 'the extension cannot seal messages (nip44); use another one.')
  const pubkey = await asked(() => extension.getPublicKey())
  if (!isHex64(pubkey)) throw new SignerError('signer-malformed', 'the extension gave no public key.')

  return checkedSigner(
    {
      pubkey,
      sign: (template: EventTemplate) => asked(() => extension.signEvent(template)),
      encrypt: (text: string, to: string) => asked(() => nip44.encrypt(to, text)),
      decrypt: (payload: string, from: string) => asked(() => nip44.decrypt(from, payload)),
    },
    'the extension',
  )
}

function isExtension(value: unknown): value is Nip07 {
  if (typeof value !== 'object' || value === null) return false
  return ['getPublicKey', 'signEvent'].every(name => typeof Reflect.get(value, name) === 'function')
}

async function asked<T>(question: () => Promise<T>): Promise<T> {
  try {
    return await question()
  } catch (cause) {
    throw new SignerError(
      'signer-refused',
      `the extension refused: ${cause instanceof Error ? cause.message : cause}`,
      {
        cause,
      },
    )
  }
}
