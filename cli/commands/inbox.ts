import { seconds } from '../../platform/clock.ts'
import type { InboxEntry, InboxQuery } from '../../sdk/index.ts'
import type { Command, Context } from '../context.ts'
import { hintOfReason } from '../errors.ts'
import { EXIT } from '../exit-codes.ts'
import { factsOf, healthFields, RUNNING } from '../health.ts'
import { fetchMail, type Mailbox, openMailbox, PATIENCE_MS, partialOf, refusalOf } from '../mailbox.ts'
import { messageFields, messageLine } from '../message-text.ts'
import { passphraseOf } from '../passphrase.ts'
import { chosenProfile, givenRelays } from '../profile.ts'
import { followCatchUp } from '../progress.ts'
import { escapeText } from '../text.ts'
import { poll } from '../wait.ts'

/** Columns to fill when stdout does not tell. */
const WIDTH = 100

/** `posthorn inbox`: fetch (bounded), list. Nothing is marked as read by being listed. */
export const inbox: Command<'inbox'> = async context => {
  const { options, out, env, signal, timers } = context
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
    const reached = options.offline || (await caughtUp(mailbox, context))
    const query: InboxQuery = {
      limit: options.limit,
      ...(options.unread || options.wait !== undefined ? { unread: true } : {}),
      ...(options.from === undefined ? {} : { from: (await mailbox.contacts.find(options.from)).pubkey }),
    }
    const look = () => {
      const entries = mailbox.inbox(query)
      return entries.length > 0 ? entries : undefined
    }
    const entries = (options.wait === undefined ? look() : await poll(look, { timers, signal, ms: options.wait })) ?? []
    for (const entry of entries) print(entry, context)
    if (entries.length > 0 && entries.length === options.limit)
      out.say(`the newest ${options.limit}; more with --limit N`)
    // The last line: whether these are all the messages there are.
    if (out.json)
      out.result('', { health: healthFields(factsOf(mailbox, profile, !options.offline), mailbox.unwritable) })
    if (options.follow) await follow(mailbox, query, entries, context)
    if (entries.length > 0 || options.follow) return EXIT.ok
    const refused = !reached && refusalOf(mailbox) !== undefined
    const { unwritable } = mailbox
    const besides = mailbox.agent === undefined && unwritable === undefined ? `; an agent is ${RUNNING}` : ''
    if (unwritable !== undefined && !reached) return EXIT.failure
    out.say(reached || refused ? `nothing here${besides}` : 'nothing here, and the relay was not reached')
    return refused ? EXIT.refused : reached ? EXIT.empty : EXIT.unreachable
  } finally {
    await mailbox.close()
  }
}

/** True if everything the relays had is here, or that is the business of a running agent. */
async function caughtUp(mailbox: Mailbox, context: Context<'inbox'>): Promise<boolean> {
  const { options, out, signal, timers } = context
  if (mailbox.unwritable !== undefined) {
    out.say(`the relays were not asked (${escapeText(mailbox.unwritable)}); this is what is here`)
    return false
  }
  if (mailbox.agent === undefined) return true
  const progress = followCatchUp(mailbox.agent, context)
  const summary = await fetchMail(mailbox, { timers, signal, ms: options.timeout }).finally(progress.end)
  for (const { relay, error } of summary?.complete ? summary.relays.filter(({ status }) => status === 'offline') : [])
    out.say(`${escapeText(relay)} was not reached${error === undefined ? '' : ` (${escapeText(error)})`}`)
  if (summary?.complete) return true
  const why = mailbox.agent.status().relays.find(({ error }) => error !== undefined)?.error ?? partialOf(summary)
  out.say(`not caught up with the relay${why === undefined ? '' : ` (${escapeText(why)})`}; this is what is here`)
  const hint = hintOfReason(why ?? '')
  if (hint !== undefined) out.say(hint)
  return false
}

/** Prints what arrives, until interrupted. */
async function follow(
  mailbox: Mailbox,
  query: InboxQuery,
  shown: readonly InboxEntry[],
  context: Context<'inbox'>,
): Promise<void> {
  const { signal, timers, out } = context
  const seen = new Set([...mailbox.inbox({ ...query, limit: LOOK_BACK }), ...shown].map(entry => entry.id))
  out.say('waiting for more; Ctrl-C ends')
  while (!signal.aborted) {
    const fresh = await poll(
      () => {
        const entries = mailbox.inbox({ ...query, limit: LOOK_BACK }).filter(entry => !seen.has(entry.id))
        return entries.length > 0 ? entries : undefined
      },
      { timers, signal, ms: FOREVER },
    )
    for (const entry of fresh ?? []) {
      seen.add(entry.id)
      print(entry, context)
    }
  }
}
/** Messages looked back over for what is new; more than can arrive between two looks. */
const LOOK_BACK = 1_000
/** The longest a timer can be set, in ms. */
const FOREVER = 2 ** 31 - 1

function print(entry: InboxEntry, { out, clock, stdout }: Context<'inbox'>): void {
  out.result(messageLine(entry, seconds(clock), stdout.columns || WIDTH, out.paint), messageFields(entry))
}
