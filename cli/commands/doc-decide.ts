import { openDoc, ROLES, type Role, type SharedDoc } from '../../sdk/doc/index.ts'
import { npubOf } from '../../sdk/index.ts'
import type { Command, Context } from '../context.ts'
import { asMember, type DocVerb, namesOf, published } from '../document.ts'
import { UsageError } from '../errors.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { escapeLine } from '../text.ts'

/** `posthorn doc invite <document> <who> [--role]` */
export const docInvite: Command<'doc invite'> = context => {
  const role = ROLES.find(each => each === context.options.role)
  if (role === undefined) throw new UsageError(`--role is one of ${ROLES.join(', ')}`)
  return decide(context, (shared, who) => shared.invite(who, role))
}

/** `posthorn doc remove <document> <who>` */
export const docRemove: Command<'doc remove'> = context => decide(context, (shared, who) => shared.remove(who))

async function decide<V extends 'doc invite' | 'doc remove'>(
  context: Context<V>,
  act: (shared: SharedDoc, who: string) => Promise<void>,
): Promise<ExitCode> {
  const asked = context as Context<'doc remove'>
  const { out, operands, options } = asked
  const [name = '', who = ''] = operands
  const { timeout: timeoutMs } = options
  return asMember(
    asked as Context<DocVerb>,
    async agent => {
      const shared = await openDoc(agent, name, { create: false, timeoutMs })
      await shared.whenSynced({ timeoutMs })
      const before = rolesOf(shared)
      await act(shared, (await agent.contacts.find(who)).pubkey)
      const isThere = await published(shared, timeoutMs)
      const nameOf = namesOf(agent)
      const after = rolesOf(shared)
      for (const pubkey of new Set([...before.keys(), ...after.keys()])) {
        const role = after.get(pubkey)
        if (role === before.get(pubkey)) continue
        out.result(`${escapeLine(nameOf(pubkey))}: ${role ?? 'no member any more'}`, {
          document: shared.name,
          npub: npubOf(pubkey),
          pubkey,
          role: role ?? null,
          generation: shared.status.generation,
        })
      }
      if (!isThere) out.say('no relay was reached: it is kept, and told when a document of this profile is next opened')
      return isThere ? EXIT.ok : EXIT.unreachable
    },
    { closeMs: timeoutMs },
  )
}

const rolesOf = (shared: SharedDoc): ReadonlyMap<string, Role> =>
  new Map(shared.members().map(({ pubkey, role }) => [pubkey, role]))
