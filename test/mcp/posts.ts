import { Client, InMemoryTransport } from '@modelcontextprotocol/client'
import { Client as FormerClient } from '@modelcontextprotocol/sdk/client/index.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import { type Agent, memoryShelf, openLookout } from 'posthorn'
import { onTestFinished } from 'vitest'
import { agentMailbox, type Post, serveMcp, wakePathOn } from '#dist/mcp/index.js'
import { systemClock } from '#dist/platform/clock.js'
import { systemRandom } from '#dist/platform/random.js'
import { systemTimers } from '#dist/platform/timers.js'

/** What a tool gave back. */
export interface Answer {
  readonly isError?: boolean
  readonly text: string
  // Tests look into results as a model would: without types.
  // biome-ignore lint/suspicious/noExplicitAny: shapes are what the tests are about
  readonly data: any
}

/** What tests use of both official clients. */
export interface AnyClient {
  readonly client: Client | FormerClient
  call(tool: string, args?: Record<string, unknown>): Promise<Answer>
}

export const postOf = (agent: Agent, changes: Partial<Post> = {}): Post => ({
  mailbox: agentMailbox(agent),
  self: {
    name: agent.name,
    pubkey: agent.pubkey,
    npub: agent.npub,
    relays: agent.status().relays.map(({ url }) => url),
  },
  profile: 'full',
  openLookout: () => openLookout({ relays: [], contacts: [] }),
  wakePath: wakePathOn(memoryShelf()),
  clock: systemClock,
  timers: systemTimers,
  random: systemRandom,
  version: '1.2.3',
  ...changes,
})

/** The current official client on a post, in this process. */
export async function currentClient(post: Post): Promise<AnyClient & { readonly client: Client }> {
  const client = new Client({ name: 'test', version: '1' }, { versionNegotiation: { mode: { pin: '2026-07-28' } } })
  await client.connect(served(post))
  onTestFinished(() => client.close())
  return { client, call: async (name, args = {}) => answerOf(await client.callTool({ name, arguments: args })) }
}

/** The official client of the previous generation (revisions up to 2025-11-25). */
export async function formerClient(post: Post): Promise<AnyClient & { readonly client: FormerClient }> {
  const client = new FormerClient({ name: 'test', version: '1' })
  await client.connect(served(post) as Transport)
  onTestFinished(() => client.close())
  return { client, call: async (name, args = {}) => answerOf(await client.callTool({ name, arguments: args })) }
}

function served(post: Post): InMemoryTransport {
  const [ours, theirs] = InMemoryTransport.createLinkedPair()
  const handle = serveMcp(post, theirs)
  onTestFinished(() => handle.close())
  return ours
}

export function answerOf(result: Record<string, unknown>): Answer {
  const [first] = result['content'] as { type: string; text: string }[]
  return { text: first?.text ?? '', data: result['structuredContent'], ...(result['isError'] ? { isError: true } : {}) }
}
