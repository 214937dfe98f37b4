import * as Y from 'yjs'
import { adopt, kindOf } from '../../sdk/doc/reissue.ts'
import type { Command, Context } from '../context.ts'
import { type Acted, type DocVerb, withDocument } from '../document.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { escapeLine, escapeText } from '../text.ts'

/** Shows the document as the profile has it. */
const look = (context: Context<DocVerb>, show: (acted: Acted) => ExitCode): Promise<ExitCode> =>
  withDocument(context, { do: 'look' }, acted => {
    if (!acted.outcome.synced) context.out.say('not everything of it was reached; this is what there is')
    return show(acted)
  })

/** `posthorn doc show <document>` */
export const docShow: Command<'doc show'> = context =>
  look(context, ({ kept }) => {
    const { doc, name } = kept
    const { bytes, contentBytes, wantsCompaction } = kept.size()
    if (wantsCompaction)
      context.out.say(
        `it takes ${bytes} B for ${contentBytes} B of content: an admin can compact it (posthorn doc compact)`,
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
  look(context, ({ kept, nameOf }) => {
    for (const { pubkey, role } of kept.members())
      context.out.result(`${role.padEnd(8)}  ${escapeLine(nameOf(pubkey))}`, { pubkey, role })
    return EXIT.ok
  })

/** `posthorn doc history <document>` */
export const docHistory: Command<'doc history'> = context =>
  look(context, ({ kept, nameOf }) => {
    const entries = kept.history()
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
    if (entries.length === 0) context.out.say('a snapshot covers all changes: none is listed by itself')
    return entries.length === 0 ? EXIT.empty : EXIT.ok
  })

/** Roots have no type until somebody gives them one: the one their content is written for. */
function contentOf(doc: Y.Doc, name: string): unknown {
  const root = doc.share.get(name)
  if (root === undefined) return undefined
  const typed = adopt(doc, name, kindOf(root))
  return typed instanceof Y.Map || typed instanceof Y.Array ? typed.toJSON() : typed.toString()
}
