import { parseJson } from '../../protocol/json.ts'
import { type Agent, type Json, StateError, stateBeside } from '../../sdk/index.ts'
import type { Command, Context } from '../context.ts'
import { CliError, hintOfReason, UsageError } from '../errors.ts'
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
    const published = await state.flush(options.timeout)
    out.result(keys, { values, published })
    if (published) return EXIT.ok
    const refusal = refusalOf(mailbox)
    if (refusal !== undefined) {
      out.fail(
        'state',
        new CliError('refused', EXIT.refused, `the relay takes nothing from this profile: ${refusal}`),
        hintOfReason(refusal),
      )
      return EXIT.refused
    }
    out.say(notPublished(agent, options.timeout))
    return EXIT.unreachable
  } catch (error) {
    throw error instanceof StateError ? new UsageError(error.message) : error
  } finally {
    await mailbox.close()
  }
}

/** Why nothing was published, as far as the relays' states tell. */
function notPublished(agent: Agent, ms: number): string {
  const isReached = agent.status().relays.some(({ state }) => state !== 'offline')
  const why = isReached ? `no relay has acknowledged it within ${ms / 1_000} s` : 'no relay was reached'
  return `${why}: it is kept here, and goes out with posthorn catchup or the next agent that uses its state`
}
