import { DocError, openDoc, type SharedDoc } from '../../sdk/doc/index.ts'
import type { Agent } from '../../sdk/index.ts'
import type { Command } from '../context.ts'
import { asMember, published } from '../document.ts'
import { UsageError } from '../errors.ts'
import { EXIT } from '../exit-codes.ts'
import { escapeLine } from '../text.ts'

/** `posthorn doc create <name>`: never beside one that is there, which is why a relay has to say that there is none. */
export const docCreate: Command<'doc create'> = context => {
  const { operands, options, out } = context
  const [name = ''] = operands
  const { timeout: timeoutMs } = options
  if (name.includes('/')) throw new UsageError('a document is made by its owner: give its name alone')
  return asMember(
    context,
    async agent => {
      const before = await find(agent, name, timeoutMs)
      const shared = before ?? (await openDoc(agent, name, { public: options.public, timeoutMs }))
      const isThere = await published(shared, timeoutMs)
      const created = before === undefined
      out.result(`${created ? 'made' : 'there is'} ${escapeLine(shared.name)}`, {
        document: shared.name,
        id: shared.id,
        created,
        public: shared.status.public,
      })
      if (!created) out.say('it was there already')
      if (created && isThere) out.say(`next: posthorn doc invite ${escapeLine(shared.name)} <who>`)
      return isThere ? EXIT.ok : EXIT.unreachable
    },
    { closeMs: timeoutMs },
  )
}

async function find(agent: Agent, name: string, timeoutMs: number): Promise<SharedDoc | undefined> {
  try {
    return await openDoc(agent, name, { create: false, timeoutMs })
  } catch (error) {
    if (error instanceof DocError && error.code === 'doc-unknown') return undefined
    throw error
  }
}
