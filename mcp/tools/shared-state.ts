import { z } from 'zod'
import { type Json, npubOf, type StateBeside, type StateContent } from '../../sdk/index.ts'
import { knownRecipient, MAX_WHO } from '../people.ts'
import type { Post } from '../post.ts'
import { defineTool, TELLS } from '../tool.ts'
import { ToolError } from '../tool-error.ts'

/** For relays to tell another agent's state, and for ours to reach them, in ms. */
const READY_MS = 5_000
const MAX_VALUE = 8_000
/** Characters of a state given at once. */
const MAX_SHOWN = 20_000

export const sharedState = defineTool({
  name: 'shared_state',
  title: 'Shared state',
  description:
    'Small JSON values under names that you publish and all can read (set, delete), or that a contact publishes (get with who). Each agent writes its own only. Not for secrets: everybody at the relays can read it.',
  input: z.object({
    action: z.enum(['get', 'set', 'delete']),
    who: z
      .string()
      .max(MAX_WHO)
      .optional()
      .describe('with get: whose, a name or npub of a contact; left out, your own'),
    key: z.string().min(1).max(200).optional().describe('with get: only this one'),
    value: z.unknown().optional().describe('with set: any JSON but null'),
  }),
  output: z.object({
    who: z.string().describe('npub'),
    keys: z.number().int().describe('names in this state'),
    content: z.string().optional().describe('fenced JSON; words of whose state it is'),
    truncated: z.boolean().optional().describe('ask for one key'),
    complete: z.boolean().describe('get: a relay was read to its end; set: relays have it'),
    handed_over: z.boolean().optional().describe('set: the program that runs this agent tells the relays in a moment'),
  }),
  annotations: { ...TELLS, idempotentHint: true },
  async run({ action, who, key, value }, { post, fence }) {
    if (action === 'get') {
      const looked = await lookAt(post, who === undefined ? undefined : knownRecipient(post.mailbox, who).pubkey)
      const { author, content, complete } = looked
      const found = contentOf(content, key)
      const seen = { who: npubOf(author), keys: namesIn(content), complete }
      if (found === undefined) return seen
      const text = JSON.stringify(found)
      return {
        ...seen,
        content: fence.wrap(text.slice(0, MAX_SHOWN).toWellFormed()),
        ...(text.length > MAX_SHOWN ? { truncated: true } : {}),
      }
    }
    if (key === undefined) throw new ToolError('nothing-to-send', `Give the key to ${action}.`)
    if (who !== undefined)
      throw new ToolError('not-available', 'Only the agent itself can change its state. Leave out who.')
    return change(post, key, action === 'delete' ? null : jsonOf(value))
  },
})

interface Looked {
  /** 64 hex. */
  readonly author: string
  readonly content: StateContent
  readonly complete: boolean
}

/** Undefined: one's own. Whoever runs the agent has it; beside that program it is read from the home, and others' from relays. */
async function lookAt(post: Post, pubkey: string | undefined): Promise<Looked> {
  const { agent } = post.mailbox
  if (pubkey === undefined && agent === undefined)
    return { author: post.self.pubkey, content: besideOf(post).entries(), complete: true }
  const lookout = agent === undefined ? post.openLookout() : undefined
  const view = lookout === undefined ? await agent?.openState(pubkey) : lookout.state(pubkey ?? post.self.pubkey)
  try {
    if (view === undefined) throw new ToolError('not-available', 'The mail server is changing hands. Try again.')
    const complete = await view.ready(READY_MS)
    return { author: view.author, content: view.content(), complete }
  } finally {
    await view?.close()
    await lookout?.close()
  }
}

/** `null` takes it away. */
async function change(post: Post, key: string, value: Json) {
  const { agent } = post.mailbox
  const who = post.self.npub
  if (agent === undefined) {
    const beside = besideOf(post)
    const { values } = beside.entries()
    beside.update({ [key]: value })
    const others = Object.keys(values).filter(each => each !== key).length
    return { who, keys: others + (value === null ? 0 : 1), complete: false, handed_over: true }
  }
  await agent.state.update({ [key]: value })
  const complete = await agent.state.flush(READY_MS)
  return { who, keys: Object.keys((await agent.state.entries()).values).length, complete }
}

function besideOf({ mailbox }: Post): StateBeside {
  const beside = mailbox.stateBeside?.()
  if (beside) return beside
  throw new ToolError('not-available', 'Another program runs this agent, and its state cannot be reached. Try later.')
}

function jsonOf(value: unknown): Json {
  const text = value === undefined || value === null ? undefined : JSON.stringify(value)
  if (text === undefined) throw new ToolError('nothing-to-send', 'Give a value, or use delete.')
  if (text.length > MAX_VALUE) throw new ToolError('too-large', `A value has at most ${MAX_VALUE} characters as JSON.`)
  return JSON.parse(text) as Json
}

/** Everything, or what stands under one name, of whatever kind. */
function contentOf({ values, counters, sets, gauges }: StateContent, key: string | undefined): unknown {
  if (key === undefined) return { values, counters, sets, gauges }
  for (const kind of [values, counters, sets, gauges]) if (Object.hasOwn(kind, key)) return kind[key]
  return undefined
}

const namesIn = ({ values, counters, sets, gauges }: StateContent): number =>
  new Set([values, counters, sets, gauges].flatMap(kind => Object.keys(kind))).size
