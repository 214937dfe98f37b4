import { hmacSha256 } from '../platform/hmac-node.ts'
import { acquireLock, LockedError } from '../platform/lock.ts'
import { onDemand } from '../platform/on-demand.ts'
import { createLocalSign } from '../platform/sign-local.ts'
import type { Dial } from '../platform/socket.ts'
import type { Cancel } from '../platform/timers.ts'
import { startAgent } from './agent.ts'
import { rulesOf } from './agent-rules.ts'
import type { Agent, Host, OpenAgentOptions } from './api.ts'
import { HomeInUseError, KeyFileError, ProfileError } from './errors.ts'
import { fileShelf } from './home/file-shelf.ts'
import { exposure, lstatOrUndefined, statOrUndefined } from './home/files.ts'
import { openHomeSigner } from './home/home-signer.ts'
import { DEFAULT_PROFILE, hasRun, homeFiles, profileHome } from './home/paths.ts'
import {
  addProfileRelays,
  createEncryptedProfile,
  createProfile,
  createRemoteProfile,
  DEFAULT_RELAY,
  keepRelaysInUse,
  type Profile,
  readProfile,
} from './home/profile.ts'
import { createSiblings } from './home/siblings.ts'
import { watchSpool } from './home/spool.ts'
import { openSqliteMailStore } from './home/sqlite-mail-store.ts'
import { openSqliteStateStore } from './home/sqlite-state-store.ts'
import { localSigner } from './identity/local-signer.ts'
import { nodeHost } from './node-host.ts'
import { createObeying } from './obeying.ts'
import { ownRelays } from './relay-url.ts'
import { createRemoteSigner } from './remote-signer/index.ts'
import { memoryShelf, sessionOn } from './shelf.ts'
import { tableStateStore } from './state/store.ts'
import { hostTelemetry } from './telemetry/host-telemetry.ts'

// biome-ignore lint/style/noRestrictedImports: a home's orders come from its own folder, and who gives none about documents loads no Yjs.
const loadDocuments = onDemand(() => import('./doc/index.ts'))

/** Of all agents of this process: what it loads is loaded once. */
const sign = createLocalSign()

/**
 * Opens a profile of this machine and runs it: connects, receives, sends what is queued. Resolves before the connection
 * stands; `sync()` waits for that. Throws HomeInUseError, KeyFileError, ProfileError.
 */
export async function openAgent(options: OpenAgentOptions = {}): Promise<Agent> {
  const {
    secretKey: _key,
    signer: _signer,
    store: _store,
    contacts: _contacts,
    shelf: _shelf,
    state: _state,
    session: _session,
    ...given
  } = options.host ?? {}
  const plain: Host = { ...nodeHost, telemetry: given.telemetry ?? (await hostTelemetry()), ...given }
  const host = options.deflate === true ? { ...plain, dial: deflating(plain.dial) } : plain
  const { secretKey, store } = options.host ?? {}
  const signer = options.host?.signer ?? (secretKey && localSigner(secretKey, host.random, sign, hmacSha256))
  if (signer && store)
    return startAgent({
      ...rulesOf(options),
      ...host,
      name: options.name ?? DEFAULT_PROFILE,
      signer,
      store,
      relays: ownRelays(options.relays ?? [DEFAULT_RELAY]),
      accept: options.accept ?? 'contacts',
      contacts: options.host?.contacts ?? (() => []),
      shelf: options.host?.shelf ?? memoryShelf(),
      openStateStore: () => options.host?.state ?? tableStateStore(),
      session: options.host?.session ?? 'main',
      present: options.presence ?? true,
    })
  if (signer || store)
    throw new TypeError('host.store and host.secretKey (or host.signer) belong together: give both or neither.')
  return openHome(options, host)
}

const deflating =
  (dial: Dial): Dial =>
  (url, events, how) =>
    dial(url, events, { ...how, deflate: true })

async function openHome(options: OpenAgentOptions, host: Host): Promise<Agent> {
  const home = profileHome({ as: options.name, home: options.home })
  const profile = await findProfile(home, options, host)
  const relays = ownRelays(options.relays ?? profile.relays)
  const files = homeFiles(home)
  // Before the key: nobody is asked for a passphrase in vain.
  const release = lockHome(home)
  const undo: Cancel[] = [release]
  const siblings = createSiblings(home, host.clock)
  try {
    // A verb comes and goes, and reads its mail at the profile's relays the next time.
    if (options.presence ?? true)
      keepRelaysInUse(
        home,
        relays.filter(url => !profile.relays.includes(url)),
        host.random,
      )
    const signer = await openHomeSigner(profile, { ...options, host, sign })
    undo.unshift(() => void signer.close?.())
    const store = openSqliteMailStore(files.mail, { wasComplete: hasRun(home) })
    const shelf = options.host?.shelf ?? fileShelf(home, host.random)
    undo.unshift(() => store.close())
    const agent = startAgent({
      ...rulesOf({ ...options, discovery: options.discovery ?? profile.discovery ?? [] }),
      ...host,
      name: profile.name,
      signer,
      store,
      relays,
      accept: options.accept ?? 'contacts',
      contacts: options.host?.contacts ?? siblings,
      local: siblings,
      shelf,
      openStateStore() {
        if (options.host?.state) return options.host.state
        const state = openSqliteStateStore(files.state)
        undo.unshift(() => state.close())
        return state
      },
      session: options.host?.session ?? sessionOn(shelf, host.random),
      present: options.presence ?? true,
      obeying: createObeying,
      aboutDocument: order => void loadDocuments().then(({ obeyOrder }) => obeyOrder(agent, order)),
      rememberRelays: added => addProfileRelays(home, added),
      onClosed: () => {
        for (const step of undo) step()
      },
    })
    const { obeying } = agent
    const stopSpool =
      obeying &&
      watchSpool(home, signer.pubkey, host.timers, {
        onMail: obeying.adopt,
        onTell: obeying.tell,
        onRead: id => store.markRead(id),
        // Gone, or the agent is closing: there is nobody left to tell.
        onMark: (id, mark, reason) => void agent.mark(id, mark, reason).catch(() => {}),
        onOrder: obeying.obey,
      })
    if (stopSpool) undo.unshift(stopSpool)
    return agent
  } catch (error) {
    for (const step of undo) step()
    throw error
  }
}

async function findProfile(home: string, options: OpenAgentOptions, host: Host): Promise<Profile> {
  const stats = statOrUndefined(home)
  const exposed = stats && exposure(stats)
  if (exposed)
    throw new KeyFileError('key-too-open', `${home} ${exposed}; if nobody else has read the key: chmod 700 ${home}`)
  if (options.create !== false && !lstatOrUndefined(homeFiles(home).profile)) {
    const fresh = {
      home,
      name: options.name,
      relays: options.relays,
      discovery: options.discovery,
      random: host.random,
    }
    const { signer } = options
    if (signer)
      return createRemoteProfile({
        ...fresh,
        passphrase: await options.passphrase?.(),
        connect: clientKey => createRemoteSigner(host)({ ...signer, clientKey }),
      })
    return options.passphrase
      ? createEncryptedProfile({ ...fresh, passphrase: await options.passphrase() })
      : createProfile(fresh)
  }
  const profile = readProfile(home)
  if (options.signer && !profile.signer)
    throw new ProfileError('profile-exists', `profile ${profile.name} has a key of its own; choose another name.`)
  return profile
}

function lockHome(home: string): () => void {
  try {
    return acquireLock(home)
  } catch (error) {
    if (error instanceof LockedError) throw new HomeInUseError(home, error.pid, { cause: error })
    throw error
  }
}
