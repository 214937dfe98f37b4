import { type AcceptedInvite, type Delivery, npubOf } from '../../sdk/index.ts'
import type { Command, Context } from '../context.ts'
import { delivered } from '../delivered.ts'
import { CliError, exitCodeOfReason, hintOfReason } from '../errors.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { type Mailbox, openMailbox } from '../mailbox.ts'
import { passphraseOf } from '../passphrase.ts'
import { chosenProfile } from '../profile.ts'
import { escapeLine, escapeText } from '../text.ts'
import { withoutMark } from '../text-bytes.ts'
import { poll } from '../wait.ts'

/** `posthorn invite accept <invite|->`: known at once; the inviter is told as any mail goes out. */
export const inviteAccept: Command<'invite accept'> = async context => {
  const { options, operands, env, timers, signal, readStdin } = context
  const [given = ''] = operands
  const { home } = chosenProfile(options, env)
  const text = given === '-' ? withoutMark(await readStdin()) : given
  const mailbox = await openMailbox({ home, relays: undefined, timers, passphrase: passphraseOf(context) })
  try {
    const accepted = await mailbox.invites.accept(text, options.name === undefined ? {} : { name: options.name })
    const told = await delivered(mailbox, accepted.id, { timers, signal, ms: options.timeout })
    const delivery = (await answered(mailbox, accepted.id, context)) ?? told
    return report(context, accepted, delivery)
  } finally {
    await mailbox.close()
  }
}

/** Waits for the inviter, if that was asked for. */
async function answered(
  mailbox: Mailbox,
  id: string,
  { options, timers, signal }: Context<'invite accept'>,
): Promise<Delivery | undefined> {
  if (options.wait === undefined) return undefined
  const terminal = () => {
    const delivery = mailbox.delivery(id)
    return delivery && isTerminal(delivery) ? delivery : undefined
  }
  return (await poll(terminal, { timers, signal, ms: options.wait })) ?? mailbox.delivery(id)
}

function report(
  { out, options }: Context<'invite accept'>,
  { id, contact, relays }: AcceptedInvite,
  delivery: Delivery,
): ExitCode {
  const { name, pubkey } = contact
  const npub = npubOf(pubkey)
  out.result(`${name}  ${npub}`, { contact: { name, npub, pubkey }, relays, queued: false, id, ...queuedOf(delivery) })
  out.say(`${name} is a contact, and reached at ${relays.map(escapeText).join(' ')}`)
  switch (delivery.state) {
    case 'queued':
      out.say('no relay was reached: the inviter is notified by the next command that reaches one')
      return EXIT.unreachable
    case 'refused':
      out.fail(
        'invite accept',
        new CliError('refused', EXIT.failure, `${delivery.relay} takes no word to them: ${delivery.reason}`),
        hintOfReason(delivery.reason),
      )
      return exitCodeOfReason(delivery.reason)
    case 'rejected':
    case 'failed':
      out.say(`they say no: ${escapeLine(delivery.reason ?? 'no reason given', 160)}`)
      return EXIT.failure
    case 'done':
      out.say('they know you, too')
      return EXIT.ok
    default:
      out.say('they will know you once they wake')
      return options.wait === undefined ? EXIT.ok : EXIT.unreachable
  }
}

const queuedOf = (delivery: Delivery) => ({ ...delivery, ...(delivery.state === 'queued' ? { queued: true } : {}) })

const isTerminal = ({ state }: Delivery): boolean =>
  state === 'done' || state === 'rejected' || state === 'failed' || state === 'refused' || state === 'expired'
