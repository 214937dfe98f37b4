import type { RelayStatus } from '../../sdk/index.ts'
import type { Command } from '../context.ts'
import { wakeStatus } from '../doctor/wake.ts'
import { hintOfReason } from '../errors.ts'
import { EXIT } from '../exit-codes.ts'
import { fetchMail, openMailbox, PATIENCE_MS, refusalOf } from '../mailbox.ts'
import type { Paint } from '../output.ts'
import { passphraseOf } from '../passphrase.ts'
import { chosenProfile, givenRelays } from '../profile.ts'
import { catchingUpText, escapeLine, escapeText, plural } from '../text.ts'

/** `posthorn status`: relay, queue, unread. Asks the relay unless `--offline` or a running agent does that already. */
export const status: Command<'status'> = async context => {
  const { options, out, env, timers, signal } = context
  const profile = chosenProfile(options, env)
  const mailbox = await openMailbox({
    home: profile.home,
    relays: givenRelays(options.relay),
    offline: options.offline,
    passphrase: passphraseOf(context),
    timers,
    patienceMs: PATIENCE_MS,
  })
  try {
    const { agent } = mailbox
    if (!options.offline) await fetchMail(mailbox, { timers, signal, ms: options.timeout })
    const relays = agent && !options.offline ? agent.status().relays : []
    const { queue, unread, unknownSenders } = mailbox.counts()
    const givenUp = mailbox.deadLetters()
    const wake = wakeStatus(profile)
    const lines = [
      out.paint.bold(escapeText(profile.name)),
      ...relays.map(relay => relayLine(relay, out.paint)),
      ...(relays.length > 0 ? [] : profile.relays.map(url => `  relay   ${escapeText(url)} (not asked)`)),
      `  queue   ${queue === 0 ? 'empty' : `${plural(queue, 'message')} not yet with a relay`}`,
      `  unread  ${unread}${unknownSenders > 0 ? `, among them from ${plural(unknownSenders, 'unknown sender')}` : ''}`,
      ...(givenUp === 0 ? [] : [`  failed  ${plural(givenUp, 'message')} given up`]),
      ...(agent ? [] : ['  agent   running; it keeps itself caught up']),
      ...(wake.state === 'none' ? [] : [`  wake    ${escapeText(wake.host ?? '')}, ${wake.state}`]),
    ]
    out.result(lines.join('\n'), {
      name: profile.name,
      running: agent === undefined,
      relays: relays.length > 0 ? relays : profile.relays.map(url => ({ url, state: 'not-asked' })),
      queue,
      unread,
      unknownSenders,
      deadLetters: givenUp,
      wake,
    })
    const refusal = options.offline ? undefined : refusalOf(mailbox)
    const hint = refusal === undefined ? undefined : hintOfReason(refusal)
    if (hint !== undefined) out.say(hint)
    if (refusal !== undefined) return EXIT.refused
    return relays.length > 0 && relays.every(relay => relay.state === 'offline') ? EXIT.unreachable : EXIT.ok
  } finally {
    await mailbox.close()
  }
}

/** Characters shown of a reason. */
const ERROR_WIDTH = 160

function relayLine(relay: RelayStatus, paint: Paint): string {
  const why = relay.error === undefined ? '' : `: ${escapeLine(relay.error, ERROR_WIDTH)}`
  const words: Record<RelayStatus['state'], string> = {
    live: why === '' ? paint.green('live, caught up') : paint.red(`live, but takes no mail${why}`),
    'catching-up': why === '' ? catchingUpText(relay) : paint.red(`not served${why}`),
    offline: paint.red(`offline${why}`),
  }
  const mayMiss = relay.mayMiss ? ' (keeps no log order: late messages may be missed)' : ''
  return `  relay   ${escapeText(relay.url)}  ${words[relay.state]}${mayMiss}`
}
