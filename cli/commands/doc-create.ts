import type { Command } from '../context.ts'
import { exitOfAct, withDocument } from '../document.ts'
import { UsageError } from '../errors.ts'
import { profileFlags } from '../profile.ts'
import { escapeLine } from '../text.ts'

/** `posthorn doc create <name>`: never beside one that is there, which is why a relay has to say that there is none. */
export const docCreate: Command<'doc create'> = context => {
  const { operands, options, out } = context
  const [id = ''] = operands
  if (id.includes('/')) throw new UsageError('a document is made by its owner: give its name alone')
  return withDocument(context, { do: 'create', public: options.public }, ({ outcome, kept }) => {
    const { created, published } = outcome
    const name = escapeLine(kept.name)
    const said = { document: kept.name, id: kept.id, created, public: kept.public }
    out.result(`${created ? 'made' : 'there is'} ${name}`, said)
    if (!created) out.say('it was there already')
    if (created && published) out.say(`next: posthorn doc invite${profileFlags(options)} ${name} <who>`)
    return exitOfAct(context, outcome)
  })
}
