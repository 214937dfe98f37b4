import * as Y from 'yjs'
import { openDoc, type SharedDoc } from '../../sdk/doc/index.ts'
import type { Command, Context } from '../context.ts'
import { asMember, namesOf } from '../document.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { escapeLine, escapeText } from '../text.ts'

type LookVerb = 'doc show' | 'doc members' | 'doc history'

/** Shows the document as the profile has it. */
async function look<V extends LookVerb>(
  context: Context<V>,
  show: (shared: SharedDoc, names: Names) => ExitCode,
): Promise<ExitCode> {
  const asked = context as Context<LookVerb>
  const [name = ''] = asked.operands
  const { timeout: timeoutMs } = asked.options
  return asMember(asked, async agent => {
    const shared = await openDoc(agent, name, { create: false, timeoutMs })
    if (!(await shared.whenSynced({ timeoutMs })))
      asked.out.say('not everything of it was reached; this is what there is')
    return show(shared, namesOf(agent))
  })
}

type Names = (pubkey: string) => string

/** `posthorn doc show <document>` */
export const docShow: Command<'doc show'> = context =>
  look(context, shared => {
    const { doc, name } = shared
    const { bytes, contentBytes, wantsCompaction } = shared.size()
    if (wantsCompaction)
      context.out.say(
        `it takes ${bytes} B for ${contentBytes} B of content: an admin can begin it anew (posthorn doc compact)`,
      )
    const content = Object.fromEntries([...doc.share.keys()].map(root => [root, contentOf(doc, root)]))
    const lines = Object.entries(content).map(([root, value]) => {
      const text = typeof value === 'string' ? value : JSON.stringify(value, undefined, 2)
      return `${escapeLine(root)}:\n${escapeText(text)}`
    })
    if (lines.length === 0) context.out.say('there is nothing in it')
    else context.out.result(lines.join('\n'), { document: name, content })
    return lines.length === 0 ? EXIT.empty : EXIT.ok
  })

/** `posthorn doc members <document>` */
export const docMembers: Command<'doc members'> = context =>
  look(context, (shared, nameOf) => {
    for (const { pubkey, role } of shared.members())
      context.out.result(`${role.padEnd(8)}  ${escapeLine(nameOf(pubkey))}`, { pubkey, role })
    return EXIT.ok
  })

/** `posthorn doc history <document>` */
export const docHistory: Command<'doc history'> = context =>
  look(context, (shared, nameOf) => {
    const entries = shared.history()
    for (const { id, author, at, n, session, bytes } of entries) {
      const when = new Date(at * 1_000).toISOString()
      context.out.result(`${when}  ${String(bytes).padStart(6)} B  ${escapeLine(nameOf(author))}`, {
        id,
        author,
        session,
        n,
        at,
        bytes,
      })
    }
    if (entries.length === 0) context.out.say('nothing is told one by one')
    return entries.length === 0 ? EXIT.empty : EXIT.ok
  })

/** Roots have no type until somebody gives them one: the one their content is written for. */
function contentOf(doc: Y.Doc, root: string): unknown {
  const type = doc.share.get(root)
  if (type === undefined) return undefined
  if (type._map.size > 0) return doc.getMap(root).toJSON()
  for (let item = type._start; item !== null; item = item.right) {
    if (item.content instanceof Y.ContentString) return doc.getText(root).toString()
    if (item.content instanceof Y.ContentType && item.content.type instanceof Y.XmlElement)
      return doc.getXmlFragment(root).toString()
  }
  return doc.getArray(root).toJSON()
}
