import { type AgentContacts, ContactError, npubOf } from '../../sdk/index.ts'
import type { Command } from '../context.ts'
import { CliError } from '../errors.ts'
import { EXIT } from '../exit-codes.ts'
import { withMailbox } from '../profile-mail.ts'
import { escapeText } from '../text.ts'

/** `posthorn contact add <name> <who>`. */
export const contactAdd: Command<'contact add'> = context =>
  withMailbox(context, async ({ contacts }) => {
    const [name = '', who = ''] = context.operands
    const { pubkey, relays } = await contacts.find(who)
    const before = contacts.list().find(each => each.pubkey === pubkey)?.name
    try {
      contacts.add(name, pubkey, { relays })
    } catch (error) {
      if (!(error instanceof ContactError) || error.code !== 'contact-exists') throw error
      throw new CliError('contact-exists', EXIT.failure, error.message, {
        hint: `for example: posthorn contact add ${freeNameFor(name, contacts)} ${who}`,
      })
    }
    const npub = npubOf(pubkey)
    const wasNamed = before !== undefined && before !== name ? { renamedFrom: before } : {}
    context.out.result(`${name}  ${npub}`, { name, npub, pubkey, standing: 'contact', ...wasNamed })
    if (before !== undefined && before !== name)
      context.out.say(`this key was called ${escapeText(before)}; it is now called ${escapeText(name)}`)
    return EXIT.ok
  })

/** The name with the first number that makes it free. */
function freeNameFor(name: string, contacts: AgentContacts): string {
  const taken = new Set(contacts.list().flatMap(each => [each.name, each.profile]))
  let number = 2
  while (taken.has(`${name}-${number}`)) number += 1
  return `${name}-${number}`
}
