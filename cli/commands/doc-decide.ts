import { type DocAct, type DocMember, ROLES } from '../../sdk/doc/index.ts'
import { npubOf } from '../../sdk/index.ts'
import type { Command, Context } from '../context.ts'
import { type DocVerb, exitOfAct, withDocument } from '../document.ts'
import { UsageError } from '../errors.ts'
import type { ExitCode } from '../exit-codes.ts'
import { escapeLine } from '../text.ts'

/** `posthorn doc invite <document> <who> [--role]` */
export const docInvite: Command<'doc invite'> = context => {
  const { operands, options } = context
  const [, who = ''] = operands
  const role = ROLES.find(each => each === options.role)
  if (role === undefined) throw new UsageError(`--role is one of ${ROLES.join(', ')}`)
  return decide(context, { do: 'invite', who, role })
}

/** `posthorn doc remove <document> <who>` */
export const docRemove: Command<'doc remove'> = context => {
  const [, who = ''] = context.operands
  return decide(context, { do: 'remove', who })
}

const decide = (context: Context<DocVerb>, act: DocAct): Promise<ExitCode> =>
  withDocument(context, act, ({ outcome, kept, nameOf }) => {
    const { out } = context
    const [before, after] = [rolesOf(outcome.before.members), rolesOf(kept.members())]
    for (const pubkey of new Set([...before.keys(), ...after.keys()])) {
      const role = after.get(pubkey)
      if (role === before.get(pubkey)) continue
      out.result(`${escapeLine(nameOf(pubkey))}: ${role ?? 'no member any more'}`, {
        document: kept.name,
        npub: npubOf(pubkey),
        pubkey,
        role: role ?? null,
        generation: kept.generation,
      })
    }
    return exitOfAct(context, outcome)
  })

const rolesOf = (members: readonly DocMember[]) => new Map(members.map(({ pubkey, role }) => [pubkey, role]))
