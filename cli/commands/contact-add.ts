import { npubOf, resolveRecipient } from '../../sdk/index.ts'
import type { Command } from '../context.ts'
import { EXIT } from '../exit-codes.ts'
import { withMailbox } from '../profile-mail.ts'

/** `posthorn contact add <name> <who>`. */
export const contactAdd: Command<'contact add'> = context =>
  withMailbox(context, ({ contacts }) => {
    const [name = '', who = ''] = context.operands
    const pubkey = resolveRecipient(who, contacts.list())
    // With its relays, where it names some.
    contacts.add(name, who)
    const npub = npubOf(pubkey)
    context.out.result(`${name}  ${npub}`, { name, npub, pubkey, standing: 'contact' })
    return EXIT.ok
  })
