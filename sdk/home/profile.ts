import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { type Random, randomHex, systemRandom } from '../../platform/random.ts'
import { nodeScrypt } from '../../platform/scrypt-node.ts'
import { codeOf } from '../../platform/sqlite.ts'
import { isHex64 } from '../../protocol/hex.ts'
import { isRecord, own, parseJson } from '../../protocol/json.ts'
import { publicKeyOf } from '../../protocol/signature.ts'
import type { Contact } from '../api.ts'
import { ProfileError } from '../errors.ts'
import { encryptKey } from '../identity/nip49.ts'
import { checkRelayUrl, DEFAULT_RELAY, discoveryRelays, MAX_RELAYS, ownRelays } from '../relay-url.ts'
import type { SignerAddress } from '../remote-signer/bunker-url.ts'
import type { RemoteSigner } from '../remote-signer/index.ts'
import { makeSecretKey } from '../secret-key.ts'
import { exposure, isMissing, lstatOrUndefined, makePrivateFolder, writePrivateFile } from './files.ts'
import { encryptKeyFile, holdsKeyText, isKeyFileEncrypted, openKeyFile, readKeyFile, writeKeyFile } from './key-file.ts'
import { checkName, homeFiles, nameOfFolder } from './paths.ts'

export { checkRelayUrl, DEFAULT_RELAY }

/** What others may know of a home. */
export interface Profile {
  readonly home: string
  readonly name: string
  /** 64 hex. */
  readonly pubkey: string
  readonly relays: readonly string[]
  /** Relays where others are looked for; absent if there are none. */
  readonly discovery?: readonly string[]
  /** Where the key is, if it is elsewhere (NIP-46); the key in the home is then the one that this signer knows us by. */
  readonly signer?: SignerAddress
}

export interface CreateProfileOptions {
  readonly home: string
  /** Default: the folder's name. */
  readonly name?: string | undefined
  /** Default: {@link DEFAULT_RELAY}. */
  readonly relays?: readonly string[] | undefined
  /** Where others are looked for; at most four, none by default. */
  readonly discovery?: readonly string[] | undefined
  /** Import a key instead of making one: 32 bytes. */
  readonly secretKey?: Uint8Array
  readonly random?: Random
}

/** Makes key and profile. A key that is already there is kept (an earlier start may have died half-way); a finished profile is refused. */
export function createProfile(options: CreateProfileOptions): Profile {
  const { random = systemRandom } = options
  const { key } = begin(options)
  writeKeyFile(key, options.secretKey ?? makeSecretKey(random), random)
  return finish(options, ownKey(options, readKeyFile(key)))
}

export interface CreateEncryptedProfileOptions extends CreateProfileOptions {
  readonly passphrase: string
  /** Cost of opening it, log2 of scrypt's N; default 16: 64 MiB. */
  readonly logN?: number | undefined
}

/** The same with the key encrypted by a passphrase (NIP-49): it never lies on the disk in clear. */
export async function createEncryptedProfile(options: CreateEncryptedProfileOptions): Promise<Profile> {
  begin(options)
  return finish(options, ownKey(options, await layEncryptedKey(options)))
}

export interface CreateRemoteProfileOptions extends Omit<CreateProfileOptions, 'secretKey'> {
  /** Encrypts the client's key, as for a profile with a key of its own. */
  readonly passphrase?: string | undefined
  /** Connects to the signer with the key that the home keeps for it. */
  connect(clientKey: Uint8Array): Promise<RemoteSigner>
}

/**
 * A profile whose key stays with a remote signer (NIP-46). The home keeps the key that the signer knows it by, as safely as one of
 * its own: whoever has it may sign as long as the signer lets it. Rejects with SignerError; then another try goes on with that key.
 */
export async function createRemoteProfile(options: CreateRemoteProfileOptions): Promise<Profile> {
  const { random = systemRandom, passphrase } = options
  const { key } = begin(options)
  if (passphrase === undefined) writeKeyFile(key, makeSecretKey(random), random)
  const clientKey = passphrase === undefined ? readKeyFile(key) : await layEncryptedKey({ ...options, passphrase })
  const signer = await options.connect(clientKey)
  await signer.close?.()
  return finish(options, signer.pubkey, signer.at)
}

