import { isMisdated, parseReason } from '../../protocol/reasons.ts'
import type { Delivery, InboxEntry, SendOptions } from '../../sdk/index.ts'
import type { Command, Context } from '../context.ts'
import { delivered, leftAt, refusedAt, type WaitingAt, waitingAt } from '../delivered.ts'
import { CliError, exitCodeOfReason, hintOfReason, UsageError } from '../errors.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { type Mailbox, openMailbox } from '../mailbox.ts'
import { messageFields } from '../message-text.ts'
import { passphraseOf } from '../passphrase.ts'
import { chosenProfile, givenRelays } from '../profile.ts'
import { escapeLine, escapeText } from '../text.ts'
import { poll } from '../wait.ts'

/** `posthorn send <to> <text|->`: into the outbox first, then to the relay; optionally waits for the reply. */
export const send: Command<'send'> = async context => {
  const { options, operands, env, timers } = context
  const [to = '', given = ''] = operands
  if (options.ephemeral && (options.chat || options.deadline !== undefined || options.wait !== undefined))
    throw new UsageError('--ephemeral is heard now or never: without --chat, --deadline and --wait')
  const profile = chosenProfile(options, env)
  const text = given === '-' ? await readText(context) : given
  if (text === '') throw new UsageError('there is no text to send')
  const mailbox = await openMailbox({
    home: profile.home,
    relays: givenRelays(options.relay),
    passphrase: passphraseOf(context),
    timers,
  })
  try {
    const id = await mailbox.send(to, text, sendOptions(context))
    const how = { timers, signal: context.signal, ms: options.timeout }
    if (options.ephemeral) return reportTold(context, id, await poll(() => mailbox.delivery(id), how))
    const delivery = await delivered(mailbox, id, how)
    const reply = isWithRelay(delivery) && options.wait !== undefined ? await replyTo(mailbox, id, context) : undefined
    const isOwed = delivery.state === 'queued' || delivery.state === 'refused'
    return report(context, {
      id,
      delivery,
      reply,
      refusal: refusedAt(mailbox, id),
      waiting: isOwed ? waitingAt(mailbox, id) : [],
      left: isOwed ? leftAt(mailbox, id) : [],
    })
  } finally {
    await mailbox.close()
  }
}

async function readText({ readStdin, stdinIsTerminal, out }: Context<'send'>): Promise<string> {
  if (stdinIsTerminal) out.say('reading the text from the terminal; Ctrl-D ends it')
  // One newline at the end belongs to the shell, not to the message.
  return (await readStdin()).replace(/\r?\n$/, '')
}

const sendOptions = ({ options }: Context<'send'>): SendOptions => ({
  ...(options.act === undefined ? {} : { act: options.act }),
  ...(options.public ? { public: true } : {}),
  ...(options.ephemeral ? { ephemeral: true } : {}),
  ...(options.chat ? { wrap: 'chat' as const } : options.wrap ? { wrap: true } : {}),
  ...(options.deadline === undefined ? {} : { deadline: options.deadline / 1000 }),
})

async function replyTo(
  mailbox: Mailbox,
  id: string,
  { options, timers, signal }: Context<'send'>,
): Promise<InboxEntry | undefined> {
  const ms = options.wait ?? 0
  return poll(() => mailbox.inbox({ limit: RECENT }).find(entry => entry.replyTo === id), { timers, signal, ms })
}
/** Messages among which the reply is looked for. */
const RECENT = 1_000

interface Sent {
  readonly id: string
  readonly delivery: Delivery
  readonly reply: InboxEntry | undefined
  /** Why the relay takes nothing from us. */
  readonly refusal: string | undefined
  /** Of one that is queued or refused: the relays that lack it, and those that have it though its recipient is not known to read there. */
  readonly waiting: readonly WaitingAt[]
  readonly left: readonly string[]
}

