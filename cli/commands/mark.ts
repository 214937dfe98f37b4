import type { Delivery, Mark } from '../../sdk/index.ts'
import type { Command, Context } from '../context.ts'
import { delivered } from '../delivered.ts'
import { CliError, exitCodeOfReason, hintOfReason, UsageError } from '../errors.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { openMailbox, refusalOf } from '../mailbox.ts'
import { checkMessageId } from '../message-id.ts'
import { passphraseOf } from '../passphrase.ts'
import { chosenProfile, givenRelays } from '../profile.ts'
import { escapeText } from '../text.ts'

const MARKS: readonly string[] = ['working', 'done', 'failed', 'rejected'] satisfies Mark[]
const isMark = (text: string): text is Mark => MARKS.includes(text)

/** `posthorn mark <id> <state> [reason]`: tells the sender what became of a message, as a handler would. */
export const mark: Command<'mark'> = async context => {
  const { options, operands, out, env, timers, signal } = context
  const [given = '', state = '', ...words] = operands
  const id = checkMessageId(given)
  if (!isMark(state)) throw new UsageError(`${JSON.stringify(state)} is no state; give one of ${MARKS.join(', ')}`)
  const profile = chosenProfile(options, env)
  const mailbox = await openMailbox({
    home: profile.home,
    relays: givenRelays(options.relay),
    passphrase: passphraseOf(context),
    timers,
  })
  try {
    const marked = await mailbox.mark(id, state, words.length > 0 ? words.join(' ') : undefined)
    if (marked === undefined)
      throw new CliError('not-found', EXIT.empty, `no message here begins with ${id}`, {
        hint: 'posthorn inbox fetches and lists',
      })
    const { receipt } = marked
    const about = { id: marked.id, marked: state, receipt: receipt ?? null }
    if (marked.isHandedOver) {
      out.result(marked.id, { ...about, queued: true })
      out.say('handed to the running agent, which marks it and sends the receipt')
      return EXIT.ok
    }
    if (receipt === undefined) {
      out.result(marked.id, { ...about, queued: false })
      out.say('marked here; a message of this kind has no receipts, so its sender does not learn of it')
      return EXIT.ok
    }
    const delivery = await delivered(mailbox, receipt, { timers, signal, ms: options.timeout })
    out.result(marked.id, { ...about, queued: delivery.state === 'queued' })
    return report(context, delivery, refusalOf(mailbox))
  } finally {
    await mailbox.close()
  }
}

function report({ out }: Context<'mark'>, delivery: Delivery, refusal: string | undefined): ExitCode {
  const { state } = delivery
  const why = state === 'refused' ? delivery.reason : state === 'queued' ? refusal : undefined
  if (why !== undefined) {
    const error = new CliError('refused', EXIT.failure, `marked here, but no relay takes the receipt: ${why}`)
    out.fail('mark', error, hintOfReason(why))
    return exitCodeOfReason(why)
  }
  if (state === 'queued') {
    out.say('marked here; no relay was reached: the receipt is queued and goes out with the next verb that reaches one')
    return EXIT.unreachable
  }
  if (state === 'stored' && delivery.route === 'own-relays') {
    out.say(
      `marked; the receipt is left at ${escapeText(delivery.relay)}, a relay of yours: no relay of its sender is known`,
    )
    out.say('it arrives if they read there; contact allow takes a stranger’s own relays into account')
    return EXIT.ok
  }
  out.say('marked; the receipt is at a relay, and its sender gets it when it wakes')
  return EXIT.ok
}
