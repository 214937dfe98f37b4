import { systemRandom } from '../../platform/random.ts'
import { homeFiles } from '../../sdk/home/paths.ts'
import { changeKeyPassphrase, isKeyFileEncrypted } from '../../sdk/index.ts'
import type { Command } from '../context.ts'
import { UsageError } from '../errors.ts'
import { EXIT } from '../exit-codes.ts'
import { newPassphrase, passphraseOf } from '../passphrase.ts'
import { chosenProfile } from '../profile.ts'

/** `posthorn key passphrase`: another passphrase for the same key, a first one, or none any more. */
export const keyPassphrase: Command<'key passphrase'> = async context => {
  const { options, env, out, readSecret } = context
  const { home } = chosenProfile(options, env)
  const { key } = homeFiles(home)
  const wasEncrypted = isKeyFileEncrypted(key)
  if (options.remove && !wasEncrypted) throw new UsageError('the key is under no passphrase; nothing was done')
  const current = passphraseOf(context)
  // The one before is asked for first: whoever has forgotten it need not think of another.
  if (wasEncrypted) await current()
  const next = options.remove
    ? undefined
    : await newPassphrase({
        readSecret: readSecret && (prompt => readSecret(`new ${prompt}`)),
        options: { 'passphrase-file': options['new-passphrase-file'] },
      })
  await changeKeyPassphrase(key, { passphrase: current, next, random: systemRandom })
  out.result(options.remove ? 'the key lies in clear now' : 'the passphrase is changed', {
    encrypted: !options.remove,
    changed: true,
  })
  if (!options.remove)
    out.say(
      wasEncrypted
        ? 'copies made before (backups, snapshots) still open with the passphrase before'
        : 'backups and snapshots made before, and freed blocks of the disk, may hold it in clear',
    )
  return EXIT.ok
}