function report(
  { out, options, operands: [to = ''] }: Context<'send'>,
  { id, delivery, reply, refusal, waiting, left }: Sent,
): ExitCode {
  const waited = options.wait !== undefined
  const replyFields = waited ? { reply: reply === undefined ? null : messageFields(reply) } : {}
  const isQueued = delivery.state === 'queued'
  const fields = {
    queued: isQueued,
    id,
    ...delivery,
    ...(isQueued ? { waiting } : {}),
    ...(left.length > 0 ? { left } : {}),
    ...replyFields,
  }
  const sayLeft = () => {
    if (left.length > 0)
      out.say(
        `left at ${left.map(escapeText).join(' ')}: it arrives from there only if ${escapeText(to)} reads there, too`,
      )
  }
  out.result(reply === undefined ? id : escapeText(reply.text), fields)
  switch (delivery.state) {
    case 'stored': {
      const place = delivery.seq === undefined ? '' : ` (seq ${delivery.seq})`
      if (delivery.route === 'own-relays') {
        out.say(
          `left at ${escapeText(delivery.relay)}${place}, a relay of yours: no relay of ${escapeText(to)} is known`,
        )
        out.say('it arrives if they read there; their nprofile, which posthorn whoami prints, says where else they do')
      } else out.say(`stored at ${escapeText(delivery.relay)}${place}; it waits there for ${escapeText(to)}`)
      if (!waited || reply !== undefined) return EXIT.ok
      out.say('no reply yet; it will come to the inbox')
      return EXIT.unreachable
    }
    case 'queued':
      if (refusal !== undefined) {
        const error = new CliError('refused', EXIT.refused, `the relay takes nothing from this profile: ${refusal}`)
        out.fail('send', error, hintOfReason(refusal))
        sayLeft()
        out.say('the message is queued and goes out once the relay takes it')
        return EXIT.refused
      }
      for (const { relay, refused, reason = 'it has not answered in time' } of waiting)
        out.say(`${escapeText(relay)} ${refused ? 'refused' : 'does not have'} it: ${escapeLine(reason, 160)}`)
      if (waiting.some(({ reason = '' }) => isMisdated(reason)))
        out.say('the clock of this machine is wrong, or that of the relay: set the one that is wrong (NTP)')
      sayLeft()
      out.say('the message is queued, and goes out with the next verb that reaches the relay')
      return EXIT.unreachable
    case 'refused':
      out.fail(
        'send',
        new CliError('refused', EXIT.failure, `${delivery.relay} refused the message: ${delivery.reason}`),
        hintOfReason(delivery.reason),
      )
      for (const { relay, reason = '' } of waiting)
        if (relay !== delivery.relay) out.say(`${escapeText(relay)} does not have it: ${escapeLine(reason, 160)}`)
      sayLeft()
      out.say(
        parseReason(delivery.reason).prefix === 'restricted'
          ? `it is offered again once an invite joins that relay; posthorn receipts ${id} has what each relay said`
          : `it is not offered again by itself; posthorn receipts ${id} has what each relay said`,
      )
      return exitCodeOfReason(delivery.reason)
    case 'expired':
      out.fail('send', new CliError('expired', EXIT.failure, 'the deadline passed before the relay took the message'))
      return EXIT.failure
    default: {
      const why = 'reason' in delivery && delivery.reason ? `, ${escapeLine(delivery.reason, 160)}` : ''
      out.say(`${escapeText(to)} says: ${delivery.state}${why}`)
      if (delivery.state === 'failed' || delivery.state === 'rejected') return EXIT.failure
      if (!waited || reply !== undefined) return EXIT.ok
      out.say('no reply yet; it will come to the inbox')
      return EXIT.unreachable
    }
  }
}

/** Undefined: a running agent was handed it, and has not said in time what became of it. */
function reportTold(
  { out, operands: [to = ''] }: Context<'send'>,
  id: string,
  delivery: Delivery | undefined,
): ExitCode {
  out.result(id, { id, ...(delivery ?? { state: 'handed-over' }) })
  if (delivery === undefined) {
    out.say('handed to the running agent, which has not told it yet')
    return EXIT.unreachable
  }
  if (delivery.state === 'sent') {
    out.say(`passed on by ${escapeText(delivery.relay)} to who listens for ${escapeText(to)}`)
    return EXIT.ok
  }
  const why = 'reason' in delivery ? escapeLine(delivery.reason ?? '', 160) : delivery.state
  out.say(`nobody heard it: ${why}`)
  if (delivery.state === 'refused') return exitCodeOfReason(delivery.reason)
  return why.startsWith('mute') ? EXIT.empty : EXIT.unreachable
}

/** A relay has it, or had it before the recipient took it from there. */
const isWithRelay = ({ state }: Delivery): boolean => state !== 'queued' && state !== 'refused' && state !== 'expired'
