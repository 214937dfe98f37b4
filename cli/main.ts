import { basename } from 'node:path'
import { parseVerbArgs, wantsHelp } from './args.ts'
import { COMMANDS, type CommandName } from './commands/index.ts'
import type { CliHost } from './context.ts'
import { errorCode, exitCodeOf, hintOf, UsageError } from './errors.ts'
import { EXIT, type ExitCode } from './exit-codes.ts'
import { familyHelp, firstScreen, overview, verbHelp } from './help.ts'
import { createOutput, type Output } from './output.ts'
import { settingLayers } from './setting-layers.ts'
import { nearest } from './suggest.ts'
import { checkArguments } from './text-bytes.ts'
import { isVerb, splitVerb, VERBS, type VerbName } from './verbs/index.ts'
import { version } from './version.ts'

/** They serve others, have children, or a terminal to put right: they end in their own time, within what the process allows. */
const LASTING: ReadonlySet<VerbName> = new Set(['relay', 'relay top', 'mcp', 'watch', 'demo'])
/** What every other verb has for saying goodbye, in ms: nobody who pressed Ctrl-C waits for a relay that hangs. */
const WIND_UP_MS = 500

/** One command line from words to exit code. Never throws. */
export async function main(argv: readonly string[], host: CliHost): Promise<ExitCode> {
  const [first, rest] = argv.length === 0 ? [undefined, []] : splitVerb(argv)
  // Before the arguments are read, so that a mistake in them is reported in the form that was asked for.
  const out = createOutput({
    ...host,
    json: hasFlag(argv, '--json'),
    quiet: hasFlag(argv, '--quiet') || hasFlag(argv, '-q'),
    noColor: hasFlag(argv, '--no-color'),
  })
  try {
    checkArguments(argv)
    if (first === '--version' || first === '-v') return showVersion(out)
    if (first === undefined) return showFirstScreen(out)
    if (first === '--help' || first === '-h') return await showHelp(out)
    if (!isVerb(first)) return noVerb(first, rest, out)
    if (wantsHelp(rest)) return await showHelp(out, first)
    if (first === 'help') return await runHelp(rest, out)
    return await runVerb(first, rest, out, host)
  } catch (error) {
    if (host.signal.aborted) return EXIT.interrupted
    out.fail(
      first !== undefined && isVerb(first) ? first : undefined,
      error,
      hintOf(error) ?? (await profilesHint(error, host)),
    )
    return exitCodeOf(error)
  }
}

/** Whoever made a profile of another name is told how to choose it. */
async function profilesHint(error: unknown, { env }: CliHost): Promise<string | undefined> {
  if (errorCode(error) !== 'profile-missing') return undefined
  const { listProfiles, profilesRoot } = await import('../sdk/index.ts')
  const names = listProfiles(profilesRoot(env)).map(({ home }) => basename(home))
  if (names.length === 0) return undefined
  const wanted = /[/\\]([^/\\]+); create one/.exec(error instanceof Error ? error.message : '')?.[1]
  const meant = wanted === undefined ? undefined : nearest(wanted, names)
  if (meant !== undefined) return `did you mean --as ${meant}? Profiles here: ${names.slice(0, MAX_NAMES).join(', ')}`
  const more = names.length > MAX_NAMES ? ', …' : ''
  return `--as chooses one that is there: ${names.slice(0, MAX_NAMES).join(', ')}${more}`
}
const MAX_NAMES = 12

async function runVerb<V extends CommandName>(
  verb: V,
  args: readonly string[],
  out: Output,
  host: CliHost,
): Promise<ExitCode> {
  const readAgain = async () => parseVerbArgs(verb, args, await settingLayers(verb, args, host.env))
  const parsed = await readAgain()
  const run = await COMMANDS[verb]()
  const running = run({ ...parsed, ...host, out, readAgain })
  const code = await (LASTING.has(verb) ? running : Promise.race([running, interrupted(host)]))
  // To a relay a signal is the ordinary end; everything else was cut short.
  return host.signal.aborted && verb !== 'relay' ? EXIT.interrupted : code
}

