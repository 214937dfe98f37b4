import { sleep } from '../../platform/timers.ts'
import type { Command, Context } from '../context.ts'
import { errorCode, exitCodeOf, UsageError } from '../errors.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { withLookout } from '../lookout.ts'
import { relayFor } from '../profile.ts'
import { escapeLine } from '../text.ts'
import { listenForQuit } from '../top/keys.ts'
import { figuresOf, type Look, lookAt } from '../top/look.ts'
import { topPage } from '../top/page.ts'
import { type Roster, watchRoster } from '../top/roster.ts'
import { createScreen } from '../top/screen.ts'

/** For the relay to tell who is there, before a first look that is the only one. */
const ROSTER_MS = 1_000

/** `posthorn relay top`: looks again and again; one relay at a time. */
export const relayTop: Command<'relay top'> = async context => {
  const { options, env, timers, signal } = context
  const relay = relayFor(options, env)
  if (options.metrics !== undefined && !URL.canParse(options.metrics))
    throw new UsageError('--metrics takes a URL like http://localhost:9464')
  const count = options.count ?? (context.stdout.isTTY || options.json ? undefined : 1)
  if (count === 0 || options.every === 0) throw new UsageError('--count and --every are above 0')
  // Its numbers first: what is down, or no Posthorn relay, is known at once.
  const first = await look(relay, context)
  return withLookout({ ...context, options: { ...options, relay: [relay] } }, async around => {
    const roster = watchRoster(around, context)
    const screen = createScreen(context, !options.json && count === undefined)
    const keys = listenForQuit(context, screen.isLive)
    const here = { ...context, signal: AbortSignal.any([signal, keys.quit]) }
    try {
      await sleep(timers, ROSTER_MS, here.signal)
      return await watchRelay({ relay, first, count, roster: roster.read, show: screen.show }, here)
    } finally {
      keys.stop()
      screen.close()
      roster.stop()
    }
  })
}

interface Watching {
  readonly relay: string
  readonly first: Look
  readonly count: number | undefined
  roster(): Roster
  show(page: string): void
}

async function watchRelay(watching: Watching, context: Context<'relay top'>): Promise<ExitCode> {
  const { options, timers, signal, out } = context
  const { relay, count, first } = watching
  let before: Look | undefined
  let now: Look | undefined = first
  let failure: ExitCode = EXIT.ok
  for (let shown = 1; ; shown++) {
    if (now !== undefined) {
      show({ before, now }, watching, context)
      before = now
      failure = EXIT.ok
    }
    if (signal.aborted || shown === count) return failure
    await sleep(timers, options.every, signal)
    if (signal.aborted) return EXIT.ok
    now = await look(relay, context).catch((error: unknown) => {
      failure = exitCodeOf(error)
      out.say(escapeLine(error instanceof Error ? error.message : errorCode(error), 200))
      return undefined
    })
  }
}

const look = (relay: string, { options, signal, clock }: Context<'relay top'>): Promise<Look> =>
  lookAt({ relay, metrics: options.metrics, timeoutMs: options.timeout, signal, clock })

function show(
  { before, now }: { readonly before: Look | undefined; readonly now: Look },
  { relay, roster, show: draw }: Watching,
  { out, clock }: Context<'relay top'>,
): void {
  const figures = figuresOf(before, now)
  const { awake, asleep, agents } = roster()
  if (!out.json)
    return draw(topPage({ relay, look: now, figures, roster: { awake, asleep, agents } }, out.paint, out.width))
  const { connections, subscriptions, head, uptimeS } = now.stats
  out.result('', {
    relay,
    at: Math.round(clock.now() / 1_000),
    answerMs: Math.round(now.answerMs * 10) / 10,
    uptimeS,
    connections,
    subscriptions,
    head,
    ...figures,
    agents: { awake, asleep },
  })
}
