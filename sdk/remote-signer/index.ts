import type { EventTemplate } from '../../protocol/event.ts'
import { isHex64 } from '../../protocol/hex.ts'
import { parseJson } from '../../protocol/json.ts'
import type { Host } from '../api.ts'
import { SignerError } from '../errors.ts'
import { checkedSigner } from '../identity/checked-signer.ts'
import { type LocalSigner, localSigner } from '../identity/local-signer.ts'
import type { Signer } from '../identity/signer.ts'
import { makeSecretKey } from '../secret-key.ts'
import { type BunkerUrl, parseBunkerUrl, type SignerAddress } from './bunker-url.ts'
import { type OfferOptions, offerConnection, type SignerOffer } from './offer.ts'
import { createSession, type Session } from './session.ts'

export type { SignerAddress, SignerOffer }

export interface RemoteSignerOptions {
  /** `bunker://…` as the signer gives it out. Either this or `offer`. */
  readonly url?: string
  /** The other way round: a text to take to the signer, which then has five minutes to answer. */
  readonly offer?: SignerOffer
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
export type ConnectRemoteSigner = (options: RemoteSignerOptions) => Promise<RemoteSigner>

/** A signer that is somewhere else, and where. */
export interface RemoteSigner extends Signer {
  /** The signer's own key (64 hex) and its relays: with the client key enough to go on later. No secret. */
  readonly at: SignerAddress
}

const TIMEOUT_MS = 30_000
/** A person has to find the signer, and to agree. */
const OFFER_MS = 300_000

/**
 * A signer whose key stays elsewhere and is asked over relays (NIP-46), for `host.signer`. It reconnects by itself; what it signs is
 * checked. An agent closes it when it is closed.
 */
export const createRemoteSigner =
  (defaults: Host): ConnectRemoteSigner =>
  async options => {
    const { permissions = [], timeoutMs = TIMEOUT_MS, onAuthUrl } = options
    const host = { ...defaults, ...options.host }
    const client = localSigner(options.clientKey ?? makeSecretKey(host.random), host.random)
    const { bunker, token } = await find(options, { host, client, permissions, timeoutMs: OFFER_MS })
    const session = createSession({ host, bunker, client, timeoutMs, onAuthUrl })
    try {
      if (token) await introduce(session, token, permissions)
      const pubkey = await session.call('get_public_key', [])
      if (!isHex64(pubkey)) throw new SignerError('signer-malformed', 'the remote signer gave no public key.')
      return signerOver(session, pubkey, bunker)
    } catch (error) {
      await session.close()
      throw error
    }
  }

async function find(
  { url, offer }: RemoteSignerOptions,
  offering: Omit<OfferOptions, keyof SignerOffer>,
): Promise<{ readonly bunker: SignerAddress; readonly token?: BunkerUrl }> {
  if (url !== undefined && offer === undefined) {
    const token = parseBunkerUrl(url)
    return { bunker: token, token }
  }
  if (offer !== undefined && url === undefined) return { bunker: await offerConnection({ ...offer, ...offering }) }
  throw new TypeError('a remote signer is found by `url` (bunker://…) or by `offer`: give one of them.')
}

async function introduce(session: Session, { pubkey, secret }: BunkerUrl, permissions: readonly string[]) {
  const word = await session.call('connect', [pubkey, secret ?? '', permissions.join(',')])
  if (word !== 'ack' && word !== secret)
    throw new SignerError('signer-malformed', 'the remote signer did not say that we are connected.')
}

export interface ResumeOptions {
  readonly host: Host
  readonly at: SignerAddress
  readonly client: LocalSigner
  /** Whose signer it is, 64 hex. */
  readonly pubkey: string
}

/** Goes on with a signer that knows the client's key already. Asks nothing: it may be reached later. */
export const resumeRemoteSigner = ({ host, at, client, pubkey }: ResumeOptions): RemoteSigner =>
  signerOver(createSession({ host, bunker: at, client, timeoutMs: TIMEOUT_MS, onAuthUrl: undefined }), pubkey, at)

const signerOver = (session: Session, pubkey: string, { pubkey: key, relays }: SignerAddress): RemoteSigner =>
  checkedSigner(
    {
      pubkey,
      at: Object.freeze({ pubkey: key, relays }),
      async sign(template: EventTemplate) {
        const signed = parseJson(await session.call('sign_event', [JSON.stringify({ ...template, pubkey })]))
        return signed.ok ? signed.value : undefined
      },
      encrypt: (text: string, to: string) => session.call('nip44_encrypt', [to, text]),
      decrypt: (payload: string, from: string) => session.call('nip44_decrypt', [from, payload]),
      close: session.close,
    },
    'the remote signer',
  )
