import { publicKeyOf } from '../../protocol/signature.ts'
import { startAgent } from '../agent.ts'
import { rulesOf } from '../agent-rules.ts'
import type { Agent, Contact, Host, OpenAgentOptions } from '../api.ts'
import { KeyFileError, ProfileError, type StorageError } from '../errors.ts'
import { localSigner } from '../identity/local-signer.ts'
import type { Signer } from '../identity/signer.ts'
import { checkName, DEFAULT_PROFILE } from '../profile-name.ts'
import { checkRelayUrl, DEFAULT_RELAY, discoveryRelays, ownRelays } from '../relay-url.ts'
import { makeSecretKey } from '../secret-key.ts'
import { npubOf } from '../sending/recipient.ts'
import { memoryShelf, sessionOn, tableShelf } from '../shelf.ts'
import { tableStateStore } from '../state/store.ts'
import { browserHost } from './browser-host.ts'
import { openIdbMailStore } from './idb-mail-store.ts'
import { goneError, openIdbTables } from './idb-tables.ts'
import { lockProfile } from './lock.ts'
import { markedKey, markProfile } from './profile-mark.ts'
import { type BrowserProfile, type BrowserProfiles, openProfiles } from './profiles.ts'
import { createProfileStorage, rememberStorage } from './storage.ts'

/**
 * Opens a profile of this origin and runs it, as `openAgent` does for a profile of a machine: key, relays and mail are in IndexedDB,
 * and one tab (or worker) has it at a time. With `host.secretKey` or `host.signer` the key is the page's own and is not kept.
 * Throws HomeInUseError, KeyFileError, ProfileError, UnsupportedHostError.
 */
export async function openAgent(options: OpenAgentOptions = {}): Promise<Agent> {
  if (options.home !== undefined)
    throw new TypeError('there are no folders in a browser; name the profile with `name`.')
  if (options.signer !== undefined)
    throw new TypeError('a browser keeps no remote signer; connect with remoteSigner() and give host.signer.')
  if (options.passphrase !== undefined)
    throw new TypeError('a browser keeps no key files; open one with decryptKey() and give host.secretKey.')
  const {
    secretKey,
    signer: elsewhere,
    store,
    contacts,
    shelf: ownShelf,
    state: ownState,
    session,
    ...given
  } = options.host ?? {}
  const present = options.presence ?? true
  const host: Host = { ...browserHost, ...given }
  const { accept = 'contacts' } = options
  const name = checkName(options.name ?? DEFAULT_PROFILE)
  const brought = elsewhere ?? (secretKey && localSigner(secretKey, host.random))
  if (store) {
    if (!brought) throw new TypeError('host.store is somebody’s mail: give host.secretKey (or host.signer) with it.')
    const relays = ownRelays(options.relays ?? [DEFAULT_RELAY])
    return startAgent({
      ...rulesOf(options),
      ...host,
      name,
      signer: brought,
      store,
      relays,
      accept,
      present,
      contacts: contacts ?? (() => []),
      shelf: ownShelf ?? memoryShelf(),
      openStateStore: () => ownState ?? tableStateStore(),
      session: session ?? 'main',
    })
  }
  const undo: (() => void)[] = [await lockProfile(name, globalThis.navigator?.locks)]
  const close = () => {
    for (const step of undo) step()
  }
  try {
    const storage = createProfileStorage()
    let profilesFault: StorageError | undefined
    const open = () =>
      openProfiles(globalThis.indexedDB, () => {
        profilesFault = goneError(name)
        storage.changed()
      })
    let profiles = await open()
    undo.unshift(() => profiles.close())
    const profile = await findProfile(profiles, name, brought, options, host)
    storage.add({
      fault: () => profilesFault,
      async restore() {
        profiles.close()
        profiles = await open()
        profilesFault = undefined
        await profiles.put(profile)
        markProfile(name, profile.pubkey)
      },
    })
    const relays = ownRelays(options.relays ?? profile.relays)
    const mail = await openIdbMailStore(`posthorn/${name}`, globalThis.indexedDB, storage.changed)
    storage.add(mail)
    undo.unshift(mail.close)
    const tables = await openIdbTables(globalThis.indexedDB, `posthorn/${name}/shelf`, storage.changed)
    storage.add(tables)
    undo.unshift(tables.close)
    const shelf = ownShelf ?? tableShelf(tables.open('shelf'))
    const siblings = contacts ?? (await freshSiblings(() => profiles, host))
    const agent = startAgent({
      ...rulesOf({ ...options, discovery: options.discovery ?? profile.discovery ?? [] }),
      ...host,
      name,
      signer: signerOf(profile, brought, host),
      store: mail,
      relays,
      accept,
      contacts: siblings,
      ...(contacts ? {} : { local: siblings }),
      shelf,
      async openStateStore() {
        if (ownState) return ownState
        const kept = await openIdbTables(globalThis.indexedDB, `posthorn/${name}/state`, storage.changed)
        storage.add(kept)
        undo.unshift(kept.close)
        return tableStateStore(kept.open, { durable: kept.durable, close: kept.close })
      },
      session: session ?? sessionOn(shelf, host.random),
      present,
      rememberRelays: added => rememberRelays(profiles, name, added),
      storage,
      onClosed: close,
    })
    rememberStorage(agent, storage)
    return agent
  } catch (error) {
    close()
    throw error
  }
}

