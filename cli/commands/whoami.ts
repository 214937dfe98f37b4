import type { Command } from '../context.ts'
import { EXIT } from '../exit-codes.ts'
import { chosenProfile } from '../profile.ts'
import { profileFields, profileText } from '../profile-text.ts'

/** `posthorn whoami`: what others may know of the profile. */
export const whoami: Command<'whoami'> = async ({ options, out, env }) => {
  const profile = chosenProfile(options, env)
  out.result(profileText(profile, out.paint), profileFields(profile))
  return EXIT.ok
}
