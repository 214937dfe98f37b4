import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { type Random, randomHex } from '../../platform/random.ts'
import { bytesToHex, hexToBytes, isHex64 } from '../../protocol/hex.ts'
import { publicKeyOf } from '../../protocol/signature.ts'
import { KeyFileError } from '../errors.ts'
import { exposure, isMissing, isTaken, statOrUndefined, writePrivateFile } from './files.ts'

/**
 * Reads a secret key (64 hex and a newline). Refuses, as ssh does, a file or folder that others can read or change:
 * the key must then be considered known to them. Throws {@link KeyFileError}.
 */
export function readKeyFile(path: string): Uint8Array {
  const folder = statOrUndefined(dirname(path))
  const openFolder = folder && exposure(folder)
  if (openFolder)
    throw new KeyFileError(
      'key-too-open',
      `${dirname(path)} ${openFolder}; if nobody else has read the key, make it yours alone: chmod 700 ${dirname(path)}`,
    )
  const text = readPrivate(path).trim()
  if (!isHex64(text))
    throw new KeyFileError('key-malformed', `${path} does not hold a secret key (64 lowercase hex characters).`)
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

/** Stores a secret key, 0600, durably. A key that is there already, laid by somebody faster, is kept. */
export function writeKeyFile(path: string, key: Uint8Array, random: Random): void {
  try {
    writePrivateFile(path, `${bytesToHex(key)}\n`, randomHex(random, 16), { exclusive: true })
  } catch (error) {
    if (!isTaken(error)) throw error
  }
}
