import { systemRandom } from '../../platform/random.ts'
import { homeFiles, nameOfFolder } from '../../sdk/home/paths.ts'
import {
  createEncryptedProfile,
  createProfile,
  createRemoteProfile,
  encryptKeyFile,
  isKeyFileEncrypted,
  type Profile,
  ProfileError,
  readProfile,
  setProfileDiscovery,
  setProfileRelays,
} from '../../sdk/index.ts'
import { discoveryRelays, MAX_DISCOVERY } from '../../sdk/relay-url.ts'
import type { Command, Context } from '../context.ts'
import { UsageError } from '../errors.ts'
import { EXIT } from '../exit-codes.ts'
import { newPassphrase } from '../passphrase.ts'
import { chosenHome, givenRelays, profileFlags } from '../profile.ts'
import { profileFields, profileText } from '../profile-text.ts'
import { connectingOf } from '../remote-signer.ts'

/** `posthorn init`: makes a profile, or changes the relays of one. The key of an existing profile stays the same, and is put under a passphrase if that is asked for. */
export const init: Command<'init'> = async context => {
  const { options, out, env } = context
  const home = chosenHome(options, env)
  const relays = givenRelays(options.relay)
  const discovery = givenDiscovery(options.discovery)
  const before = existing(home)
  if (before && !before.signer && (options.signer || options.nostrconnect))
    throw new UsageError(`the profile ${before.name} has a key of its own; choose another name (--as) or folder`)
  const profile =
    before === undefined ? await create(context, home, relays, discovery) : keep(before, relays, discovery)
  const keyFile = homeFiles(home).key
  const encrypts = before !== undefined && options.encrypt && !isKeyFileEncrypted(keyFile)
  if (encrypts) await encryptKeyFile(keyFile, await newPassphrase(context), systemRandom)
  const relaysChanged = before !== undefined && !sameRelays(before.relays, profile.relays)
  const discoveryChanged = before !== undefined && !sameRelays(before.discovery ?? [], profile.discovery ?? [])
  out.result(profileText(profile, out.paint), {
    created: before === undefined,
    ...profileFields(profile),
    ...(options.encrypt ? { encrypted: true } : {}),
  })
  const who = profileFlags(options)
  if (before === undefined) {
    out.say(
      `made profile ${profile.name}; ${profile.signer ? 'its key stays with the signer, and what the signer knows it by' : 'its secret key'} stays in ${home} ${options.encrypt ? 'under your passphrase; without that it is lost' : 'and is readable by you alone'}`,
    )
    out.say(`next: posthorn send${who} ${profile.name} "note to self", then posthorn inbox${who}`)
  } else {
    if (encrypts)
      out.say(
        'the key is encrypted now; backups and snapshots made before, and freed blocks of the disk, may hold it in clear',
      )
    const changed = [
      ...(relaysChanged ? [profile.relays.length === 1 ? 'its relay is changed' : 'its relays are changed'] : []),
      ...(discoveryChanged ? ['where others are looked for is changed'] : []),
    ]
    const nothing = encrypts ? 'nothing else changed' : 'nothing changed'
    out.say(`the profile was there already; ${changed.length > 0 ? changed.join('; ') : nothing}`)
    if (relaysChanged || discoveryChanged)
      out.say('an agent of this profile that runs already uses it from its next start on')
  }
  return EXIT.ok
}

function existing(home: string): Profile | undefined {
  try {
    return readProfile(home)
  } catch (error) {
    if (error instanceof ProfileError && error.code === 'profile-missing') return undefined
    throw error
  }
}

async function create(
  context: Context<'init'>,
  home: string,
  relays: readonly string[] | undefined,
  discovery: readonly string[] | undefined,
): Promise<Profile> {
  const { encrypt, as: name, signer, nostrconnect } = context.options
  if (signer && nostrconnect) throw new UsageError('--signer and --nostrconnect are two ways to the same; choose one')
  const passphrase = encrypt ? await newPassphrase(context) : undefined
  if (signer || nostrconnect) {
    const connect = await connectingOf(context, name ?? nameOfFolder(home), relays)
    return createRemoteProfile({ home, name, relays, discovery, passphrase, connect })
  }
  return passphrase === undefined
    ? createProfile({ home, name, relays, discovery })
    : createEncryptedProfile({ home, name, relays, discovery, passphrase })
}

function keep(
  profile: Profile,
  relays: readonly string[] | undefined,
  discovery: readonly string[] | undefined,
): Profile {
  // Before anything is written.
  if (discovery !== undefined) discoveryRelays(discovery)
  const moved =
    relays === undefined || sameRelays(relays, profile.relays) ? profile : setProfileRelays(profile.home, relays)
  return discovery === undefined || sameRelays(discovery, moved.discovery ?? [])
    ? moved
    : setProfileDiscovery(moved.home, discovery)
}

/** Undefined: nothing was said. `none`: nowhere. */
function givenDiscovery(texts: readonly string[]): readonly string[] | undefined {
  const isNone = texts.some(text => text.trim() === 'none')
  if (isNone && texts.length > 1) throw new UsageError('--discovery none goes with no other --discovery')
  const given = isNone ? [] : givenRelays(texts)
  if (given !== undefined && given.length > MAX_DISCOVERY)
    throw new UsageError(`at most ${MAX_DISCOVERY} relays for --discovery, not ${given.length}`)
  return given
}

const sameRelays = (one: readonly string[], two: readonly string[]): boolean => one.join() === two.join()
