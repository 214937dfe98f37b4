import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { type Random, randomHex } from '../../platform/random.ts'
import { nodeScrypt } from '../../platform/scrypt-node.ts'
import { bytesToHex, hexToBytes, isHex64 } from '../../protocol/hex.ts'
import { publicKeyOf } from '../../protocol/signature.ts'
import { KeyFileError } from '../errors.ts'
import { type DecryptKeyOptions, decryptKey, encryptKey, isEncryptedKey, keySecurityOf } from '../identity/nip49.ts'
import type { MaybePromise } from '../identity/signer.ts'
import { exposure, isMissing, isTaken, statOrUndefined, writePrivateFile } from './files.ts'

/**
 * Reads a secret key (64 hex and a newline). Refuses, as ssh does, a file or folder that others can read or change:
 * the key must then be considered known to them. Throws {@link KeyFileError}, also if the key is encrypted.
 */
export function readKeyFile(path: string): Uint8Array {
  const text = readKeyText(path)
  if (isEncryptedKey(text))
    throw new KeyFileError('key-encrypted', `${path} is encrypted; its passphrase is needed to open it.`)
  return parseKey(text, path)
}

/** Asked only if the key is encrypted. */
export interface OpenKeyOptions extends Pick<DecryptKeyOptions, 'maxLogN'> {
  readonly passphrase?: (() => MaybePromise<string>) | undefined
}

/** The same for a key that may be encrypted (NIP-49). Rejects with {@link KeyFileError}. */
export async function openKeyFile(path: string, { passphrase, maxLogN }: OpenKeyOptions = {}): Promise<Uint8Array> {
  const text = readKeyText(path)
  if (!isEncryptedKey(text) || passphrase === undefined) return readKeyFile(path)
  const key = await decryptKey(text, await passphrase(), {
    what: path,
    scrypt: nodeScrypt,
    ...(maxLogN === undefined ? {} : { maxLogN }),
  })
  return parseKey(bytesToHex(key), path)
}

/** Whether it was this text that was stored, and not somebody faster's. */
export const holdsKeyText = (path: string, text: string): boolean => readKeyText(path) === text

/** Whether opening the file takes a passphrase. Throws {@link KeyFileError}. */
export const isKeyFileEncrypted = (path: string): boolean => isEncryptedKey(readKeyText(path))

/**
 * Replaces a key in clear by the same key under a passphrase (NIP-49). Copies of the old file (backups, snapshots, freed blocks of
 * the disk) still hold it in clear. Rejects with {@link KeyFileError}.
 */
export async function encryptKeyFile(path: string, passphrase: string, random: Random): Promise<void> {
  const key = readKeyFile(path)
  try {
    const text = await encryptKey(key, passphrase, { security: 0, random, scrypt: nodeScrypt })
    writePrivateFile(path, `${text}\n`, randomHex(random, 16))
  } finally {
    key.fill(0)
  }
}

export interface ChangePassphrase extends OpenKeyOptions {
  /** Undefined: the key is to lie in clear. */
  readonly next: string | undefined
  readonly random: Random
}

/**
 * Replaces the key's file, encrypted or not, by the same key under another passphrase or none. Copies of the old file keep the old
 * one. Rejects with {@link KeyFileError}; then nothing was changed.
 */
export async function changeKeyPassphrase(path: string, { next, random, ...opening }: ChangePassphrase): Promise<void> {
  const before = readKeyText(path)
  const key = await openKeyFile(path, opening)
  try {
    const security = isEncryptedKey(before) ? keySecurityOf(before) : 0
    const text =
      next === undefined ? bytesToHex(key) : await encryptKey(key, next, { security, random, scrypt: nodeScrypt })
    writePrivateFile(path, `${text}\n`, randomHex(random, 16))
  } finally {
    key.fill(0)
  }
}

function readKeyText(path: string): string {
  const folder = statOrUndefined(dirname(path))
  const openFolder = folder && exposure(folder)
  if (openFolder)
    throw new KeyFileError(
      'key-too-open',
      `${dirname(path)} ${openFolder}; if nobody else has read the key, make it yours alone: chmod 700 ${dirname(path)}`,
    )
  return readPrivate(path).trim()
}

function parseKey(text: string, path: string): Uint8Array {
  if (!isHex64(text))
    throw new KeyFileError(
      'key-malformed',
      `${path} does not hold a secret key (64 lowercase hex characters, or ncryptsec1…).`,
    )
  const key = hexToBytes(text)
  try {
    publicKeyOf(key)
  } catch {
    // Without the cause: it might quote the key.
    throw new KeyFileError('key-malformed', `${path} holds a number that is no secp256k1 secret key.`)
  }
  return key
}

function readPrivate(path: string): string {
  let file: number
  try {
    // O_NOFOLLOW: a link could point at a file whose mode says nothing about who can swap the link.
    file = openSync(path, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0))
  } catch (cause) {
    if (isMissing(cause))
      throw new KeyFileError('key-missing', `there is no key at ${path}; create a profile first (posthorn init).`)
    throw new KeyFileError('key-malformed', `${path} cannot be read as a plain file.`, { cause })
  }
  try {
    const stats = fstatSync(file)
    const openFile = exposure(stats)
    if (openFile)
      throw new KeyFileError(
        'key-too-open',
        `${path} ${openFile}; if nobody else has read the key, make it yours alone: chmod 600 ${path}`,
      )
    if (stats.size > 1_024) throw new KeyFileError('key-malformed', `${path} is too large to be a key.`)
    return readFileSync(file, 'utf8')
  } finally {
    closeSync(file)
  }
}

/** Stores a secret key, in clear or as the `ncryptsec1…` given, 0600, durably. A key that is there already, laid by somebody faster, is kept. */
export function writeKeyFile(path: string, key: Uint8Array | string, random: Random): void {
  try {
    const text = typeof key === 'string' ? key : bytesToHex(key)
    writePrivateFile(path, `${text}\n`, randomHex(random, 16), { exclusive: true })
  } catch (error) {
    if (!isTaken(error)) throw error
  }
}
