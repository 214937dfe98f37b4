import { type AgentCard, type CardDraft, CardError, cardBeside, npubOf } from '../../sdk/index.ts'
import { draftOf } from '../card-draft.ts'
import { cardPage } from '../card-text.ts'
import type { Command, Context } from '../context.ts'
import { CliError, hintOfReason, UsageError } from '../errors.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { fetchMail, openMailbox, PATIENCE_MS, refusalOf } from '../mailbox.ts'
import { passphraseOf } from '../passphrase.ts'
import { chosenProfile } from '../profile.ts'

type Draft = (before: AgentCard | undefined) => CardDraft

/** `posthorn card set`. */
export const cardSet: Command<'card set'> = async context => setCard(context, await draftOf(context))

/** `posthorn card publish`: the same card, signed anew. */
export const cardPublish: Command<'card publish'> = context => setCard(context, () => ({}))

async function setCard(context: Context<'card set'> | Context<'card publish'>, draft: Draft): Promise<ExitCode> {
  const { options, out, env, timers, signal } = context
  const { home, pubkey } = chosenProfile(options, env)
  const mailbox = await openMailbox({
    home,
    relays: undefined,
    passphrase: passphraseOf(context),
    timers,
    patienceMs: PATIENCE_MS,
  })
  const show = (card: AgentCard, published: boolean | null) =>
    out.result(cardPage(card, pubkey, out.paint), { npub: npubOf(pubkey), pubkey, published, card })
  try {
    const { agent } = mailbox
    if (agent === undefined) {
      const beside = cardBeside(home)
      show(beside.set(draft(beside.own)), null)
      out.say('handed to the running agent, which publishes it')
      return EXIT.ok
    }
    // What another program of this key has set is known only then.
    await fetchMail(mailbox, { timers, signal, ms: options.timeout })
    const card = await agent.card.set(draft(agent.card.own))
    const found = await agent.card.get(pubkey)
    const published = JSON.stringify(found?.card) === JSON.stringify(card)
    show(card, published)
    if (published) {
      out.say('published')
      return EXIT.ok
    }
    const refusal = refusalOf(mailbox)
    if (refusal !== undefined) {
      out.fail(
        'card',
        new CliError('refused', EXIT.refused, `the relay takes nothing from this profile: ${refusal}`),
        hintOfReason(refusal),
      )
      return EXIT.refused
    }
    out.say('no relay was reached: it is kept, and published when the agent next reaches one')
    return EXIT.unreachable
  } catch (error) {
    throw error instanceof CardError ? new UsageError(`that is no card: ${error.message}`) : error
  } finally {
    await mailbox.close()
  }
}
