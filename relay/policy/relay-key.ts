import { constants } from 'node:fs'
import { chmod, type FileHandle, open, rename, unlink } from 'node:fs/promises'
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
  const known = await read(path)
  if (known !== undefined) return asKey(known, random)
  const secret = makeSecret(random)
  await write(folder, path, `${bytesToHex(secret)}\n`, randomHex(random, 16))
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

async function read(path: string): Promise<Uint8Array | undefined> {
  let file: FileHandle
  try {
    // A link could point at a file whose mode says nothing about who can swap the link.
    file = await open(path, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0))
  } catch (cause) {
    if ((cause as { code?: unknown } | null)?.code === 'ENOENT') return undefined
    throw new RelayKeyError('relay-key-malformed', `${path} cannot be read as a plain file.`, { cause })
  }
  try {
    const { mode, size } = await file.stat()
    if (process.platform !== 'win32' && (mode & 0o077) !== 0)
      throw new RelayKeyError(
        'relay-key-exposed',
        `${path} can be read by others; if nobody has, make it yours alone: chmod 600 ${path}`,
      )
    const text = size > MAX_BYTES ? '' : (await file.readFile('utf8')).trim()
    const secret = isHex64(text) ? hexToBytes(text) : undefined
    if (secret === undefined || !isSecret(secret))
      throw new RelayKeyError(
        'relay-key-malformed',
        `${path} does not hold a secret key (64 lowercase hex characters).`,
      )
    return secret
  } finally {
    await file.close()
  }
}

/** A crash leaves the whole key or none: written aside, synced, put in place, and the folder synced. */
async function write(folder: string, path: string, text: string, suffix: string): Promise<void> {
  const aside = `${path}.${suffix}`
  const file = await open(aside, 'wx', 0o600)
  try {
    await file.writeFile(text)
    // The process's umask may have taken bits away, never added any; ours are exact.
    await chmod(aside, 0o600)
    await file.sync()
    await file.close()
    await rename(aside, path)
  } catch (error) {
    await file.close().catch(() => {})
    await unlink(aside).catch(() => {})
    throw error
  }
  await syncFolder(folder)
}

async function syncFolder(folder: string): Promise<void> {
  // Windows opens no folders, and needs no sync for a rename.
  if (process.platform === 'win32') return
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
