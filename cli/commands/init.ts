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
  setProfileRelays,
} from '../../sdk/index.ts'
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
  const before = existing(home)
  if (before && !before.signer && (options.signer || options.nostrconnect))
    throw new UsageError(`the profile ${before.name} has a key of its own; choose another name (--as) or folder`)
  const profile = before === undefined ? await create(context, home, relays) : keep(before, relays)
  const keyFile = homeFiles(home).key
  const encrypts = before !== undefined && options.encrypt && !isKeyFileEncrypted(keyFile)
  if (encrypts) await encryptKeyFile(keyFile, await newPassphrase(context), systemRandom)
  const relaysChanged = before !== undefined && !sameRelays(before.relays, profile.relays)
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
    out.say(
      relaysChanged
        ? `the profile was there already; its ${profile.relays.length === 1 ? 'relay is' : 'relays are'} changed`
        : `the profile was there already; ${encrypts ? 'nothing else' : 'nothing'} changed`,
    )
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

async function create(context: Context<'init'>, home: string, relays: readonly string[] | undefined): Promise<Profile> {
  const { encrypt, as: name, signer, nostrconnect } = context.options
  if (signer && nostrconnect) throw new UsageError('--signer and --nostrconnect are two ways to the same; choose one')
  const passphrase = encrypt ? await newPassphrase(context) : undefined
  if (signer || nostrconnect) {
    const connect = await connectingOf(context, name ?? nameOfFolder(home), relays)
    return createRemoteProfile({ home, name, relays, passphrase, connect })
  }
  return passphrase === undefined
    ? createProfile({ home, name, relays })
    : createEncryptedProfile({ home, name, relays, passphrase })
}

const keep = (profile: Profile, relays: readonly string[] | undefined): Profile =>
  relays === undefined || sameRelays(relays, profile.relays) ? profile : setProfileRelays(profile.home, relays)

const sameRelays = (one: readonly string[], two: readonly string[]): boolean => one.join() === two.join()
