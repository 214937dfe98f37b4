import type { Command } from '../context.ts'
import { CliError, UsageError } from '../errors.ts'
import { EXIT } from '../exit-codes.ts'
import { withMailbox } from '../profile-mail.ts'

/** `posthorn invite revoke <id>`. */
export const inviteRevoke: Command<'invite revoke'> = context =>
  withMailbox(context, ({ invites }) => {
    const [id = ''] = context.operands
    if (!/^[0-9a-f]{4,16}$/.test(id)) throw new UsageError('an id of an invite is 4 to 16 hex characters')
    if (!invites.revoke(id))
      throw new CliError('not-found', EXIT.empty, `no open invite begins with ${id}, or several do`, {
        hint: 'posthorn invite list shows them',
      })
    context.out.result(`${id}  revoked`, { id, state: 'revoked' })
    return EXIT.ok
  })
