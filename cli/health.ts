import {
  allWell,
  type HealthFacts,
  isPublished,
  isSynced,
  type Problem,
  type Profile,
  problemsOf,
  readRecordFacts,
} from '../sdk/index.ts'
import type { Mailbox } from './mailbox.ts'

/** What a verb knows of relays while another process is the agent of its profile: nothing. */
export const RUNNING = 'running; whether it is caught up is not known from here'

/** What a verb knows of a profile, from the store, the state on disk and, if `asked`, from the relays that were asked just now. */
export function factsOf(mailbox: Pick<Mailbox, 'agent' | 'counts'>, profile: Profile, asked: boolean): HealthFacts {
  const { agent } = mailbox
  const { queue, unread, unknownSenders, undelivered, failed } = mailbox.counts()
  return {
    queue,
    unread,
    unknownSenders,
    undelivered,
    failed,
    records: readRecordFacts(profile.home, profile.pubkey),
    ...(agent !== undefined && asked ? { relays: agent.status().relays } : {}),
  }
}

/** The same code as doctor's. */
const unwritableProblem = (reason: string): Problem => ({
  code: 'disk-unwritable',
  level: 'fail',
  what: 'the home cannot be written: nothing can be received or sent',
  reason,
  do: 'make room on the disk, or mount it for writing; posthorn doctor says more',
})

/**
 * The judgement of these facts, the same for every verb that prints one with `--json`. `synced` is null where no relay was asked from
 * here: beside a running agent, and with --offline.
 */
export function healthFields(facts: HealthFacts, unwritable?: string) {
  const problems = [...(unwritable === undefined ? [] : [unwritableProblem(unwritable)]), ...problemsOf(facts)]
  return {
    synced: facts.relays === undefined ? null : isSynced(facts),
    published: isPublished(facts),
    allWell: facts.relays !== undefined && allWell(problems),
    undelivered: facts.undelivered ?? 0,
    failed: facts.failed ?? 0,
    records: facts.records ?? [],
    problems,
  }
}
