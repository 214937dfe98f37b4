import { seconds } from '../../platform/clock.ts'
import { type NostrEvent, parseEvent, type Tag, verifyEvent } from '../../protocol/index.ts'
import { parseJson } from '../../protocol/json.ts'
import { openHomeSigner, type PublishResult } from '../../sdk/index.ts'
import type { Command, Context } from '../context.ts'
import { CliError, exitCodeOfReason, hintOfReason, UsageError } from '../errors.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { passphraseOf } from '../passphrase.ts'
import { chosenProfile, relayFor } from '../profile.ts'
import { connectAs } from '../relay-client.ts'
import { escapeText } from '../text.ts'
import { withoutMark } from '../text-bytes.ts'
import { timedOut } from '../timed-out.ts'
import { within } from '../wait.ts'

/**
 * `posthorn publish`: signed events from the operand or stdin, or one signed here. Straight to the relay, past any
 * outbox: what is printed is the relay's own answer.
 */
export const publish: Command<'publish'> = async context => {
  const { options, out, env, timers, signal } = context
  const passphrase = passphraseOf(context)
  const events =
    options.kind === undefined ? await readSigned(context) : [await sign(context, options.kind, passphrase)]
  const url = relayFor(options, env)
  const client = await connectAs(url, options, env, {
    timeoutMs: options.timeout,
    passphrase,
  })
  let worst: ExitCode = EXIT.ok
  try {
    for (const event of events) {
      const result = await within(client.publish(event), { timers, signal, ms: options.timeout })
      if (signal.aborted) break
      if (result === undefined) throw timedOut(url, options.timeout)
      report(context, event, result)
      if (!result.accepted) worst = exitCodeOfReason(result.message)
    }
    if (events.length > 1) out.say(`${events.length} events offered`)
    return worst
  } finally {
    await client.close()
  }
}

function report({ out }: Context<'publish'>, event: NostrEvent, { accepted, message, seq }: PublishResult): void {
  out.result(event.id, { id: event.id, accepted, message, ...(seq === undefined ? {} : { seq }) })
  if (!accepted)
    out.fail(
      'publish',
      new CliError('refused', EXIT.failure, `the relay refused ${event.id}: ${message}`),
      hintOfReason(message),
    )
  else
    out.say(
      seq === undefined
        ? `accepted${message === '' ? '' : `: ${escapeText(message)}`}`
        : `${message.startsWith('duplicate') ? 'known already' : 'stored'} (seq ${seq})`,
    )
}

async function sign(context: Context<'publish'>, kind: number, passphrase: () => Promise<string>): Promise<NostrEvent> {
  const { options, operands, env, clock } = context
  const profile = chosenProfile(options, env)
  const content = operands[0] === '-' ? (await context.readStdin()).replace(/\r?\n$/, '') : (operands[0] ?? '')
  const signer = await openHomeSigner(profile, { passphrase })
  try {
    const template = { kind, created_at: seconds(clock), tags: options.tag.map(parseTag), content }
    return await signer.sign(template)
  } catch (error) {
    if (error instanceof TypeError) throw new UsageError(error.message)
    throw error
  } finally {
    await signer.close?.()
  }
}

/** `name=value`, `name` alone, or a JSON array for tags of more elements. */
function parseTag(text: string): Tag {
  if (text.startsWith('[')) {
    const json = parseJson(text)
    if (json.ok && Array.isArray(json.value) && json.value.every(element => typeof element === 'string'))
      return json.value
    throw new UsageError(`--tag ${text} is not a JSON array of strings`)
  }
  const [, name = '', value] = /^([^=]*)(?:=(.*))?$/s.exec(text) ?? []
  if (name === '') throw new UsageError(`--tag takes NAME=VALUE, got ${JSON.stringify(text)}`)
  return value === undefined ? [name] : [name, value]
}

/** The operand, or each line of stdin. All of them are checked before the first is sent. */
async function readSigned({
  options,
  operands,
  readStdin,
  stdinIsTerminal,
}: Context<'publish'>): Promise<NostrEvent[]> {
  const [given = '-'] = operands
  if (options.tag.length > 0) throw new UsageError('--tag belongs to a new event; give its --kind as well')
  if (given !== '-' && !given.trimStart().startsWith('{'))
    throw new UsageError('that is no signed event in JSON; to sign a new one give its --kind')
  if (given === '-' && operands.length === 0 && stdinIsTerminal)
    throw new UsageError('nothing to publish', 'posthorn help publish')
  const lines =
    given === '-'
      ? withoutMark(await readStdin())
          .split('\n')
          .filter(line => line.trim() !== '')
      : [given]
  if (lines.length === 0) throw new CliError('empty', EXIT.empty, 'stdin held no events')
  return lines.map((line, index) => checked(line, lines.length > 1 ? `line ${index + 1}` : 'the event'))
}

function checked(text: string, what: string): NostrEvent {
  const json = parseJson(text)
  if (!json.ok) throw new UsageError(`${what} is not JSON`)
  const event = parseEvent(json.value)
  if (!event.ok) throw new UsageError(`${what}: ${event.error}`)
  if (!verifyEvent(event.value))
    throw new CliError('invalid-event', EXIT.integrity, `${what}: id or signature does not hold; nothing was sent`)
  return event.value
}
