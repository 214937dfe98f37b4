import type { SyncSummary } from '../../sdk/index.ts'
import type { Command } from '../context.ts'
import { hintOfReason } from '../errors.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { flushed, openMailbox, PATIENCE_MS, refusalOf } from '../mailbox.ts'
import { chosenProfile, givenRelay } from '../profile.ts'
import { bytesText, escapeText, plural } from '../text.ts'
import { within } from '../wait.ts'

/** Beyond `--max-ms` before a sync that does not return is left alone, in ms. */
const GRACE_MS = 1_000

/** `posthorn catchup`: sync, summary, exit. */
export const catchup: Command<'catchup'> = async ({ options, out, env, timers, signal }) => {
  const profile = chosenProfile(options, env)
  const mailbox = await openMailbox({
    home: profile.home,
    relay: givenRelay(options.relay),
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
    const summary = await within(mailbox.agent.sync({ maxMs }), { timers, signal, ms: maxMs + GRACE_MS })
    if (summary === undefined) return EXIT.unreachable
    if (summary.complete) await flushed(mailbox, { timers, signal })
    const { unread, queue } = mailbox.counts()
    const error = mailbox.agent.status().relays[0]?.error
    out.result(summaryText(summary, error), {
      running: false,
      ...summary,
      ...(error === undefined ? {} : { error }),
      unread,
      queue,
    })
    if (summary.mayMiss) out.say('this relay keeps no log order: late or back-dated messages may be missed')
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

function summaryText(summary: SyncSummary, error: string | undefined): string {
  const cost = `${plural(summary.received, 'event')}, ${bytesText(summary.bytes)}, ${Math.round(summary.ms)} ms`
  const heading = summary.complete
    ? `caught up: ${summary.new} new (${cost})`
    : summary.status === 'offline'
      ? `not caught up: ${escapeText(summary.relay)} was not reached${error === undefined ? '' : ` (${escapeText(error)})`}`
      : error !== undefined
        ? `not caught up: ${escapeText(summary.relay)} refused (${escapeText(error)})`
        : `not caught up yet: ${summary.new} new so far (${cost}); the rest comes next time`
  return [
    heading,
    ...(summary.invalid > 0
      ? [`${plural(summary.invalid, 'event')} did not verify and were dropped: the relay is not to be trusted`]
      : []),
    ...(summary.gaps > 0
      ? [`${plural(summary.gaps, 'gap')} in the relay's log order: something may have been missed`]
      : []),
  ].join('\n')
}
