import { seconds } from '../../platform/clock.ts'
import type { Command } from '../context.ts'
import { CliError } from '../errors.ts'
import { EXIT } from '../exit-codes.ts'
import { openMailbox } from '../mailbox.ts'
import { checkMessageId } from '../message-id.ts'
import { messageFields, messagePage } from '../message-text.ts'
import { passphraseOf } from '../passphrase.ts'
import { chosenProfile } from '../profile.ts'

/** `posthorn read <id>`: shows one message and marks it read. Local: what was not fetched yet is not found. */
export const read: Command<'read'> = async context => {
  const { options, operands, out, env, clock, timers } = context
  const id = checkMessageId(operands[0] ?? '')
  const profile = chosenProfile(options, env)
  const mailbox = await openMailbox({
    home: profile.home,
    relays: undefined,
    offline: true,
    passphrase: passphraseOf(context),
    timers,
    reads: true,
  })
  try {
    const entry = mailbox.read(id)
    if (entry === undefined)
      throw new CliError('not-found', EXIT.empty, `no message here begins with ${id}`, {
        hint: 'posthorn inbox fetches and lists',
      })
    out.result(messagePage(entry, seconds(clock), out.paint), messageFields(entry))
    return EXIT.ok
  } finally {
    await mailbox.close()
  }
}
