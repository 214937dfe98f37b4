import { seconds } from '../../platform/clock.ts'
import { type PresenceChange, type PresenceStatus, presenceBeside } from '../../sdk/index.ts'
import type { Command, Context } from '../context.ts'
import { CliError, hintOfReason, UsageError } from '../errors.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { fetchMail, openMailbox, PATIENCE_MS, refusalOf } from '../mailbox.ts'
import { passphraseOf } from '../passphrase.ts'
import { chosenProfile } from '../profile.ts'

const NOTHING: PresenceChange = {
  activity: null,
  mood: null,
  energy: null,
  attention: null,
  acceptsWork: null,
  wakesAt: null,
}

/** `posthorn presence set`: said by the running agent, or in passing. */
export const presenceSet: Command<'presence set'> = async context => {
  const { options, out, env, timers, signal } = context
  const { home } = chosenProfile(options, env)
  const given = readStatus(context)
  if (Object.keys(given).length === 0 && !options.clear)
    throw new UsageError('there is nothing to say', 'posthorn help presence set lists what can be said')
  const mailbox = await openMailbox({
    home,
    relays: undefined,
    passphrase: passphraseOf(context),
    timers,
    patienceMs: PATIENCE_MS,
  })
  let isClosed = false
  const close = async () => {
    if (isClosed) return
    isClosed = true
    await mailbox.close()
  }
  try {
    const { agent } = mailbox
    if (agent === undefined) {
      presenceBeside(home, options.clear ? { ...NOTHING, ...given } : given)
      out.result('handed to the running agent, which says it', { running: true, presence: given })
      return EXIT.ok
    }
    await fetchMail(mailbox, { timers, signal, ms: options.timeout })
    const exit = exitOf(mailbox, context)
    if (exit !== EXIT.ok) return exit
    await agent.presence.set(given)
    // Its goodbye is the last word.
    await close()
    const state = given.wakesAt === undefined ? 'offline' : 'asleep'
    out.result(`said; others now see this profile as ${state}`, { running: false, state, presence: given })
    return EXIT.ok
  } catch (error) {
    throw error instanceof RangeError ? new UsageError(error.message) : error
  } finally {
    await close()
  }
}

function exitOf(mailbox: Parameters<typeof refusalOf>[0], { out }: Context<'presence set'>): ExitCode {
  const refusal = refusalOf(mailbox)
  if (refusal !== undefined) {
    const error = new CliError('refused', EXIT.refused, `the relay takes nothing from this profile: ${refusal}`)
    out.fail('presence set', error, hintOfReason(refusal))
    return EXIT.refused
  }
  if (mailbox.agent?.status().relays.some(({ state }) => state === 'live')) return EXIT.ok
  const error = new CliError('relay-unreachable', EXIT.unreachable, 'no relay was reached; nothing was said')
  out.fail('presence set', error, 'posthorn doctor tells why')
  return EXIT.unreachable
}

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
