import { type AgentCard, type CardDraft, CardError, cardBeside, npubOf } from '../../sdk/index.ts'
import { draftOf } from '../card-draft.ts'
import { cardPage } from '../card-text.ts'
import type { Command, Context } from '../context.ts'
import { UsageError } from '../errors.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { fetchMail, openMailbox, PATIENCE_MS } from '../mailbox.ts'
import { passphraseOf } from '../passphrase.ts'
import { chosenProfile } from '../profile.ts'
import { reportTaken } from '../taken.ts'

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
    const answers = await agent.card.answers()
    const published = answers.some(({ accepted }) => accepted)
    show(card, published)
    if (published) out.say('published')
    return reportTaken(out, answers, {
      verb: 'card',
      what: 'the card',
      otherwise: 'it is kept here, and offered again when the agent next connects',
    })
  } catch (error) {
    throw error instanceof CardError ? new UsageError(`that is no card: ${error.message}`) : error
  } finally {
    await mailbox.close()
  }
}
