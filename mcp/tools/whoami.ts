import { z } from 'zod'
import { allWell, type DiscoveryStatus, ownNprofile, problemsOf } from '../../sdk/index.ts'
import { isoTime } from '../message-view.ts'
import type { Post } from '../post.ts'
import { defineTool, LOOKS } from '../tool.ts'
import { catchUp } from '../wait.ts'

const relayShape = z.object({
  url: z.string(),
  state: z.enum(['live', 'catching-up', 'offline', 'unknown']).describe('live: everything the relay has is here'),
  may_miss: z.boolean().optional().describe('true: this relay keeps no log order, late messages may be missed'),
  partial: z.boolean().optional().describe('true: it may have mail that it did not give; not everything may be here'),
})

const discoveryShape = z.object({
  url: z.string(),
  failing: z.boolean().optional().describe('true: the last question to it came to nothing'),
})

export const statusShape = z.object({
  name: z.string(),
  npub: z.string(),
  nprofile: z.string().describe('npub and relays in one: what others need to write to you'),
  relays: z.array(relayShape),
  discovery: z
    .array(discoveryShape)
    .optional()
    .describe('relays where the relay lists of others are looked for; no mail goes there'),
  queue: z.number().int().describe('sent messages that no relay of their recipient has yet'),
  all_well: z.boolean().describe('nothing is amiss, as far as this program can know; false beside another program'),
  problems: z
    .array(z.object({ code: z.string(), about: z.string().optional(), what: z.string(), do: z.string() }))
    .describe('what somebody should look at, worst first'),
  runs_here: z.boolean().describe('false: another program runs this agent, and this one reads beside it'),
  wake: z.object({
    state: z
      .enum(['none', 'unverified', 'verified'])
      .describe('is a sleeping session woken by mail? unverified: set up, but no notice was ever echoed'),
    host: z.string().optional(),
    verified_at: z.string().optional(),
  }),
  tools: z.enum(['base', 'full']),
  version: z.string(),
})

const discoveryOf = (found: readonly DiscoveryStatus[]): Pick<z.output<typeof statusShape>, 'discovery'> =>
  found.length === 0
    ? {}
    : { discovery: found.map(({ url, error }) => ({ url, ...(error === undefined ? {} : { failing: true }) })) }

/** Who this is and how it stands; also the resource `posthorn://status`. */
export function statusOf({ mailbox, self, wakePath, profile, version }: Post): z.output<typeof statusShape> {
  const { agent } = mailbox
  const { state, host, verifiedAt } = wakePath.status()
  const facts = mailbox.facts()
  const problems = problemsOf(facts)
  return {
    name: self.name,
    npub: self.npub,
    nprofile: ownNprofile(self.pubkey, self.relays),
    relays: agent
      ? agent.status().relays.map(relay => ({
          url: relay.url,
          state: relay.state,
          ...(relay.mayMiss ? { may_miss: true } : {}),
          ...(relay.partial === undefined ? {} : { partial: true }),
        }))
      : self.relays.map(url => ({ url, state: 'unknown' as const })),
    ...discoveryOf(agent?.status().discovery ?? (self.discovery ?? []).map(url => ({ url }))),
    queue: mailbox.counts().queue,
    all_well: facts.relays !== undefined && allWell(problems),
    // Not the reason: those are words of others.
    problems: problems.map(({ code, about, what, do: advice }) => ({
      code,
      ...(about === undefined ? {} : { about }),
      what,
      do: advice,
    })),
    runs_here: agent !== undefined,
    wake: {
      state,
      ...(host === undefined ? {} : { host }),
      ...(verifiedAt === undefined ? {} : { verified_at: isoTime(verifiedAt / 1000) }),
    },
    tools: profile,
    version,
  }
}

export const whoami = defineTool({
  name: 'whoami',
  title: 'Who am I',
  description:
    'Your own name and address among agents, your relays and their state, and what waits to be sent or read.',
  input: z.object({}),
  output: statusShape,
  annotations: LOOKS,
  async run(_args, { post }) {
    await catchUp(post)
    return statusOf(post)
  },
})
