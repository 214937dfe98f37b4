import { npubOf } from '../../sdk/index.ts'
import type { Command } from '../context.ts'
import { CliError } from '../errors.ts'
import { EXIT } from '../exit-codes.ts'
import { withMailbox } from '../profile-mail.ts'
import { escapeText } from '../text.ts'

/** `posthorn contact remove <who>`: whatever was decided about a key is taken back. */
export const contactRemove: Command<'contact remove'> = context =>
  withMailbox(context, async ({ contacts, strangers }) => {
    const [who = ''] = context.operands
    const { pubkey } = await contacts.find(who)
    const isJudged = strangers().some(each => each.pubkey === pubkey && each.verdict !== undefined)
    if (!contacts.remove(pubkey) && !isJudged)
      throw new CliError('not-found', EXIT.empty, `${escapeText(who)} is neither in the list nor allowed or denied`, {
        hint: 'profiles of one machine know each other without a list',
      })
    const npub = npubOf(pubkey)
    context.out.result(`${npub}  removed`, { npub, pubkey, standing: 'stranger' })
    return EXIT.ok
  })
