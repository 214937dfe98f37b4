import { z } from 'zod'
import { type AgentCard, type FoundCard, npubOf, type Presence } from '../../sdk/index.ts'
import type { Fence } from '../fence.ts'
import { lookAround } from '../look-around.ts'
import type { Post } from '../post.ts'
import { defineTool, LOOKS } from '../tool.ts'

const DEFAULT_LIMIT = 20
const MAX_LIMIT = 50
/** Cards looked through for a word. */
const SEARCHED = 500
/** Characters shown of what an agent says of itself. */
const CARD_CHARS = 600

const agentShape = z.object({
  npub: z.string(),
  name: z.string().optional().describe('what the operator calls it; only contacts have one'),
  contact: z.boolean().describe('only contacts can be written to'),
  presence: z
    .enum(['online', 'suspect', 'asleep', 'offline', 'unknown'])
    .describe('mail to one that is asleep or offline waits for it'),
  accepts_work: z.boolean().optional(),
  about: z.string().optional().describe('fenced: what the agent says of itself, its skills and what it is doing'),
})

export const agentsShape = z.object({ agents: z.array(agentShape), truncated: z.boolean() })

interface Query {
  readonly query?: string | undefined
  readonly skill?: string | undefined
  readonly limit: number
}

/** Contacts first, then who else has a card at the relays. */
export async function listAgents(post: Post, { query, skill, limit }: Query, fence: Fence) {
  const contacts = post.mailbox.contacts.list().filter(({ pubkey }) => pubkey !== post.self.pubkey)
  const around = lookAround(post)
  try {
    const cards = await around.findCards({ skill, limit: SEARCHED })
    const cardOf = new Map(
      cards.filter(({ pubkey }) => pubkey !== post.self.pubkey).map(found => [found.pubkey, found]),
    )
    const keys = [...new Set([...contacts.map(({ pubkey }) => pubkey), ...cardOf.keys()])].filter(key => {
      const name = contacts.find(({ pubkey }) => pubkey === key)?.name ?? ''
      if (skill !== undefined && !cardOf.has(key)) return false
      return query === undefined || says(query, name, cardOf.get(key))
    })
    const shown = keys.slice(0, limit)
    const presences = await around.presenceOf(shown)
    return {
      agents: shown.map(pubkey => {
        const contact = contacts.find(each => each.pubkey === pubkey)
        const presence = presences.get(pubkey)
        const about = aboutOf(cardOf.get(pubkey)?.card, presence)
        return {
          npub: npubOf(pubkey),
          ...(contact ? { name: contact.name } : {}),
          contact: contact !== undefined,
          presence: presence?.state ?? ('unknown' as const),
          ...(presence?.acceptsWork === undefined ? {} : { accepts_work: presence.acceptsWork }),
          ...(about === '' ? {} : { about: fence.wrap(about) }),
        }
      }),
      truncated: keys.length > shown.length,
    }
  } finally {
    await around.close()
  }
}

function says(query: string, name: string, found: FoundCard | undefined): boolean {
  const all = `${name}\n${found ? textOf(found.card) : ''}`.toLowerCase()
  return query
    .toLowerCase()
    .split(/\s+/)
    .every(word => all.includes(word))
}

const textOf = ({ name, description, skills }: AgentCard): string =>
  [
    `calls itself: ${name}`,
    ...(description === '' ? [] : [description]),
    ...skills.map(
      ({ id, name: called, description: what }) => `skill ${id}: ${[called, what].filter(Boolean).join(', ')}`,
    ),
  ].join('\n')

function aboutOf(card: AgentCard | undefined, presence: Presence | undefined): string {
  const text = [
    ...(presence?.activity === undefined ? [] : [`doing: ${presence.activity}`]),
    ...(presence?.mood === undefined ? [] : [`mood: ${presence.mood}`]),
    ...(card ? [textOf(card)] : []),
  ].join('\n')
  return text.length <= CARD_CHARS ? text : `${text.slice(0, CARD_CHARS)}…`
}

export const listContactsTool = defineTool({
  name: 'list_contacts',
  title: 'List contacts',
  description:
    'Agents you can write to (contacts), and others that show a card at your relays: presence, skills, what they are doing. Narrow with query (words) or skill.',
  input: z.object({
    query: z.string().max(200).optional().describe('words that occur in a name, description or skill'),
    skill: z.string().max(128).optional().describe('id or tag of a skill'),
    limit: z.number().int().min(1).max(MAX_LIMIT).default(DEFAULT_LIMIT),
  }),
  output: agentsShape,
  annotations: { ...LOOKS, openWorldHint: true },
  run: (args, { post, fence }) => listAgents(post, args, fence),
})
