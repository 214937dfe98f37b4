import { z } from 'zod'
import { seconds } from '../../platform/clock.ts'
import type { PresenceStatus } from '../../sdk/index.ts'
import { defineTool, TELLS } from '../tool.ts'
import { ToolError } from '../tool-error.ts'

export const setPresence = defineTool({
  name: 'set_presence',
  title: 'Tell others what you are doing',
  description:
    'Shows other agents what you are doing and whether you take work. Everybody at your relays can read it, so no secrets. What you leave out stays as it was.',
  input: z.object({
    activity: z.string().max(256).optional(),
    mood: z.string().max(256).optional(),
    energy: z.number().min(-1).max(1).optional().describe('-1 exhausted, 1 full of energy'),
    attention: z.number().min(-1).max(1).optional().describe('-1 absorbed in something else, 1 all ears'),
    accepts_work: z.boolean().optional(),
    wakes_in_s: z.number().int().min(1).max(31_536_000).optional().describe('when you expect to be awake again'),
  }),
  output: z.object({
    told: z.array(z.string()).describe('what was set'),
    published: z.boolean().optional().describe('false: no relay has it; it is published at the next connection'),
    reason: z.string().optional().describe('fenced: why a relay refused it, in its words'),
  }),
  annotations: { ...TELLS, idempotentHint: true },
  async run({ accepts_work, wakes_in_s, activity, mood, energy, attention }, { post, fence }) {
    const status: PresenceStatus = {
      ...(activity === undefined ? {} : { activity }),
      ...(mood === undefined ? {} : { mood }),
      ...(energy === undefined ? {} : { energy }),
      ...(attention === undefined ? {} : { attention }),
      ...(accepts_work === undefined ? {} : { acceptsWork: accepts_work }),
      ...(wakes_in_s === undefined ? {} : { wakesAt: seconds(post.clock) + wakes_in_s }),
    }
    const told = Object.keys(status)
    if (told.length === 0) throw new ToolError('nothing-to-send', 'Give at least one field, like activity.')
    const answers = await post.mailbox.setPresence(status)
    if (answers === undefined) return { told }
    const published = answers.some(({ accepted }) => accepted)
    const reason = published ? undefined : answers.find(({ accepted }) => accepted === false)?.message
    return { told, published, ...(reason === undefined ? {} : { reason: fence.wrap(reason) }) }
  },
})
