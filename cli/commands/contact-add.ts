import { npubOf } from '../../sdk/index.ts'
import type { Command } from '../context.ts'
import { EXIT } from '../exit-codes.ts'
import { withMailbox } from '../profile-mail.ts'
import { escapeText } from '../text.ts'

/** `posthorn contact add <name> <who>`. */
export const contactAdd: Command<'contact add'> = context =>
  withMailbox(context, async ({ contacts }) => {
    const [name = '', who = ''] = context.operands
    const { pubkey, relays } = await contacts.find(who)
    const before = contacts.list().find(each => each.pubkey === pubkey)?.name
    contacts.add(name, pubkey, { relays })
    const npub = npubOf(pubkey)
    const wasNamed = before !== undefined && before !== name ? { renamedFrom: before } : {}
    context.out.result(`${name}  ${npub}`, { name, npub, pubkey, standing: 'contact', ...wasNamed })
    if (before !== undefined && before !== name)
      context.out.say(`this key was called ${escapeText(before)}; it is now called ${escapeText(name)}`)
    return EXIT.ok
  })
