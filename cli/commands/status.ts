import type { DiscoveryStatus, RecordFacts, RelayStatus } from '../../sdk/index.ts'
import type { Command } from '../context.ts'
import { wakeStatus } from '../doctor/wake.ts'
import { hintOfReason } from '../errors.ts'
import { EXIT } from '../exit-codes.ts'
import { factsOf, healthFields, RUNNING } from '../health.ts'
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
    reads: true,
    patienceMs: PATIENCE_MS,
  })
  try {
    const { agent, unwritable } = mailbox
    const isRunning = agent === undefined && unwritable === undefined
    if (!options.offline) await fetchMail(mailbox, { timers, signal, ms: options.timeout })
    const facts = factsOf(mailbox, profile, !options.offline)
    const { relays = [], queue = 0, unread = 0, unknownSenders = 0, undelivered = 0, failed = 0 } = facts
    const health = healthFields(facts, unwritable)
    const wake = wakeStatus(profile)
    const discovery = facts.discovery ?? (profile.discovery ?? []).map(url => ({ url }))
    const lines = [
      out.paint.bold(escapeText(profile.name)),
      ...relays.map(relay => relayLine(relay, out.paint)),
      ...(relays.length > 0 ? [] : profile.relays.map(url => `  relay   ${escapeText(url)} (not asked)`)),
      ...discovery.map(discoveryLine),
      `  queue   ${queue === 0 ? 'empty' : `${plural(queue, 'message')} not yet with a relay of their recipient`}`,
      `  unread  ${unread}${unknownSenders > 0 ? `, among them from ${plural(unknownSenders, 'unknown sender')}` : ''}`,
      ...(undelivered === 0
        ? []
        : [
            `  refused ${plural(undelivered, 'sent message')} given up: the relays of their recipient did not take them`,
          ]),
      ...(failed === 0
        ? []
        : [`  failed  ${plural(failed, 'received message')} in the dead letters: every attempt of the handler failed`]),
      ...(facts.records ?? []).map(recordLine),
      ...(unwritable === undefined ? [] : [`  disk    ${out.paint.red(escapeLine(unwritable, ERROR_WIDTH))}`]),
      ...(isRunning ? [`  agent   ${RUNNING}`] : []),
      ...(wake.state === 'none' ? [] : [`  wake    ${escapeText(wake.host ?? '')}, ${wake.state}`]),
    ]
    out.result(lines.join('\n'), {
      name: profile.name,
      running: isRunning,
      relays: relays.length > 0 ? relays : profile.relays.map(url => ({ url, state: 'not-asked' })),
      ...(discovery.length > 0 ? { discovery } : {}),
      queue,
      unread,
      unknownSenders,
      deadLetters: undelivered + failed,
      ...health,
      wake,
    })
    const refusal = options.offline ? undefined : refusalOf(mailbox)
    const hint = refusal === undefined ? undefined : hintOfReason(refusal)
    if (hint !== undefined) out.say(hint)
    if (refusal !== undefined) return EXIT.refused
    if (unwritable !== undefined) {
      out.say('the relays were not asked: what they have could not be stored here')
      return EXIT.failure
    }
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
    live: why === '' ? caughtUpText(relay, paint) : paint.red(`live, but takes no mail${why}`),
    'catching-up': why === '' ? catchingUpText(relay) : paint.red(`not served${why}`),
    offline: paint.red(`offline${why}`),
  }
  const mayMiss = relay.mayMiss ? ' (keeps no log order: late messages may be missed)' : ''
  return `  relay   ${escapeText(relay.url)}  ${words[relay.state]}${mayMiss}`
}

/** Where others are looked for. Nothing is wrong if that fails: whose relays are known is written to all the same. */
const discoveryLine = ({ url, error }: DiscoveryStatus): string =>
  `  looks   at ${escapeText(url)} for the relays of others${error === undefined ? '' : `; the last time in vain: ${escapeLine(error, ERROR_WIDTH)}`}`

const caughtUpText = ({ partial }: RelayStatus, paint: Paint): string =>
  partial === undefined
    ? paint.green('live, caught up')
    : paint.red(`live, but may have more than it gave: ${escapeLine(partial, ERROR_WIDTH)}`)

function recordLine({ kind, id, unwritten, unsent, error }: RecordFacts): string {
  if (kind === 'card')
    return `  card    at no relay yet${error === undefined ? '' : `: ${escapeLine(error, ERROR_WIDTH)}`}`
  const label = kind === 'private' ? 'state' : kind
  const which = kind === 'private' ? 'private: ' : id === undefined ? '' : `${escapeText(id)}: `
  return `  ${label.padEnd(8)}${which}${plural(unwritten + unsent, 'change')} at no relay yet`
}
