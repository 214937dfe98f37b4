import { createProfile, type Profile, ProfileError, readProfile, setProfileRelays } from '../../sdk/index.ts'
import type { Command } from '../context.ts'
import { EXIT } from '../exit-codes.ts'
import { chosenHome, givenRelays } from '../profile.ts'
import { profileFields, profileText } from '../profile-text.ts'

/** `posthorn init`: makes a profile, or changes the relays of one. The key of an existing profile is never touched. */
export const init: Command<'init'> = async ({ options, out, env }) => {
  const home = chosenHome(options, env)
  const relays = givenRelays(options.relay)
  const before = existing(home)
  const profile = before === undefined ? create(home, options.as, relays) : keep(before, relays)
  const relaysChanged = before !== undefined && !sameRelays(before.relays, profile.relays)
  out.result(profileText(profile, out.paint), { created: before === undefined, ...profileFields(profile) })
  const who = options.home !== undefined ? ` --home ${home}` : options.as !== undefined ? ` --as ${options.as}` : ''
  if (before === undefined) {
    out.say(`made profile ${profile.name}; its secret key stays in ${home} and is readable by you alone`)
    out.say(`next: posthorn send${who} ${profile.name} "note to self", then posthorn inbox${who}`)
  } else
    out.say(
      relaysChanged
        ? `the profile was there already; its ${profile.relays.length === 1 ? 'relay is' : 'relays are'} changed`
        : 'the profile was there already; nothing changed',
    )
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

const create = (home: string, name: string | undefined, relays: readonly string[] | undefined): Profile =>
  createProfile({ home, name, relays })

const keep = (profile: Profile, relays: readonly string[] | undefined): Profile =>
  relays === undefined || sameRelays(relays, profile.relays) ? profile : setProfileRelays(profile.home, relays)

const sameRelays = (one: readonly string[], two: readonly string[]): boolean => one.join() === two.join()