/** The key that is there then, which may be one that an earlier start left behind. */
async function layEncryptedKey(options: CreateEncryptedProfileOptions): Promise<Uint8Array> {
  const { random = systemRandom, passphrase, logN } = options
  const { key } = homeFiles(options.home)
  const secretKey = options.secretKey ?? makeSecretKey(random)
  const security = options.secretKey ? 2 : 1
  const cost = logN === undefined ? {} : { logN }
  const text = await encryptKey(secretKey, passphrase, { security, random, scrypt: nodeScrypt, ...cost })
  writeKeyFile(key, text, random)
  if (holdsKeyText(key, text)) return secretKey
  // One that an earlier start left behind was kept.
  if (!isKeyFileEncrypted(key)) await encryptKeyFile(key, passphrase, random)
  return openKeyFile(key, { passphrase: () => passphrase })
}

function begin({ home, name, relays, discovery = [] }: CreateProfileOptions): ReturnType<typeof homeFiles> {
  const files = homeFiles(home)
  checkName(name ?? nameOfFolder(home))
  relays?.map(checkRelayUrl)
  discoveryRelays(discovery)
  if (lstatOrUndefined(files.profile))
    throw new ProfileError('profile-exists', `there is already a profile at ${home}; use it, or choose another name.`)
  makePrivateFolder(home)
  return files
}

/** The public key of what lies in the home, which may not be what was to be imported. */
function ownKey({ home, secretKey }: CreateProfileOptions, key: Uint8Array): string {
  const pubkey = publicKeyOf(key)
  if (secretKey && publicKeyOf(secretKey) !== pubkey)
    throw new ProfileError('profile-exists', `${homeFiles(home).key} holds another key already; move it away first.`)
  return pubkey
}

function finish(
  { home, name, relays, discovery = [], random }: Omit<CreateProfileOptions, 'secretKey'>,
  pubkey: string,
  signer?: SignerAddress,
): Profile {
  makePrivateFolder(homeFiles(home).spool)
  const urls = (relays ?? [DEFAULT_RELAY]).map(checkRelayUrl)
  const profile = { home, name: checkName(name ?? nameOfFolder(home)), pubkey, relays: urls, discovery }
  return writeProfile(signer ? { ...profile, signer } : profile, random)
}

/** Replaces profile.json atomically. */
export function writeProfile(profile: Profile, random: Random = systemRandom): Profile {
  const { home, name, pubkey, relays, signer } = profile
  const found = discoveryRelays(profile.discovery ?? [])
  const discovery = found.length > 0 ? found : undefined
  const text = `${JSON.stringify({ v: 1, name, pubkey, relays, discovery, signer }, null, 2)}\n`
  writePrivateFile(homeFiles(home).profile, text, randomHex(random, 16))
  return frozen({ home, name, pubkey, relays, ...(discovery ? { discovery } : {}), ...(signer ? { signer } : {}) })
}

/** Remembers where others are looked for; nowhere if that is empty. */
export const setProfileDiscovery = (home: string, discovery: readonly string[]): Profile =>
  writeProfile({ ...readProfile(home), discovery })

/** Remembers other relays for an existing profile. */
export const setProfileRelays = (home: string, relays: readonly string[]): Profile =>
  writeProfile({ ...readProfile(home), relays: relays.map(checkRelayUrl) })

/** Remembers more relays for an existing profile. */
export function addProfileRelays(home: string, added: readonly string[]): Profile {
  const profile = readProfile(home)
  return writeProfile({ ...profile, relays: ownRelays([...profile.relays, ...added]) })
}

