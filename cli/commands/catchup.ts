import type { SyncSummary } from '../../sdk/index.ts'
import type { Command } from '../context.ts'
import { hintOfReason } from '../errors.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { fetchMail, openMailbox, PATIENCE_MS, refusalOf } from '../mailbox.ts'
import { passphraseOf } from '../passphrase.ts'
import { chosenProfile, givenRelays } from '../profile.ts'
import { followCatchUp } from '../progress.ts'
import { bytesText, escapeText, plural } from '../text.ts'

/** `posthorn catchup`: sync, summary, exit. */
export const catchup: Command<'catchup'> = async context => {
  const { options, out, env, timers, signal } = context
  const profile = chosenProfile(options, env)
  const mailbox = await openMailbox({
    home: profile.home,
    relays: givenRelays(options.relay),
    passphrase: passphraseOf(context),
    timers,
    patienceMs: PATIENCE_MS,
  })
  try {
    if (mailbox.agent === undefined) {
      const { unread, queue } = mailbox.counts()
      out.result('an agent is running on this profile; it keeps itself caught up', { running: true, unread, queue })
      return EXIT.ok
    }
    const maxMs = options['max-ms']
    const progress = followCatchUp(mailbox.agent, context)
    const summary = await fetchMail(mailbox, { timers, signal, ms: maxMs }).finally(progress.end)
    if (summary === undefined) return EXIT.unreachable
    const { unread, queue } = mailbox.counts()
    out.result(summaryText(summary), {
      running: false,
      ...summary,
      unread,
      queue,
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

function exitOf(summary: SyncSummary, refused: boolean): ExitCode {
  if (summary.invalid > 0 || summary.gaps > 0) return EXIT.integrity
  if (refused) return EXIT.refused
  return summary.complete ? EXIT.ok : EXIT.unreachable
}

function summaryText(summary: SyncSummary): string {
  const cost = `${plural(summary.received, 'event')}, ${bytesText(summary.bytes)}, ${Math.round(summary.ms)} ms`
  const refused = summary.relays.find(({ status, error }) => status === 'catching-up' && error !== undefined)
  return [
    summary.complete
      ? `caught up: ${summary.new} new (${cost})`
      : summary.status === 'offline' || refused !== undefined
        ? 'not caught up'
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

function troubleWith({ relay, status, error }: SyncSummary['relays'][number]): string[] {
  const why = error === undefined ? '' : ` (${escapeText(error)})`
  if (status === 'offline') return [`  ${escapeText(relay)} was not reached${why}`]
  return status === 'catching-up' && error !== undefined ? [`  ${escapeText(relay)} refused${why}`] : []
}
