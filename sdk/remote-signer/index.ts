import { isHex64 } from '../../protocol/hex.ts'
import { parseJson } from '../../protocol/json.ts'
import type { Host } from '../api.ts'
import { SignerError } from '../errors.ts'
import { checkSigned } from '../identity/check-signed.ts'
import { localSigner } from '../identity/local-signer.ts'
import type { Signer } from '../identity/signer.ts'
import { makeSecretKey } from '../secret-key.ts'
import { parseBunkerUrl } from './bunker-url.ts'
import { createSession } from './session.ts'

export interface RemoteSignerOptions {
  /** `bunker://…` as the signer gives it out. */
  readonly url: string
  /** The key that the signer knows this program by, 32 bytes: keep it to be let in again. Default: a fresh one. */
  readonly clientKey?: Uint8Array
  /** What to ask leave for, like `sign_event:4700`, `nip44_encrypt`. */
  readonly permissions?: readonly string[]
  /** For each answer, ms; default 30,000. A person who has to agree has five minutes. */
  readonly timeoutMs?: number
  /** A page (http or https, the signer's word) where a person has to agree. Without it that is a refusal. */
  readonly onAuthUrl?: (url: string) => void
  readonly host?: Partial<Host>
}

/** Connects to a remote signer. Rejects with {@link SignerError}. */
export type ConnectRemoteSigner = (options: RemoteSignerOptions) => Promise<Signer>

/**
 * A signer whose key stays elsewhere and is asked over relays (NIP-46), for `host.signer`. It reconnects by itself; what it signs is
 * checked. An agent closes it when it is closed.
 */
export const createRemoteSigner =
  (defaults: Host): ConnectRemoteSigner =>
  async options => {
    const { url, permissions = [], timeoutMs = 30_000, onAuthUrl } = options
    const host = { ...defaults, ...options.host }
    const bunker = parseBunkerUrl(url)
    const client = localSigner(options.clientKey ?? makeSecretKey(host.random), host.random)
    const session = createSession({ host, bunker, client, timeoutMs, onAuthUrl })
    try {
      const word = await session.call('connect', [bunker.pubkey, bunker.secret ?? '', permissions.join(',')])
      if (word !== 'ack' && word !== bunker.secret)
        throw new SignerError('signer-malformed', 'the remote signer did not say that we are connected.')
      const pubkey = await session.call('get_public_key', [])
      if (!isHex64(pubkey)) throw new SignerError('signer-malformed', 'the remote signer gave no public key.')
      return {
        pubkey,
        async sign({ kind, created_at, tags, content }) {
          const template = { kind, created_at, tags, content }
          const signed = parseJson(await session.call('sign_event', [JSON.stringify({ ...template, pubkey })]))
          return checkSigned(signed.ok ? signed.value : undefined, template, pubkey, 'the remote signer')
        },
        encrypt: (text, to) => session.call('nip44_encrypt', [to, text]),
        decrypt: (payload, from) => session.call('nip44_decrypt', [from, payload]),
        close: session.close,
      }
    } catch (error) {
      await session.close()
      throw error
    }
  }
