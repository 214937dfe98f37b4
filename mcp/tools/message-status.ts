import { z } from 'zod'
import { type Delivery, npubOf, type SentEntry } from '../../sdk/index.ts'
import type { Fence } from '../fence.ts'
import { isoTime } from '../message-view.ts'
import type { Post } from '../post.ts'
import { defineTool, LOOKS } from '../tool.ts'
import { ToolError } from '../tool-error.ts'
import { nextStep, routeOf, routeShape } from './post-message.ts'

/** Messages of one sender looked through for answers. */
const SEARCHED = 500

const reason = z.string().optional().describe('fenced: the words of a relay or of the recipient')

export const messageStatus = defineTool({
  name: 'message_status',
  title: 'What became of a message',
  description:
    'What is known of a message you sent: which relays have it, what its recipient has signed about it (received, working, done, failed, rejected), and ids of answers.',
  input: z.object({ id: z.string().regex(/^[0-9a-f]{8,64}$/) }),
  output: z.object({
    id: z.string(),
    to: z.string(),
    name: z.string().optional(),
    state: z.string(),
    route: routeShape,
    reason,
    relays: z.array(
      z.object({
        relay: z.string(),
        state: z.enum(['waiting', 'stored', 'refused']),
        fallback: z
          .boolean()
          .optional()
          .describe('true: given to be sure; the recipient is known to read at the others'),
        reason,
      }),
    ),
    receipts: z
      .array(z.object({ state: z.string(), at: z.string(), note: reason }))
      .describe('signed by the recipient'),
    replies: z.array(z.string()).describe('ids of answers; read them with read_message'),
    next: z.string(),
  }),
  annotations: LOOKS,
  run({ id }, { post, fence }) {
    const sent = post.mailbox.sent(id)
    if (sent === undefined)
      throw new ToolError('message-unknown', 'No message with this id was sent from here. post_message returns ids.')
    const { to, toName, delivery } = sent
    const npub = npubOf(to)
    const why = reasonOf(delivery)
    return {
      id: sent.id,
      to: npub,
      ...(toName === undefined ? {} : { name: toName }),
      state: delivery.state,
      ...routeOf(delivery),
      ...(why === undefined ? {} : { reason: fence.wrap(why) }),
      relays: relaysOf(post, sent, fence),
      receipts: sent.receipts.map(({ state, at, text }) => ({
        state,
        at: isoTime(at),
        ...(text === undefined ? {} : { note: fence.wrap(text) }),
      })),
      replies: repliesTo(post, sent),
      next: nextStep(delivery, toName ?? npub),
    }
  },
})

const reasonOf = (delivery: Delivery): string | undefined =>
  'reason' in delivery && delivery.reason !== undefined && delivery.reason !== '' ? delivery.reason : undefined

/** Addresses of relays that the recipient has named are its words. */
const relaysOf = ({ self }: Post, { copies }: SentEntry, fence: Fence) =>
  copies.map(({ relay, state, fallback, reason: why }) => ({
    relay: self.relays.includes(relay) ? relay : fence.wrap(relay),
    state,
    ...(fallback ? { fallback } : {}),
    ...(why === undefined ? {} : { reason: fence.wrap(why) }),
  }))

export const repliesTo = ({ mailbox }: Post, { id, to }: Pick<SentEntry, 'id' | 'to'>): string[] =>
  mailbox.inbox({ from: to, limit: SEARCHED }).flatMap(entry => (entry.replyTo === id ? [entry.id] : []))
