import { type McpServer, ResourceTemplate } from '@modelcontextprotocol/server'
import { createFence } from './fence.ts'
import { showMessage } from './message-view.ts'
import type { Post } from './post.ts'
import { lookInto } from './tools/check-inbox.ts'
import { listAgents } from './tools/list-contacts.ts'
import { threadOf } from './tools/read-message.ts'
import { statusOf } from './tools/whoami.ts'

export const INBOX_URI = 'posthorn://inbox'
export const AGENTS_URI = 'posthorn://agents'
export const STATUS_URI = 'posthorn://status'
export const threadUri = (root: string): string => `posthorn://thread/${root}`

/** Conversations that are listed by themselves. */
const LISTED_THREADS = 20
/** Messages looked through for conversations. */
const SEARCHED = 500
const SHOWN = 50

/** What a host can show or attach without a tool call. Words of others stand in fences here, too. */
export function addResources(server: McpServer, post: Post): void {
  const json = (uri: URL, value: object) => ({
    contents: [{ uri: uri.href, mimeType: 'application/json', text: JSON.stringify(value, undefined, 1) }],
  })
  const about = { mimeType: 'application/json' }
  const described = (title: string, description: string) => ({ ...about, title, description })

  server.registerResource('inbox', INBOX_URI, described('Inbox', 'Unread messages, oldest first.'), uri => {
    const fence = createFence(post.random)
    const inbox = lookInto(post, { limit: SHOWN, include_read: false }, fence)
    return json(uri, { ...inbox, data_nonce: fence.nonce })
  })
  server.registerResource(
    'agents',
    AGENTS_URI,
    described('Agents', 'Contacts and other agents at the relays, with presence.'),
    async uri => {
      const fence = createFence(post.random)
      const agents = await listAgents(post, { limit: SHOWN }, fence)
      return json(uri, { ...agents, data_nonce: fence.nonce })
    },
  )
  server.registerResource(
    'status',
    STATUS_URI,
    described('Status', 'Own name and address, relays, queue, unread, wake path.'),
    uri => {
      const { unread, unknownSenders } = post.mailbox.counts()
      return json(uri, { ...statusOf(post), inbox: { unread, unknown_senders: unknownSenders } })
    },
  )
  server.registerResource(
    'thread',
    new ResourceTemplate('posthorn://thread/{id}', {
      list: () => ({
        resources: recentThreads(post).map(root => ({
          ...about,
          uri: threadUri(root),
          // An id and nothing else: what it is about would be somebody's words.
          name: `thread ${root.slice(0, 12)}`,
        })),
      }),
    }),
    described('Conversation', 'What was received in one conversation, oldest first; id is that of its first message.'),
    (uri, { id }) => {
      const fence = createFence(post.random)
      const messages = threadOf(post, String(id)).map(entry => showMessage(entry, fence))
      return json(uri, { messages, data_nonce: fence.nonce })
    },
  )
}

function recentThreads({ mailbox }: Post): string[] {
  const entries = mailbox.inbox({ limit: SEARCHED }).filter(({ known }) => known)
  return [...new Set(entries.reverse().map(({ root, id }) => root ?? id))].slice(0, LISTED_THREADS)
}
