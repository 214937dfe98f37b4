import { SignerError } from '../errors.ts'
import { checkRelayUrl, MAX_RELAYS } from '../relay-url.ts'

/** Where a remote signer is. */
export interface SignerAddress {
  /** The signer's own key, 64 hex; not the user's. */
  readonly pubkey: string
  readonly relays: readonly string[]
}

/** A `bunker://` token (NIP-46). It holds a secret: whoever has it may be let in. */
export interface BunkerUrl extends SignerAddress {
  readonly secret: string | undefined
}

/** Throws {@link SignerError}, without quoting the token. */
export function parseBunkerUrl(text: string): BunkerUrl {
  const [, pubkey, query] = /^bunker:\/\/([0-9a-f]{64})\/?\?(.+)$/.exec(text.trim()) ?? []
  const params = new URLSearchParams(query)
  const relays = [...new Set(params.getAll('relay'))]
  if (pubkey === undefined || relays.length === 0 || relays.length > MAX_RELAYS)
    throw new SignerError(
      'signer-malformed',
      `that is no token of a remote signer: bunker://<64 hex>?relay=wss://…, with 1 to ${MAX_RELAYS} relays.`,
    )
  try {
    return { pubkey, relays: relays.map(checkRelayUrl), secret: params.get('secret') ?? undefined }
  } catch (cause) {
    throw new SignerError('signer-malformed', 'the token of the remote signer names a relay that is none.', { cause })
  }
}