async function findProfile(
  profiles: BrowserProfiles,
  name: string,
  given: Signer | undefined,
  { create, relays = [DEFAULT_RELAY], discovery = [] }: OpenAgentOptions,
  { random }: Host,
): Promise<BrowserProfile> {
  const kept = await profiles.get(name)
  if (kept) {
    markProfile(name, kept.pubkey)
    return kept
  }
  const lost = markedKey(name)
  if (lost !== undefined && lost !== given?.pubkey && create !== 'new')
    throw new ProfileError(
      'profile-lost',
      `profile ${name} (${npubOf(lost)}) was kept here, and its storage is gone: cleared, or removed by the browser. Give its key (host.secretKey or host.signer) to go on as it, or create: 'new' to begin with another key.`,
    )
  if (create === false) throw new ProfileError('profile-missing', `there is no profile ${name} at this site.`)
  const urls = relays.map(checkRelayUrl)
  const made = given ? { name, pubkey: given.pubkey, relays: urls } : withKey(name, urls, makeSecretKey(random))
  const profile = { ...made, discovery: discoveryRelays(discovery) }
  await profiles.put(profile)
  markProfile(name, profile.pubkey)
  return profile
}

async function rememberRelays(profiles: BrowserProfiles, name: string, added: readonly string[]): Promise<void> {
  const kept = await profiles.get(name)
  if (kept) await profiles.put({ ...kept, relays: ownRelays([...kept.relays, ...added]) })
}

const withKey = (name: string, relays: readonly string[], secretKey: Uint8Array): BrowserProfile => ({
  name,
  pubkey: publicKeyOf(secretKey),
  relays,
  secretKey,
})

function signerOf(profile: BrowserProfile, given: Signer | undefined, { random }: Host): Signer {
  const signer = given ?? (profile.secretKey && localSigner(profile.secretKey, random))
  if (!signer)
    throw new KeyFileError('key-missing', `the key of profile ${profile.name} is not kept here; give host.secretKey.`)
  if (signer.pubkey !== profile.pubkey)
    throw new KeyFileError(
      'key-malformed',
      `that is not the key of profile ${profile.name}; give the right one, or another name.`,
    )
  return signer
}

/** How long what is known of the other profiles is good. */
const SIBLINGS_FRESH_MS = 2_000

/** Contacts of one origin: its profiles. Looked up again behind the caller's back, for the next one who asks. */
async function freshSiblings(profiles: () => BrowserProfiles, { clock }: Host): Promise<() => readonly Contact[]> {
  const read = async () =>
    (await profiles().list()).map(({ name, pubkey, relays }): Contact => ({ name, pubkey, relays }))
  let siblings = await read()
  let readAt = clock.monotonic()
  return () => {
    if (clock.monotonic() - readAt < SIBLINGS_FRESH_MS) return siblings
    readAt = clock.monotonic()
    read().then(
      found => {
        siblings = found
      },
      // The database is closed: so is the agent.
      () => {},
    )
    return siblings
  }
}
