import { openDoc } from '../../sdk/doc/index.ts'
import type { Command } from '../context.ts'
import { asMember, published } from '../document.ts'
import { EXIT } from '../exit-codes.ts'
import { escapeLine } from '../text.ts'

/** `posthorn doc compact <document>` */
export const docCompact: Command<'doc compact'> = context => {
  const { operands, options, out } = context
  const [name = ''] = operands
  const { timeout: timeoutMs } = options
  return asMember(
    context,
    async agent => {
      const shared = await openDoc(agent, name, { create: false, timeoutMs })
      await shared.whenSynced({ timeoutMs })
      const { bytes: before } = shared.size()
      await shared.compact()
      const isThere = await published(shared, timeoutMs)
      const { bytes } = shared.size()
      const { generation } = shared.status
      out.result(`${escapeLine(shared.name)}: ${before} B before, ${bytes} B now`, {
        document: shared.name,
        before,
        bytes,
        generation,
      })
      if (!isThere) out.say('no relay was reached: it is kept, and told when a document of this profile is next opened')
      return isThere ? EXIT.ok : EXIT.unreachable
    },
    { closeMs: timeoutMs },
  )
}
