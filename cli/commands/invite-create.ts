import type { Command } from '../context.ts'
import { UsageError } from '../errors.ts'
import { EXIT } from '../exit-codes.ts'
import { openMailbox } from '../mailbox.ts'
import { passphraseOf } from '../passphrase.ts'
import { chosenProfile } from '../profile.ts'
import { qrText } from '../qr.ts'
import { plural } from '../text.ts'

/** `posthorn invite create`: the line alone on stdout, so that it can be piped. */
export const inviteCreate: Command<'invite create'> = async context => {
  const { options, out, env, timers } = context
  const { home } = chosenProfile(options, env)
  const relayCode = options['relay-invite']
  // Only a code of the relay needs the network.
  const mailbox = await openMailbox({
    home,
    relays: undefined,
    offline: !relayCode,
    timers,
    passphrase: passphraseOf(context),
  })
  try {
    const { text, id, expires, uses } = await mailbox.invites
      .create({
        uses: options.uses,
        validForS: options.valid / 1000,
        relayCode,
        ...(options.note === undefined ? {} : { note: options.note }),
      })
      .catch((error: unknown) => {
        throw error instanceof RangeError ? new UsageError(error.message) : error
      })
    out.result(text, { invite: text, id, expires, uses })
    const until = new Date(expires * 1000).toISOString().replace('.000', '')
    out.say(`good for ${plural(uses, 'key')} until ${until}; send it over a private channel`)
    if (options.qr || (out.interactive && !options['no-qr'])) out.say(await qrText(text))
    out.say(`taken back by: posthorn invite revoke ${id.slice(0, 8)}`)
    return EXIT.ok
  } finally {
    await mailbox.close()
  }
}
