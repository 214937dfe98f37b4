import { sleep } from '../../platform/timers.ts'
import {
  type Agent,
  type Drained,
  type HandlerMessage,
  HomeInUseError,
  openAgent,
  PERFORMATIVES,
  Rejection,
} from '../../sdk/index.ts'
import type { Command, Context } from '../context.ts'
import { CliError, hintOfReason, UsageError } from '../errors.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { fetchMail, partialOf, refusalOf } from '../mailbox.ts'
import { senderText } from '../message-text.ts'
import { passphraseOf } from '../passphrase.ts'
import { chosenProfile, givenRelays } from '../profile.ts'
import { escapeLine, escapeText, plural } from '../text.ts'
import { messageEnvironment } from '../watch/environment.ts'
import { runCommand, syntaxFault } from '../watch/run-command.ts'
import { createSlots } from '../watch/slots.ts'
import { type Verdict, verdictOf } from '../watch/verdict.ts'

/** What a sealed message holds. */
const MAX_ANSWER_BYTES = 32_768
/** Messages looked over for acts. */
const LOOK_BACK = 10_000
/** Of one sender, for the number of the attempt. */
const RECENT = 200
/** The time limit is the command's own; waiting for a free slot does not count. */
const NO_LIMIT_MS = 2 ** 31 - 1
const CLOSE_MS = 6_000
const OFFLINE_SHARE_MS = 500

interface Work {
  readonly agent: Agent
  readonly home: string
  readonly command: string
  readonly acquire: (signal: AbortSignal) => Promise<() => void>
  readonly ended: { running: number; done: number; failed: number }
  /** The command line is at fault: nothing more is tried. */
  giveUp(error: CliError): void
}

/** `posthorn watch --exec CMD`: an agent whose handler is a command. */
export const watch: Command<'watch'> = async context => {
  const { options, env, signal } = context
  const command = options.exec
  if (command === undefined) throw new UsageError('watch needs --exec CMD', 'posthorn help watch tells what it gets')
  for (const name of ['jobs', 'attempts'] as const)
    if (options[name] === 0) throw new UsageError(`--${name} is at least 1`)
  const fault = syntaxFault(command)
  if (fault !== undefined)
    throw new UsageError(`the shell cannot read the command: ${fault}`, 'nothing was taken from the inbox')
  const { home } = chosenProfile(options, env)
  const agent = await openHere(home, context)
  const over = new AbortController()
  const stop = AbortSignal.any([signal, over.signal])
  let unusable: CliError | undefined
  const work: Work = {
    agent,
    home,
    command,
    acquire: createSlots(options.jobs),
    ended: { running: 0, done: 0, failed: 0 },
    giveUp(error) {
      unusable ??= error
      over.abort()
    },
  }
  try {
    handleActs(work, context)
    const exit = options.once ? await untilDone(work, context, stop) : await untilStopped(work, context, stop)
    if (unusable !== undefined) throw unusable
    return exit
  } finally {
    const isAwaited = work.ended.running > 0 || agent.status().relays.some(({ state }) => state !== 'offline')
    await agent.close({ timeoutMs: isAwaited ? CLOSE_MS : 0 })
  }
}

async function openHere(home: string, context: Context<'watch'>): Promise<Agent> {
  const { options } = context
  const relays = givenRelays(options.relay)
  try {
    return await openAgent({
      home,
      create: false,
      passphrase: passphraseOf(context),
      // Relays of one round are not where others should write.
      announce: relays === undefined || !options.once,
      ...(relays === undefined ? {} : { relays }),
    })
  } catch (error) {
    if (!(error instanceof HomeInUseError)) throw error
    throw new CliError('home-in-use', EXIT.failure, error.message, {
      hint: 'one agent a profile: that one works its mail off',
      cause: error,
    })
  }
}

/** Those of the table that are no answers, and what else contacts send; or exactly those asked for. */
function handleActs(work: Work, context: Context<'watch'>): void {
  const { agent } = work
  const { options } = context
  const handled = new Set<string>()
  const handle = (act: string) => {
    if (handled.has(act)) return
    handled.add(act)
    agent.handle(act, message => runFor(work, message, context), {
      concurrency: options.jobs,
      maxAttempts: options.attempts,
      timeoutMs: NO_LIMIT_MS,
    })
  }
  if (options.act.length > 0) return options.act.forEach(handle)
  for (const [act, { expectsReply, replies }] of Object.entries(PERFORMATIVES))
    if (expectsReply || replies.length > 0) handle(act)
  const learn = (message: { readonly act: string; readonly known: boolean }) => {
    if (message.known && !Object.hasOwn(PERFORMATIVES, message.act)) handle(message.act)
  }
  agent.on('message', learn)
  for (const entry of agent.inbox({ limit: LOOK_BACK })) learn(entry)
}

async function runFor(work: Work, message: HandlerMessage, context: Context<'watch'>): Promise<string | undefined> {
  const { agent, acquire, ended } = work
  const { options, env, timers, clock, out } = context
  ended.running += 1
  try {
    const release = await acquire(message.signal)
    try {
      const attempts = agent.inbox({ from: message.from, limit: RECENT }).find(({ id }) => id === message.id)?.attempts
      const begun = clock.monotonic()
      const ran = await runCommand({
        command: work.command,
        env: { ...env, ...messageEnvironment({ ...message, attempts: attempts ?? 1 }, work.home) },
        body: message.text,
        signal: message.signal,
        timers,
        timeLimitMs: options['time-limit'],
        maxBytes: MAX_ANSWER_BYTES,
        onStderr: text => out.say(escapeText(text.replace(/\n$/, ''))),
      })
      const verdict = verdictOf(ran, options['time-limit'])
      return conclude(work, { message, verdict, attempt: attempts ?? 1, ms: clock.monotonic() - begun }, context)
    } finally {
      release()
    }
  } finally {
    ended.running -= 1
  }
}

