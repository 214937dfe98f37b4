import type { Invite } from '../../sdk/index.ts'
import type { Command } from '../context.ts'
import { EXIT } from '../exit-codes.ts'
import { withMailbox } from '../profile-mail.ts'
import { escapeLine } from '../text.ts'

/** `posthorn invite list`: what was given out; never what would let anybody in. */
export const inviteList: Command<'invite list'> = context =>
  withMailbox(
    context,
    ({ invites }) => {
      const { out } = context
      const all = invites.list()
      for (const invite of all) out.result(lineOf(invite), { ...invite })
      if (all.length > 0) return EXIT.ok
      out.say('no invites: posthorn invite create makes one')
      return EXIT.empty
    },
    { reads: true },
  )

function lineOf({ id, state, usedBy, uses, expires, note }: Invite): string {
  const until = new Date(expires * 1000).toISOString().slice(0, 16).replace('T', ' ')
  const said = note === undefined ? '' : `  ${escapeLine(note, 60)}`
  return `${id.slice(0, 8)}  ${state.padEnd(7)}  ${usedBy.length} of ${uses} used  until ${until}Z${said}`
}
