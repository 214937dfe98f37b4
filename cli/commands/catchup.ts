import {
  type Agent,
  type Delivery,
  type HealthFacts,
  type Profile,
  readHome,
  readRecordFacts,
  type SyncSummary,
} from '../../sdk/index.ts'
import type { Command } from '../context.ts'
import { hintOfReason } from '../errors.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { factsOf, healthFields, RUNNING } from '../health.ts'
import { fetchMail, openMailbox, PATIENCE_MS, refusalOf } from '../mailbox.ts'
import { passphraseOf } from '../passphrase.ts'
import { chosenProfile, givenRelays } from '../profile.ts'
import { followCatchUp } from '../progress.ts'
import { bytesText, escapeText, plural } from '../text.ts'

/** `posthorn catchup`: sync, summary, exit. */
export const catchup: Command<'catchup'> = async context => {
  const { options, out, env, timers, signal } = context
  const profile = chosenProfile(options, env)
  const before = queuedIn(profile.home)
  const mailbox = await openMailbox({
    home: profile.home,
    relays: givenRelays(options.relay),
    passphrase: passphraseOf(context),
    timers,
    patienceMs: PATIENCE_MS,
  })
  try {
    if (mailbox.agent === undefined) {
      const facts = factsOf(mailbox, profile, false)
      const { unread = 0, queue = 0 } = facts
      const fields = { running: true, unread, queue, ...healthFields(facts) }
      out.result(`an agent is ${RUNNING}; it fetches by itself`, fields)
      return EXIT.ok
    }
    const maxMs = options['max-ms']
    const progress = followCatchUp(mailbox.agent, context)
    const summary = await fetchMail(mailbox, { timers, signal, ms: maxMs }).finally(progress.end)
    if (summary === undefined) return EXIT.unreachable
    if (summary.status === 'live') await publishState(mailbox.agent, profile, maxMs)
    const facts = factsOf(mailbox, profile, true)
    const { unread = 0, queue = 0 } = facts
    const health = healthFields(facts)
    const wentOut = before.filter(id => isWithRelay(mailbox.delivery(id))).length
    out.result([summaryText(summary), ...wentOutLines(wentOut), ...waitingLines(facts)].join('\n'), {
      running: false,
      ...summary,
      wentOut,
      unread,
      queue,
      ...health,
    })
    for (const { relay } of summary.relays.filter(({ mayMiss }) => mayMiss))
      out.say(`${escapeText(relay)} keeps no log order: late or back-dated messages may be missed`)
    const refusal = summary.complete ? undefined : refusalOf(mailbox)
    const hint = refusal === undefined ? undefined : hintOfReason(refusal)
    if (hint !== undefined) out.say(hint)
    return exitOf(summary, refusal !== undefined)
  } finally {
    await mailbox.close()
  }
}

/** State that an earlier verb could only keep here goes out now. Documents wait until they are opened: of them only the id is known. */
async function publishState(agent: Agent, { home, pubkey }: Profile, ms: number): Promise<void> {
  const waiting = readRecordFacts(home, pubkey)
  const { state } = agent
  if (waiting.some(({ kind }) => kind === 'state')) await state.flush(ms)
  if (waiting.some(({ kind }) => kind === 'private')) await state.private.flush(ms)
}

/** Queued messages that are looked at, the oldest first. */
const MAX_QUEUED = 1_000

/** Ids of what waits to be sent. Empty also where that cannot be read: opening the home says why. */
function queuedIn(home: string): readonly string[] {
  try {
    const view = readHome(home)
    try {
      return view.queued(MAX_QUEUED).map(({ id }) => id)
    } finally {
      view.close()
    }
  } catch {
    return []
  }
}

const NOT_OUT: readonly string[] = ['queued', 'refused', 'expired', 'undeliverable'] satisfies Delivery['state'][]
const isWithRelay = (delivery: Delivery | undefined): boolean =>
  delivery !== undefined && !NOT_OUT.includes(delivery.state)

const wentOutLines = (count: number): string[] =>
  count === 0 ? [] : [`  ${plural(count, 'queued message')} of yours went out`]

/** What did not go out, for a summary that is about what came in. */
function waitingLines({ queue = 0, undelivered = 0, records = [] }: HealthFacts): string[] {
  const changes = records.reduce((sum, { unwritten, unsent }) => sum + unwritten + unsent, 0)
  return [
    ...(queue > 0 ? [`  ${plural(queue, 'message')} of yours not yet with a relay of their recipient`] : []),
    ...(undelivered > 0
      ? [`  ${plural(undelivered, 'message')} of yours given up: the relays of their recipient did not take them`]
      : []),
    ...(changes > 0 ? [`  ${plural(changes, 'change')} of state or documents at no relay yet (posthorn status)`] : []),
  ]
}

function exitOf(summary: SyncSummary, refused: boolean): ExitCode {
  if (summary.invalid > 0 || summary.gaps > 0 || summary.relays.some(({ suspect }) => suspect)) return EXIT.integrity
  if (refused) return EXIT.refused
  return summary.complete ? EXIT.ok : EXIT.unreachable
}

function summaryText(summary: SyncSummary): string {
  const cost = `${plural(summary.received, 'event')}, ${bytesText(summary.bytes)}, ${Math.round(summary.ms)} ms`
  const refused = summary.relays.find(({ status, error }) => status === 'catching-up' && error !== undefined)
  return [
    summary.complete
      ? `caught up${summary.unreached === 0 ? '' : ` with ${summary.relays.length - summary.unreached} of ${plural(summary.relays.length, 'relay')}`}: ${summary.new} new (${cost})`
      : summary.status === 'offline' || refused !== undefined
        ? 'not caught up'
        : summary.relays.some(({ partial }) => partial !== undefined)
          ? `perhaps not caught up: ${summary.new} new (${cost})`
          : `not caught up yet: ${summary.new} new so far (${cost}); the rest comes next time`,
    ...summary.relays.flatMap(troubleWith),
    ...(summary.invalid > 0
      ? [`${plural(summary.invalid, 'event')} did not verify and were dropped: the relay is not to be trusted`]
      : []),
    ...(summary.gaps > 0
      ? [`${plural(summary.gaps, 'gap')} in the relay's log order: something may have been missed`]
      : []),
  ].join('\n')
}

function troubleWith({ relay, status, partial, suspect, error }: SyncSummary['relays'][number]): string[] {
  const why = error === undefined ? '' : ` (${escapeText(error)})`
  if (status === 'offline') return [`  ${escapeText(relay)} was not reached${why}`]
  if (suspect)
    return [
      `  ${escapeText(relay)} may have mail that is not here: an event came damaged, or a log went back, and they were not compared yet`,
    ]
  if (partial !== undefined) return [`  ${escapeText(relay)} may have mail that is not here: ${escapeText(partial)}`]
  return status === 'catching-up' && error !== undefined ? [`  ${escapeText(relay)} refused${why}`] : []
}
