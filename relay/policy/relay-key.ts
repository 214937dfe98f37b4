import {
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { type Random, randomHex } from '../../platform/random.ts'
import type { EventTemplate, NostrEvent } from '../../protocol/event.ts'
import { bytesToHex, hexToBytes, isHex64 } from '../../protocol/hex.ts'
import { publicKeyOf, signEvent } from '../../protocol/signature.ts'
import { RELAY_KEY_FILE } from '../log/sqlite/store.ts'

/** The relay's own key cannot be used. The message says what to do; the key itself is never in it. */
export class RelayKeyError extends Error {
  override readonly name = 'RelayKeyError'
  readonly code: 'relay-key-exposed' | 'relay-key-malformed'
  constructor(code: RelayKeyError['code'], message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/** The relay as an author: the `self` of NIP-11. */
export interface RelayKey {
  readonly pubkey: string
  sign(template: EventTemplate): NostrEvent
}

/** 64 hex and a newline. */
const MAX_BYTES = 65

/** The key of the relay in this folder, made and stored (0600, synced) at its first start; without a folder it ends with the process. */
export async function openRelayKey(folder: string | undefined, random: Random): Promise<RelayKey> {
  if (folder === undefined) return asKey(makeSecret(random), random)
  const path = join(folder, RELAY_KEY_FILE)
  const known = read(path)
  if (known !== undefined) return asKey(known, random)
  const secret = makeSecret(random)
  write(folder, path, `${bytesToHex(secret)}\n`, randomHex(random, 16))
  return asKey(secret, random)
}

const asKey = (secret: Uint8Array, random: Random): RelayKey => ({
  pubkey: publicKeyOf(secret),
  sign: template => signEvent(template, secret, random.bytes(32)),
})

function makeSecret(random: Random): Uint8Array {
  for (;;) {
    const secret = random.bytes(32)
    if (isSecret(secret)) return secret
  }
}

/** Inside the curve's range; about one number in 2^128 is not. */
function isSecret(bytes: Uint8Array): boolean {
  try {
    publicKeyOf(bytes)
    return true
  } catch {
    return false
  }
}

// Synchronous, as everything here that must be on the disk before the relay listens: file handles of `fs.promises` have no
// `sync` under Yarn's Plug'n'Play.
function read(path: string): Uint8Array | undefined {
  let file: number
  try {
    // A link could point at a file whose mode says nothing about who can swap the link.
    file = openSync(path, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0))
  } catch (cause) {
    if ((cause as { code?: unknown } | null)?.code === 'ENOENT') return undefined
    throw new RelayKeyError('relay-key-malformed', `${path} cannot be read as a plain file.`, { cause })
  }
  try {
    const { mode, size } = fstatSync(file)
    if (process.platform !== 'win32' && (mode & 0o077) !== 0)
      throw new RelayKeyError(
        'relay-key-exposed',
        `${path} can be read by others; if nobody has, make it yours alone: chmod 600 ${path}`,
      )
    const text = size > MAX_BYTES ? '' : readFileSync(file, 'utf8').trim()
    const secret = isHex64(text) ? hexToBytes(text) : undefined
    if (secret === undefined || !isSecret(secret))
      throw new RelayKeyError(
        'relay-key-malformed',
        `${path} does not hold a secret key (64 lowercase hex characters).`,
      )
    return secret
  } finally {
    closeSync(file)
  }
}

/** A crash leaves the whole key or none: written aside, synced, put in place, and the folder synced. */
function write(folder: string, path: string, text: string, suffix: string): void {
  const aside = `${path}.${suffix}`
  const file = openSync(aside, 'wx', 0o600)
  try {
    try {
      writeFileSync(file, text)
      // The process's umask may have taken bits away, never added any; ours are exact.
      fchmodSync(file, 0o600)
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
    renameSync(aside, path)
  } catch (error) {
    try {
      unlinkSync(aside)
    } catch {}
    throw error
  }
  syncFolder(folder)
}

function syncFolder(folder: string): void {
  // Windows opens no folders, and needs no sync for a rename.
  if (process.platform === 'win32') return
  const handle = openSync(folder, 'r')
  try {
    fsyncSync(handle)
  } finally {
    closeSync(handle)
  }
}