interface Concluded {
  readonly message: HandlerMessage
  readonly verdict: Verdict
  readonly attempt: number
  readonly ms: number
}

/** Tells the user, and the worker, which makes receipt and answer of it. */
function conclude(work: Work, { message, verdict, attempt, ms }: Concluded, context: Context<'watch'>) {
  const { out, options } = context
  const { ended } = work
  const tell = (outcome: 'done' | 'rejected' | 'again' | 'failed', reason?: string) => {
    const how = outcome === 'again' ? 'to be tried again' : outcome
    const why = reason === undefined ? '' : `: ${escapeLine(reason, 120)}`
    const who = senderText(message)
    out.result(
      `${message.id.slice(0, 8)}  ${who.padEnd(14)}  ${escapeLine(message.act, 16).padEnd(8)}  ${how}${why}  ${out.paint.dim(`(${Math.round(ms)} ms)`)}`,
      {
        id: message.id,
        from: message.from,
        ...(message.fromName === undefined ? {} : { fromName: message.fromName }),
        act: message.act,
        outcome,
        attempt,
        ms: Math.round(ms),
        ...(reason === undefined ? {} : { reason }),
      },
    )
  }
  switch (verdict.kind) {
    case 'done':
      ended.done += 1
      tell('done')
      return verdict.answer
    case 'rejected':
      ended.done += 1
      tell('rejected', verdict.reason)
      throw new Rejection(verdict.reason)
    case 'again': {
      const isLast = attempt >= options.attempts
      if (isLast) ended.failed += 1
      tell(isLast ? 'failed' : 'again', verdict.reason)
      throw new Error(verdict.reason)
    }
    case 'unusable':
      work.giveUp(
        new CliError('command-unusable', EXIT.failure, verdict.reason, {
          hint: 'the message was left as it was, and no attempt counts; try the command by hand, with a text on stdin',
        }),
      )
      return untilAborted(message.signal)
    case 'stopped':
      throw new Error('stopped')
    default:
      return verdict satisfies never
  }
}

/** Held until the agent closes: an attempt that is stopped then does not count. */
const untilAborted = (signal: AbortSignal): Promise<never> =>
  new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  })

async function untilStopped(work: Work, { out, timers }: Context<'watch'>, stop: AbortSignal): Promise<ExitCode> {
  out.say(`watching as ${escapeText(work.agent.name)}; Ctrl-C ends`)
  let told: string | undefined
  const off = work.agent.on('status', ({ relays }) => {
    const refusal = relays.map(({ error }) => error).find(error => error !== undefined)
    if (refusal !== told && refusal !== undefined) out.say(escapeLine(refusal, 200))
    told = refusal
  })
  while (!stop.aborted) await sleep(timers, NO_LIMIT_MS, stop)
  off()
  return EXIT.ok
}

/** Everything the relays had is here, and nothing of it waits any more. */
async function untilDone(work: Work, context: Context<'watch'>, stop: AbortSignal): Promise<ExitCode> {
  const { agent, ended } = work
  const { options, out, timers } = context
  const mailbox = { agent, counts: () => agent.status() }
  const summary = await fetchMail(mailbox, { timers, signal: stop, ms: options.timeout })
  // Without any relay only what is on this machine is worked off.
  const shareMs = summary?.status === 'offline' ? OFFLINE_SHARE_MS : options.timeout
  const drained = await drainFor(agent, { shareMs, isPart: options.act.length > 0, stop }, context)
  if (drained !== undefined && drained.unsent > 0)
    out.say(`${plural(drained.unsent, 'outcome')} could not be sent yet: no relay took it. The next run sends it`)
  if (ended.failed > 0) return EXIT.failure
  // Cut short: by Ctrl-C, or because the command cannot be run. Of what is left nothing is known.
  if (stop.aborted) return EXIT.failure
  if (summary?.complete) {
    if (ended.done > 0) return EXIT.ok
    out.say('nothing to do')
    return EXIT.empty
  }
  const refusal = refusalOf({ agent })
  const why = refusal ?? partialOf(summary)
  out.say(why === undefined ? 'not caught up: no relay was reached in time' : escapeLine(why, 200))
  const hint = refusal === undefined ? undefined : hintOfReason(refusal)
  if (hint !== undefined) out.say(hint)
  return refusal === undefined ? EXIT.unreachable : EXIT.refused
}

/** As long as something waits for a command or is with one. A relay that goes away meanwhile is not waited for. */
async function drainFor(
  agent: Agent,
  { shareMs, isPart, stop }: { readonly shareMs: number; readonly isPart: boolean; readonly stop: AbortSignal },
  { clock }: Context<'watch'>,
): Promise<Drained | undefined> {
  let timeoutMs = shareMs
  for (;;) {
    // Who asks for some acts leaves the others to another run.
    const unknown = isPart ? 'leave' : 'refuse'
    const drained = await agent.drain({ timeoutMs, unknown, signal: stop }).catch(error => {
      if (!stop.aborted) throw error
      return undefined
    })
    if (drained === undefined || drained.left === 0) return drained
    // What is tried again later is waited for, too.
    timeoutMs = shareMs + Math.max(0, (drained.nextDueMs ?? 0) - clock.now())
  }
}
