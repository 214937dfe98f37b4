import { xchacha20poly1305 } from '@noble/ciphers/chacha.js'
import { scryptAsync } from '@noble/hashes/scrypt.js'
import { bech32 } from '@scure/base'
import { type Random, systemRandom } from '../../platform/random.ts'
import { KeyFileError } from '../errors.ts'

const PREFIX = 'ncryptsec'
const VERSION = 2
/** Version, log_n, salt 16, nonce 24, security byte, key 32 under a MAC of 16. */
const PAYLOAD_BYTES = 91
const MAX_CHARS = 200
const DEFAULT_LOG_N = 16
/** 256 MiB and about a second. Each step more doubles both, and whoever wrote the file chose it. */
export const MAX_LOG_N = 18

/** NIP-49: how the key was treated before: known to have been in clear, never in clear, or unknown. */
export type KeySecurity = 0 | 1 | 2

/** 32 bytes by scrypt with N = 2^logN, r 8, p 1. */
export type Scrypt = (passphrase: string, salt: Uint8Array, logN: number) => Promise<Uint8Array>

export interface EncryptKeyOptions {
  /** Cost: scrypt with N = 2^logN takes 2^logN KiB of memory. 1 to 22, default 16 (64 MiB). */
  readonly logN?: number
  /** Default 2: unknown. */
  readonly security?: KeySecurity
  readonly random?: Random
  /** Default: in JavaScript, which runs anywhere. */
  readonly scrypt?: Scrypt
}

export interface DecryptKeyOptions {
  /** Highest cost that is worked for; default 18. More is refused before any work. */
  readonly maxLogN?: number
  /** What holds the key, for messages. */
  readonly what?: string
  readonly scrypt?: Scrypt
}

/** Whether a text says that it is a key under a passphrase (NIP-49). */
export const isEncryptedKey = (text: string): boolean => text.startsWith(`${PREFIX}1`)

/** `ncryptsec1…` (NIP-49) of a secret key. Rejects with KeyFileError on an empty passphrase, RangeError on other costs. */
export async function encryptKey(
  secretKey: Uint8Array,
  passphrase: string,
  { logN = DEFAULT_LOG_N, security = 2, random = systemRandom, scrypt = portableScrypt }: EncryptKeyOptions = {},
): Promise<string> {
  if (secretKey.length !== 32) throw new RangeError('a secret key has 32 bytes.')
  if (!Number.isInteger(logN) || logN < 1 || logN > 22) throw new RangeError(`logN is from 1 to 22, not ${logN}.`)
  const [salt, nonce] = [random.bytes(16), random.bytes(24)]
  const key = await derive(scrypt, passphrase, salt, logN)
  try {
    const sealed = xchacha20poly1305(key, nonce, Uint8Array.of(security)).encrypt(secretKey)
    const payload = Uint8Array.of(VERSION, logN, ...salt, ...nonce, security, ...sealed)
    return bech32.encode(PREFIX, bech32.toWords(payload), false)
  } finally {
    key.fill(0)
  }
}

/** The secret key, 32 bytes. Rejects with KeyFileError: malformed, too costly (before any work), wrong passphrase. */
export async function decryptKey(
  text: string,
  passphrase: string,
  { maxLogN = MAX_LOG_N, what = 'the encrypted key', scrypt = portableScrypt }: DecryptKeyOptions = {},
): Promise<Uint8Array> {
  const payload = payloadOf(text)
  const [version, logN = 0] = payload ?? []
  if (payload?.length !== PAYLOAD_BYTES || version !== VERSION || logN === 0)
    throw new KeyFileError('key-malformed', `${what} is no key encrypted by NIP-49 (${PREFIX}1…), or was cut short.`)
  if (logN > maxLogN)
    throw new KeyFileError(
      'key-too-costly',
      `${what} demands ${2 ** logN / 1024} MiB to be opened (log_n ${logN}), at most ${maxLogN} is worked for; if the file is yours, encrypt it again at a lower cost, or raise maxLogN.`,
    )
  const key = await derive(scrypt, passphrase, payload.subarray(2, 18), logN)
  try {
    return xchacha20poly1305(key, payload.subarray(18, 42), payload.subarray(42, 43)).decrypt(payload.subarray(43))
  } catch {
    throw new KeyFileError('key-passphrase', `that is not the passphrase of ${what}.`)
  } finally {
    key.fill(0)
  }
}

/** How an encrypted key says it was treated before; unknown where it says nothing sound. */
export function keySecurityOf(text: string): KeySecurity {
  const security = payloadOf(text)?.[42]
  return security === 0 || security === 1 ? security : 2
}

function payloadOf(text: string): Uint8Array | undefined {
  if (text.length > MAX_CHARS) return undefined
  const decoded = bech32.decodeUnsafe(text, MAX_CHARS)
  if (decoded?.prefix !== PREFIX) return undefined
  return bech32.fromWordsUnsafe(decoded.words) || undefined
}

function derive(scrypt: Scrypt, passphrase: string, salt: Uint8Array, logN: number): Promise<Uint8Array> {
  if (passphrase === '') throw new KeyFileError('key-passphrase', 'the passphrase is empty; give one.')
  return scrypt(passphrase.normalize('NFKC'), salt, logN)
}

// maxmem: what the cost takes, which was judged before; the library's own default is lower.
const portableScrypt: Scrypt = (passphrase, salt, logN) =>
  scryptAsync(passphrase, salt, { N: 2 ** logN, r: 8, p: 1, dkLen: 32, maxmem: 2 ** logN * 1024 + 65_536 })