/** Reads profile.json; the key is not touched. Throws {@link ProfileError}. */
export function readProfile(home: string): Profile {
  const path = homeFiles(home).profile
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (cause) {
    if (!isMissing(cause))
      throw new ProfileError('profile-malformed', `${path} cannot be read: ${reasonOf(cause)}.`, { cause })
    throw new ProfileError('profile-missing', `there is no profile at ${home}; create one first (posthorn init).`)
  }
  const json = parseJson(text)
  const record = json.ok && isRecord(json.value) ? json.value : {}
  const [v, name, pubkey, relays, discovery, signer] = ['v', 'name', 'pubkey', 'relays', 'discovery', 'signer'].map(
    field => own(record, field),
  )
  // Without its signer a profile would be taken for one whose key is in the home.
  const isSound = (signer === undefined || isAddress(signer)) && (discovery === undefined || isRelayList(discovery))
  if (v !== 1 || typeof name !== 'string' || !isHex64(pubkey) || !isRelayList(relays) || !isSound)
    throw new ProfileError('profile-malformed', `${path} is not a profile of this version; repair or remove it.`)
  return frozen({
    home,
    name: checkName(name),
    pubkey,
    relays,
    ...(isRelayList(discovery) ? { discovery } : {}),
    ...(signer ? { signer } : {}),
  })
}

const REASONS: Readonly<Record<string, string>> = {
  ENOTDIR: 'a part of its path is a file where a folder has to be',
  EISDIR: 'a folder is in its place',
  EACCES: 'this user may not',
  EPERM: 'this user may not',
}
const reasonOf = (error: unknown): string => {
  const code = codeOf(error)
  return own(REASONS, code) ?? code
}

const frozen = (profile: Profile): Profile => Object.freeze({ ...profile, relays: Object.freeze([...profile.relays]) })

const isAddress = (value: unknown): value is SignerAddress =>
  isRecord(value) && isHex64(own(value, 'pubkey')) && isRelayList(own(value, 'relays'))

const isRelayList = (value: unknown): value is string[] =>
  Array.isArray(value) && value.every(url => typeof url === 'string')

/** Every readable profile that lies directly in `root`, is the user's own and closed to others; by name. */
export function listProfiles(root: string): Profile[] {
  let names: string[]
  try {
    names = readdirSync(root)
  } catch {
    return []
  }
  const profiles: Profile[] = []
  for (const entry of names.sort()) {
    const home = join(root, entry)
    try {
      const stats = lstatOrUndefined(home)
      if (stats?.isDirectory() && exposure(stats) === undefined) profiles.push(readProfile(home))
    } catch {
      // Not a profile, or a damaged one: it is nobody's contact until it is repaired.
    }
  }
  return profiles
}

/** Contacts of one machine: the profiles beside this home, with the relays that they read. Of copies the one that lies where its name says. */
export function siblingContacts(home: string): Contact[] {
  const byKey = new Map<string, Profile>()
  for (const profile of listProfiles(dirname(home)))
    if (!byKey.has(profile.pubkey) || basename(profile.home) === profile.name) byKey.set(profile.pubkey, profile)
  return [...byKey.values()].map(({ home: theirs, name, pubkey, relays }) => ({
    name,
    pubkey,
    relays: [...new Set([...relays, ...readRelaysInUse(theirs)])],
  }))
}

/** What an agent runs on beside the relays of its profile, so that others of this machine find it there. Empty: nothing else. */
export function keepRelaysInUse(home: string, relays: readonly string[], random: Random = systemRandom): void {
  const path = homeFiles(home).relaysInUse
  if (relays.length > 0) writePrivateFile(path, JSON.stringify({ v: 1, relays }), randomHex(random, 16))
  else if (lstatOrUndefined(path)) rmSync(path, { force: true })
}

function readRelaysInUse(home: string): readonly string[] {
  const path = homeFiles(home).relaysInUse
  if (!lstatOrUndefined(path)?.isFile()) return []
  const json = parseJson(readFileSync(path, 'utf8'))
  const relays = json.ok && isRecord(json.value) ? own(json.value, 'relays') : undefined
  return isRelayList(relays) ? relays.slice(0, MAX_RELAYS) : []
}
