import { z } from 'zod'
import { defineTool, TELLS } from '../tool.ts'
import { ToolError } from '../tool-error.ts'

const MAX_IDS = 50

export const ackMessage = defineTool({
  name: 'ack_message',
  title: 'Acknowledge messages',
  description:
    'Tells senders what became of their messages, by a signed receipt: working, done, failed or rejected; the last word counts. "read" only clears them from your unread list and tells nobody. Doing it twice does no harm. It is no answer: for that use post_message with reply_to.',
  input: z.object({
    ids: z
      .array(z.string().regex(/^[0-9a-f]{8,64}$/))
      .min(1)
      .max(MAX_IDS),
    state: z.enum(['read', 'working', 'done', 'failed', 'rejected']),
    note: z.string().max(1_000).optional().describe('a short reason for the sender'),
  }),
  output: z.object({
    acknowledged: z.array(z.string()).describe('full ids'),
    unknown: z.array(z.string()).describe('no such message here'),
    strangers: z.array(z.string()).describe('not told: a receipt shows a stranger that somebody is there'),
  }),
  annotations: { ...TELLS, idempotentHint: true },
  async run({ ids, state, note }, { post }) {
    const { mailbox } = post
    const [acknowledged, unknown, strangers]: string[][] = [[], [], []]
    for (const id of new Set(ids)) {
      const entry = mailbox.read(id)
      if (entry === undefined) unknown?.push(id)
      else if (!entry.known && state !== 'read') strangers?.push(entry.id)
      else {
        // The same word again would only be another event.
        if (state !== 'read' && !isSaid(entry.state, state)) await mailbox.mark(entry.id, state, note)
        acknowledged?.push(entry.id)
      }
    }
    if (acknowledged?.length === 0 && strangers?.length === 0)
      throw new ToolError('message-unknown', 'None of these ids is in the inbox. check_inbox lists what is here.')
    return { acknowledged: acknowledged ?? [], unknown: unknown ?? [], strangers: strangers ?? [] }
  },
})

/** `rejected` ends as `done` here too, so it is told again; senders count the last. */
const isSaid = (now: string, state: string): boolean =>
  (state === 'done' && now === 'done') || (state === 'failed' && now === 'set-aside')
