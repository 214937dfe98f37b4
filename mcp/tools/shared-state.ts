import { z } from 'zod'
import { type Agent, type Json, npubOf, type StateView } from '../../sdk/index.ts'
import { knownRecipient } from '../people.ts'
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
    who: z.string().max(200).optional().describe('with get: whose, a name or npub of a contact; left out, your own'),
    key: z.string().min(1).max(200).optional().describe('with get: only this one'),
    value: z.unknown().optional().describe('with set: any JSON but null'),
  }),
  output: z.object({
    who: z.string().describe('npub'),
    keys: z.number().int().describe('names in this state'),
    content: z.string().optional().describe('fenced JSON; words of whose state it is'),
    truncated: z.boolean().optional().describe('ask for one key'),
    complete: z.boolean().describe('get: a relay was read to its end; set: relays have it'),
  }),
  annotations: { ...TELLS, idempotentHint: true },
  async run({ action, who, key, value }, { post, fence }) {
    const agent = runningHere(post)
    if (action === 'get') {
      const view = await agent.openState(who === undefined ? undefined : knownRecipient(post.mailbox, who).pubkey)
      try {
        const complete = await view.ready(READY_MS)
        const found = contentOf(view, key)
        if (found === undefined) return { who: npubOf(view.author), keys: view.keys().length, complete }
        const text = JSON.stringify(found)
        return {
          who: npubOf(view.author),
          keys: view.keys().length,
          content: fence.wrap(text.slice(0, MAX_SHOWN).toWellFormed()),
          ...(text.length > MAX_SHOWN ? { truncated: true } : {}),
          complete,
        }
      } finally {
        await view.close()
      }
    }
    if (key === undefined) throw new ToolError('nothing-to-send', `Give the key to ${action}.`)
    if (who !== undefined)
      throw new ToolError('not-available', 'Only the agent itself can change its state. Leave out who.')
    if (action === 'delete') await agent.state.delete(key)
    else await agent.state.set(key, jsonOf(value))
    const complete = await agent.state.flush(READY_MS)
    return { who: agent.npub, keys: Object.keys((await agent.state.entries()).values).length, complete }
  },
})

function runningHere({ mailbox }: Post): Agent {
  if (mailbox.agent) return mailbox.agent
  throw new ToolError(
    'not-available',
    'Another program runs this agent, and state is written by one program alone. Try again when it has ended.',
  )
}

function jsonOf(value: unknown): Json {
  const text = value === undefined || value === null ? undefined : JSON.stringify(value)
  if (text === undefined) throw new ToolError('nothing-to-send', 'Give a value, or use delete.')
  if (text.length > MAX_VALUE) throw new ToolError('too-large', `A value has at most ${MAX_VALUE} characters as JSON.`)
  return JSON.parse(text) as Json
}

/** Everything, or what stands under one name, of whatever kind. */
function contentOf(view: StateView, key: string | undefined): unknown {
  const { values, counters, sets, gauges } = view.content()
  if (key === undefined) return { values, counters, sets, gauges }
  for (const kind of [values, counters, sets, gauges]) if (Object.hasOwn(kind, key)) return kind[key]
  return undefined
}
