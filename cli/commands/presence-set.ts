import { seconds } from '../../platform/clock.ts'
import { type PresenceChange, type PresenceStatus, presenceBeside, type RelayAnswer } from '../../sdk/index.ts'
import type { Command, Context } from '../context.ts'
import { UsageError } from '../errors.ts'
import { EXIT } from '../exit-codes.ts'
import { fetchMail, type Mailbox, openMailbox, PATIENCE_MS, refusalOf } from '../mailbox.ts'
import { passphraseOf } from '../passphrase.ts'
import { chosenProfile } from '../profile.ts'
import { reportTaken } from '../taken.ts'

const NOTHING: PresenceChange = {
  activity: null,
  mood: null,
  energy: null,
  attention: null,
  acceptsWork: null,
  wakesAt: null,
}

/** `posthorn presence set`: published by the running agent, or by this process, which then says goodbye. */
export const presenceSet: Command<'presence set'> = async context => {
  const { options, out, env, timers, signal } = context
  const { home } = chosenProfile(options, env)
  const given = readStatus(context)
  if (Object.keys(given).length === 0 && !options.clear)
    throw new UsageError('there is nothing to publish', 'posthorn help presence set lists the fields')
  const mailbox = await openMailbox({
    home,
    relays: undefined,
    passphrase: passphraseOf(context),
    timers,
    patienceMs: PATIENCE_MS,
  })
  try {
    const { agent } = mailbox
    if (agent === undefined) {
      presenceBeside(home, options.clear ? { ...NOTHING, ...given } : given)
      out.result('handed to the running agent, which publishes it', { running: true, presence: given })
      return EXIT.ok
    }
    await fetchMail(mailbox, { timers, signal, ms: options.timeout })
    const refusal = refusalOf(mailbox)
    const answers = refusal === undefined ? await agent.presence.set(given) : [refusedBy(mailbox, refusal)]
    if (!answers.some(({ accepted }) => accepted)) return reportTaken(out, answers, WHAT)
    // This process ends: the goodbye is what others see.
    const goodbyes = await agent.presence.leave()
    const state = given.wakesAt === undefined ? 'offline' : 'asleep'
    if (!goodbyes.some(({ accepted }) => accepted)) return reportTaken(out, goodbyes, GOODBYE)
    out.result(`published; others now see this profile as ${state}`, { running: false, state, presence: given })
    return reportTaken(out, goodbyes, WHAT)
  } catch (error) {
    throw error instanceof RangeError ? new UsageError(error.message) : error
  } finally {
    await mailbox.close()
  }
}

const WHAT = { verb: 'presence set', what: 'the presence', otherwise: 'others see no change; run the command again' }
const GOODBYE = {
  verb: 'presence set',
  what: 'the end of this session',
  otherwise: 'the presence was published, but others may see this profile as online for a minute or two',
}

/** A relay that serves this key nothing, as its answer. */
const refusedBy = ({ agent }: Mailbox, message: string): RelayAnswer => ({
  relay: agent?.status().relays.find(({ error }) => error === message)?.url ?? '',
  accepted: false,
  message,
})

function readStatus({ options, clock }: Context<'presence set'>): PresenceStatus {
  const { activity, mood, work } = options
  if (work !== undefined && work !== 'yes' && work !== 'no') throw new UsageError('--work is yes or no')
  const wakesIn = options['wakes-in']
  return {
    ...(activity === undefined ? {} : { activity }),
    ...(mood === undefined ? {} : { mood }),
    ...level('energy', options.energy),
    ...level('attention', options.attention),
    ...(work === undefined ? {} : { acceptsWork: work === 'yes' }),
    ...(wakesIn === undefined ? {} : { wakesAt: seconds(clock) + Math.ceil(wakesIn / 1_000) }),
  }
}

function level(name: 'energy' | 'attention', text: string | undefined): PresenceStatus {
  if (text === undefined) return {}
  if (!/^-?(0(\.\d{1,6})?|1(\.0{1,6})?|\.\d{1,6})$/.test(text))
    throw new UsageError(`--${name} is a number from -1 to 1; a negative one is written --${name}=-0.5`)
  return { [name]: Number(text) }
}
