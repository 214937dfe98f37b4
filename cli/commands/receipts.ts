import { seconds } from '../../platform/clock.ts'
import { npubOf, type SentEntry } from '../../sdk/index.ts'
import type { Command } from '../context.ts'
import { CliError } from '../errors.ts'
import { EXIT } from '../exit-codes.ts'
import { fetchMail, openMailbox, PATIENCE_MS } from '../mailbox.ts'
import { checkMessageId } from '../message-id.ts'
import type { Paint } from '../output.ts'
import { passphraseOf } from '../passphrase.ts'
import { chosenProfile, givenRelays } from '../profile.ts'
import { ago, escapeLine, escapeText } from '../text.ts'

/** Characters shown of a reason. */
const REASON_WIDTH = 160

/** `posthorn receipts <id>`: what became of a sent message, at each relay and at its recipient. */
export const receipts: Command<'receipts'> = async context => {
  const { options, operands, out, env, clock, timers, signal } = context
  const id = checkMessageId(operands[0] ?? '')
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
    const fetched = options.offline || mailbox.agent === undefined
    const summary = fetched ? undefined : await fetchMail(mailbox, { timers, signal, ms: options.timeout })
    const sent = mailbox.sent(id)
    if (sent === undefined)
      throw new CliError('not-found', EXIT.empty, `no message sent from here begins with ${id}`, {
        hint: 'send prints the id; a message is forgotten some days after nothing more is to come of it',
      })
    out.result(page(sent, seconds(clock), out.paint), sentFields(sent))
    if (mailbox.unwritable !== undefined && !options.offline)
      out.say(`the relays were not asked (${escapeText(mailbox.unwritable)}); this is what is here`)
    if (!fetched && !summary?.complete) out.say('not caught up with the relay; this is what was known before')
    return EXIT.ok
  } finally {
    await mailbox.close()
  }
}

/** In `--json`: named one by one, because scripts rely on them. */
const sentFields = ({ id, to, toName, delivery, receipts, copies }: SentEntry) => ({
  id,
  to,
  npub: npubOf(to),
  toName,
  state: delivery.state,
  route: 'route' in delivery ? delivery.route : undefined,
  reason: 'reason' in delivery ? delivery.reason : undefined,
  receipts: receipts.map(({ id, state, at, text, private: isPrivate }) => ({
    id,
    state,
    at,
    text,
    private: isPrivate,
  })),
  relays: copies.map(({ relay, state, seq, reason, fallback }) => ({ relay, state, seq, reason, fallback })),
})

function page({ id, to, toName, delivery, receipts, copies }: SentEntry, now: number, paint: Paint): string {
  const name = toName === undefined ? npubOf(to) : `${escapeLine(toName)} (${npubOf(to)})`
  const because = (reason: string | undefined) => (reason ? `: ${escapeLine(reason, REASON_WIDTH)}` : '')
  const line = (head: string, text: string) => `${paint.dim(head.padEnd(8))} ${text}`
  return [
    line('id', id),
    line('to', name),
    line('state', paint.bold(delivery.state) + because('reason' in delivery ? delivery.reason : undefined)),
    ...('route' in delivery && delivery.route === 'own-relays'
      ? [line('route', 'left at your own relays: no relay of the recipient is known')]
      : []),
    ...copies.map(({ relay, state, seq, reason, fallback }) =>
      line(
        'relay',
        `${escapeText(relay)}  ${state}${seq === undefined ? '' : ` (seq ${seq})`}${fallback ? ', not known to be read there' : ''}${because(reason)}`,
      ),
    ),
    ...receipts.map(({ state, at, text }) => line('receipt', `${state.padEnd(9)} ${ago(at, now)}${because(text)}`)),
  ].join('\n')
}
