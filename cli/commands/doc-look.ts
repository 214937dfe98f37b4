import * as Y from 'yjs'
import { DocError, openDoc, type SharedDoc } from '../../sdk/doc/index.ts'
import { npubOf, openAgent } from '../../sdk/index.ts'
import type { Command, Context } from '../context.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { passphraseOf } from '../passphrase.ts'
import { chosenProfile } from '../profile.ts'
import { escapeLine, escapeText } from '../text.ts'

type DocVerb = 'doc show' | 'doc members' | 'doc history'

const CODES: Partial<Record<DocError['code'], ExitCode>> = {
  'doc-unknown': EXIT.empty,
  'doc-not-member': EXIT.refused,
  'doc-unreachable': EXIT.unreachable,
  'doc-name': EXIT.usage,
}

/** Opens the document as its profile, shows it, and leaves nothing behind. */
async function look<V extends DocVerb>(
  context: Context<V>,
  show: (shared: SharedDoc, names: Names) => ExitCode,
): Promise<ExitCode> {
  const { operands, out, env } = context
  const options = context.options as Context<DocVerb>['options']
  const [name = ''] = operands
  const { home } = chosenProfile(options, env)
  const passphrase = passphraseOf(context as Context<DocVerb>)
  const agent = await openAgent({
    home,
    create: false,
    presence: false,
    announce: false,
    ...(options.relay.length === 0 ? {} : { relays: options.relay }),
    ...(passphrase === undefined ? {} : { passphrase }),
  })
  try {
    const timeoutMs = options.timeout
    const shared = await openDoc(agent, name, { create: false, timeoutMs })
    if (!(await shared.whenSynced({ timeoutMs }))) out.say('not everything of it was reached; this is what there is')
    const known = new Map(agent.contacts.list().map(contact => [contact.pubkey, contact.name]))
    return show(shared, key => (key === agent.pubkey ? 'you' : known.get(key)) ?? npubOf(key))
  } catch (error) {
    const exit = error instanceof DocError ? CODES[error.code] : undefined
    if (!(error instanceof DocError) || exit === undefined) throw error
    out.say(escapeLine(error.message))
    return exit
  } finally {
    await agent.close({ timeoutMs: 1_000 })
  }
}

type Names = (pubkey: string) => string | undefined

/** `posthorn doc show <document>` */
export const docShow: Command<'doc show'> = context =>
  look(context, ({ doc, name }) => {
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
      context.out.result(`${role.padEnd(8)}  ${escapeLine(nameOf(pubkey) ?? pubkey)}`, { pubkey, role })
    return EXIT.ok
  })

/** `posthorn doc history <document>` */
export const docHistory: Command<'doc history'> = context =>
  look(context, (shared, nameOf) => {
    const entries = shared.history()
    for (const { id, author, at, n, session, bytes } of entries) {
      const when = new Date(at * 1_000).toISOString()
      context.out.result(`${when}  ${String(bytes).padStart(6)} B  ${escapeLine(nameOf(author) ?? author)}`, {
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
