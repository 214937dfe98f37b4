import { systemRandom } from '../../platform/random.ts'
import { homeFiles } from '../../sdk/home/paths.ts'
import {
  createEncryptedProfile,
  createProfile,
  encryptKeyFile,
  isKeyFileEncrypted,
  type Profile,
  ProfileError,
  readProfile,
  setProfileRelays,
} from '../../sdk/index.ts'
import type { Command, Context } from '../context.ts'
import { EXIT } from '../exit-codes.ts'
import { newPassphrase } from '../passphrase.ts'
import { chosenHome, givenRelays } from '../profile.ts'
import { profileFields, profileText } from '../profile-text.ts'

/** `posthorn init`: makes a profile, or changes the relays of one. The key of an existing profile stays the same, and is put under a passphrase if that is asked for. */
export const init: Command<'init'> = async context => {
  const { options, out, env } = context
  const home = chosenHome(options, env)
  const relays = givenRelays(options.relay)
  const before = existing(home)
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
  const who = options.home !== undefined ? ` --home ${home}` : options.as !== undefined ? ` --as ${options.as}` : ''
  if (before === undefined) {
    out.say(
      `made profile ${profile.name}; its secret key stays in ${home} ${options.encrypt ? 'under your passphrase; without that it is lost' : 'and is readable by you alone'}`,
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
  const { encrypt, as: name } = context.options
  if (!encrypt) return createProfile({ home, name, relays })
  return createEncryptedProfile({ home, name, relays, passphrase: await newPassphrase(context) })
}

const keep = (profile: Profile, relays: readonly string[] | undefined): Profile =>
  relays === undefined || sameRelays(relays, profile.relays) ? profile : setProfileRelays(profile.home, relays)

const sameRelays = (one: readonly string[], two: readonly string[]): boolean => one.join() === two.join()
