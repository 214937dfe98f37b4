import { npubOf } from '../../sdk/index.ts'
import type { Command } from '../context.ts'
import { EXIT } from '../exit-codes.ts'
import { withMailbox } from '../profile-mail.ts'

/** `posthorn contact add <name> <who>`. */
export const contactAdd: Command<'contact add'> = context =>
  withMailbox(context, async ({ contacts }) => {
    const [name = '', who = ''] = context.operands
    const { pubkey, relays } = await contacts.find(who)
    contacts.add(name, pubkey, { relays })
    const npub = npubOf(pubkey)
    context.out.result(`${name}  ${npub}`, { name, npub, pubkey, standing: 'contact' })
    return EXIT.ok
  })