/** Resolves some time after an interruption. What still goes on then may be killed at any moment: it is safe on the disk, or was asked of a relay. */
function interrupted({ signal, timers }: Pick<CliHost, 'signal' | 'timers'>): Promise<ExitCode> {
  return new Promise(resolve => {
    signal.addEventListener('abort', () => timers.after(WIND_UP_MS, () => resolve(EXIT.interrupted)), { once: true })
  })
}

function runHelp(args: readonly string[], out: Output): Promise<ExitCode> | ExitCode {
  const { operands } = parseVerbArgs('help', args)
  const topic = operands.length === 0 ? undefined : operands.join(' ')
  if (topic !== undefined && !isVerb(topic)) return showFamily(topic, out)
  return showHelp(out, topic)
}

function showFirstScreen(out: Output): ExitCode {
  out.result(out.commands(firstScreen(out)), { verbs: VERBS })
  return EXIT.ok
}

async function showHelp(out: Output, verb?: VerbName): Promise<ExitCode> {
  // Loaded by who asks for it.
  const output = verb !== undefined && out.json ? (await import('./schemas/index.ts')).OUTPUTS[verb] : undefined
  out.result(
    out.commands(verb === undefined ? overview(out) : verbHelp(verb, out)),
    verb === undefined ? { verbs: VERBS } : { verb, ...VERBS[verb], ...(output === undefined ? {} : { output }) },
  )
  return EXIT.ok
}

/** The first of two words that make a verb is no mistake yet. */
function noVerb(first: string, rest: readonly string[], out: Output): ExitCode {
  if (wantsHelp(rest)) return showFamily(first, out)
  const members = Object.keys(VERBS).flatMap(verb =>
    verb.startsWith(`${first} `) ? [verb.slice(first.length + 1)] : [],
  )
  if (members.length === 0) throw unknownVerb(first)
  const [second] = rest
  const meant = second === undefined ? undefined : nearest(second, members)
  throw new UsageError(
    second === undefined || second.startsWith('-')
      ? `${first} wants one of ${members.join(', ')}`
      : `there is no verb ${JSON.stringify(`${first} ${second}`)}${meant === undefined ? '' : `; did you mean ${first} ${meant}?`}`,
    `posthorn help ${first} tells what they do`,
  )
}

function showFamily(first: string, out: Output): ExitCode {
  const text = familyHelp(first, out)
  if (text === undefined) throw unknownVerb(first)
  out.result(out.commands(text), {
    verbs: Object.fromEntries(Object.entries(VERBS).filter(([verb]) => verb.startsWith(`${first} `))),
  })
  return EXIT.ok
}

function showVersion(out: Output): ExitCode {
  out.result(`posthorn ${version()}`, { version: version() })
  return EXIT.ok
}

function unknownVerb(word: string): UsageError {
  const instead = Object.hasOwn(INSTEAD, word) ? INSTEAD[word] : undefined
  if (instead !== undefined) return new UsageError(`there is no verb ${JSON.stringify(word)}`, `try: ${instead}`)
  const meant = nearest(word, Object.keys(VERBS))
  return new UsageError(
    `there is no verb ${JSON.stringify(word)}${meant === undefined ? '' : `; did you mean ${meant}?`}`,
    'posthorn help lists them all',
  )
}

/** Words that people try, and what does it here. */
const INSTEAD: Readonly<Record<string, string>> = {
  ask: 'posthorn send <to> <question> --act request --wait 60 (sends, and waits 60 s for the answer)',
  reply: 'posthorn mark <id> done|failed|rejected [reason]; a program answers with a handler, or posthorn watch --exec',
  list: 'posthorn inbox',
  ls: 'posthorn inbox',
  sent: 'posthorn receipts <id>',
  profiles: 'posthorn contact list; --as NAME chooses a profile of this machine',
  contacts: 'posthorn contact list',
  start: 'posthorn relay, or posthorn watch --exec CMD for an agent',
  serve: 'posthorn relay',
  listen: 'posthorn watch --exec CMD, or posthorn inbox --follow',
  handle: 'posthorn watch --exec CMD',
  board: 'posthorn state get <key> --of <who>; boards are written by programs (docs/guide.md)',
}

function hasFlag(argv: readonly string[], flag: string): boolean {
  const end = argv.indexOf('--')
  return (end === -1 ? argv : argv.slice(0, end)).includes(flag)
}
