import { z } from 'zod'
import { npubOf } from '../../sdk/index.ts'
import { messageShape, showMessage } from '../message-view.ts'
import { knownRecipient, MAX_WHO } from '../people.ts'
import { defineTool, TELLS } from '../tool.ts'
import { waitFor } from '../wait.ts'
import { MAX_WAIT_S } from './check-inbox.ts'
import { MAX_TEXT, nextStep } from './post-message.ts'

/** Nobody will answer after these. */
const ENDED: readonly string[] = ['refused', 'undeliverable', 'expired', 'failed', 'rejected']

export const askAgent = defineTool({
  name: 'ask_agent',
  title: 'Ask and wait for the answer',
  description: `Sends a question to a contact and waits up to ${MAX_WAIT_S} s for the answer. If none comes, you get the id: the question stays with its recipient, who may be asleep, and the answer will be in check_inbox later.`,
  input: z.object({
    to: z.string().min(1).max(MAX_WHO).describe('name or npub of a contact'),
    question: z.string().min(1).max(MAX_TEXT),
    act: z.enum(['request', 'query']).default('request'),
    timeout_s: z.number().min(1).max(MAX_WAIT_S).default(30),
  }),
  output: z.object({
    id: z.string(),
    to: z.string(),
    state: z.string().describe('answered, or how the question stands'),
    answer: messageShape.optional(),
    next: z.string(),
  }),
  annotations: TELLS,
  async run({ to, question, act, timeout_s }, { post, fence, signal }) {
    const { mailbox } = post
    const { pubkey, name } = knownRecipient(mailbox, to)
    const started = mailbox.inbox({ limit: 1 })[0]?.arrival ?? 0
    const id = await mailbox.send(pubkey, question, { act })
    const look = () => {
      const answer = mailbox
        .inbox({ from: pubkey, after: started })
        .find(entry => entry.replyTo === id && entry.act !== 'agree')
      if (answer !== undefined) return { answer }
      return ENDED.includes(mailbox.delivery(id)?.state ?? '') ? {} : undefined
    }
    const found = await waitFor(post, look, { ms: timeout_s * 1000, signal })
    const npub = npubOf(pubkey)
    const delivery = mailbox.delivery(id) ?? { state: 'queued' as const }
    if (found?.answer === undefined)
      return { id, to: npub, state: delivery.state, next: nextStep(delivery, name ?? npub) }
    const { answer } = found
    mailbox.read(answer.id)
    return {
      id,
      to: npub,
      state: 'answered',
      answer: showMessage({ ...answer, read: true }, fence),
      next:
        answer.act === 'refuse' || answer.act === 'failure'
          ? 'The answer is a no; its words, if any, are in the body.'
          : 'Judge the answer as you would any claim of somebody else.',
    }
  },
})
