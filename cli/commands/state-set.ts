import type { Cancel } from '../../platform/timers.ts'
import { parseJson } from '../../protocol/json.ts'
import { parseReason } from '../../protocol/reasons.ts'
import { type Agent, type AgentState, type Json, StateError, stateBeside } from '../../sdk/index.ts'
import type { Command, Context } from '../context.ts'
import { CliError, exitCodeOfReason, hintOfReason, UsageError } from '../errors.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { openMailbox, PATIENCE_MS, refusalOf } from '../mailbox.ts'
import { passphraseOf } from '../passphrase.ts'
import { chosenProfile } from '../profile.ts'
import { escapeText } from '../text.ts'

/** `posthorn state set <key> <value> […]`. */
export const stateSet: Command<'state set'> = context => {
  const { operands, options } = context
  if (operands.length % 2 === 1) throw new UsageError('each key has a value after it')
  const values: (readonly [string, Json])[] = []
  for (let at = 0; at < operands.length; at += 2) {
    const [key = '', text = ''] = operands.slice(at)
    const json = options.text ? undefined : parseJson(text)
    values.push([key, json?.ok ? (json.value as Json) : text])
  }
  // Not by assignment: "__proto__" is a key like any other.
  return update(context, Object.fromEntries(values))
}

/** `posthorn state del <key>…`. */
export const stateDel: Command<'state del'> = context =>
  update(context, Object.fromEntries(context.operands.map(key => [key, null])))

async function update(
  context: Context<'state set'> | Context<'state del'>,
  values: Readonly<Record<string, Json>>,
): Promise<ExitCode> {
  const { options, out, env, timers } = context
  const { home } = chosenProfile(options, env)
  const keys = Object.keys(values).map(escapeText).join(', ')
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
      stateBeside(home, { private: options.private }).update(values)
      out.result(keys, { values, published: null })
      out.say('handed to the running agent, which tells it')
      return EXIT.ok
    }
    const state = options.private ? agent.state.private : agent.state
    await state.update(values)
    const published = await flushed(agent, state, options.timeout)
    out.result(keys, { values, published })
    if (published) return EXIT.ok
    const reason = refusalOf(mailbox) ?? (await state.open()).view.status.error
    if (reason !== undefined) {
      const error = new CliError('refused', exitCodeOfReason(reason), `no relay has taken the change: ${reason}`)
      out.fail('state', error, hintOfReason(reason))
      out.say(KEPT)
      return error.exit
    }
    out.say(notPublished(agent, options.timeout))
    return EXIT.unreachable
  } catch (error) {
    throw error instanceof StateError ? new UsageError(error.message) : error
  } finally {
    await mailbox.close()
  }
}

const KEPT = 'it is kept here, and goes out with posthorn catchup or the next agent that uses its state'

/** Refused for good by the only relay: not waited for any longer. */
async function flushed(agent: Agent, state: AgentState, ms: number): Promise<boolean> {
  const { view } = await state.open()
  if (agent.status().relays.length > 1) return state.flush(ms)
  let off: Cancel = () => {}
  const refused = new Promise<false>(resolve => {
    off = view.on('status', ({ error }) => {
      if (error !== undefined && !PASSING.includes(parseReason(error).prefix ?? '')) resolve(false)
    })
  })
  return Promise.race([state.flush(ms), refused]).finally(off)
}
/** Prefixes of reasons that may be another one in a moment. */
const PASSING: readonly string[] = ['rate-limited', 'error', 'auth-required', '']

/** Why nothing was published, as far as the relays' states tell. */
function notPublished(agent: Agent, ms: number): string {
  const isReached = agent.status().relays.some(({ state }) => state !== 'offline')
  const why = isReached ? `no relay has acknowledged it within ${ms / 1_000} s` : 'no relay was reached'
  return `${why}: ${KEPT}`
}
