import { npubOf } from '../../sdk/index.ts'
import type { Command, Context } from '../context.ts'
import { EXIT } from '../exit-codes.ts'
import { withMailbox } from '../profile-mail.ts'

const judge =
  (verdict: 'allow' | 'deny') =>
  (context: Context<'contact allow' | 'contact deny'>): Promise<typeof EXIT.ok> =>
    withMailbox(context, async ({ contacts }) => {
      const [who = ''] = context.operands
      const { pubkey } = await contacts.find(who)
      contacts[verdict](pubkey)
      const npub = npubOf(pubkey)
      const standing = verdict === 'allow' ? 'allowed' : 'denied'
      context.out.result(`${npub}  ${standing}`, { npub, pubkey, standing })
      return EXIT.ok
    })

/** `posthorn contact allow <who>`: as a contact without a name. */
export const contactAllow: Command<'contact allow'> = judge('allow')
/** `posthorn contact deny <who>`: nothing of theirs is kept. */
export const contactDeny: Command<'contact deny'> = judge('deny')
