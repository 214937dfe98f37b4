import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { type WakePath, wakePathOn } from '../mcp/wake-path.ts'
import { sleep } from '../platform/timers.ts'
import { fileShelf } from '../sdk/home/file-shelf.ts'
import { homeFiles } from '../sdk/home/paths.ts'
import type { Context } from './context.ts'
import { EXIT, type ExitCode } from './exit-codes.ts'
import { isRunning } from './host-process.ts'
import type { AgentHost } from './install/agent-hosts.ts'
import { noticeOf, type Told } from './install/notice.ts'
import { openMailbox } from './mailbox.ts'
import { passphraseOf } from './passphrase.ts'
import { agentHome } from './project-profile.ts'
import type { WakeSession } from './wake-session.ts'
import { takeTurn } from './wake-waiters.ts'

/** What Claude Code takes for "wake the model, with what is on stderr". */
const WAKES = EXIT.usage

/** Waits for mail that no model has heard of, and tells the host. Returns the exit code. */
export async function waitAndTell(host: AgentHost, session: WakeSession, context: Context<'wake'>): Promise<ExitCode> {
  const { options, env } = context
  const { home } = agentHome(options, env, session.cwd ?? process.cwd())
  const wakePath = wakePathOn(fileShelf(home))
  // Codex waits for its hooks: a program that the hook leaves behind does the waiting.
  const isCodexHook = host.name === 'codex' && options.thread === undefined
  const told = await awaitNotice({ home, host, session, wakePath, ms: isCodexHook ? 0 : options.wait }, context)
  if (told === undefined) {
    if (isCodexHook && options.wait > 0) leaveWaiter(home, session, context)
    return EXIT.ok
  }
  const code = await tell(told.text, host, context)
  if (code === EXIT.failure) wakePath.retract(told.word)
  return code
}

interface Waiting {
  readonly home: string
  readonly host: AgentHost
  readonly session: WakeSession
  readonly wakePath: WakePath
  /** How long. */
  readonly ms: number
}

/** Between looks, in ms: a model takes longer to start its turn. */
const LOOK_MS = 1_000
/** The MCP server of a session that starts comes first: it runs the agent, and this process reads beside it. In ms. */
const SERVER_FIRST_MS = 2_000

/** Waits for mail that no model has heard of. Ends with its host, and when a later waiter of the same session takes its place. */
async function awaitNotice(
  { home, host, session, wakePath, ms }: Waiting,
  context: Context<'wake'>,
): Promise<Told | undefined> {
  const { timers, clock, signal } = context
  const end = clock.monotonic() + ms
  const isHostHere = hostWatch(session)
  const isOver = () => signal.aborted || !isHostHere()
  const rest = (longest: number) => sleep(timers, Math.max(0, Math.min(longest, end - clock.monotonic())), signal)

  // The MCP server makes the profile at its first start.
  const isThere = () => existsSync(homeFiles(home).profile)
  const wasThere = isThere()
  while (!isThere()) {
    if (clock.monotonic() >= end || isOver()) return undefined
    await rest(LOOK_MS)
  }
  if (session.isStarting || !wasThere) await rest(SERVER_FIRST_MS)

  const isOurs = takeTurn(fileShelf(home), session.isOnly ? `host:${session.pid}` : `session:${session.id}`)
  const mailbox = await openMailbox({ home, relays: undefined, timers, passphrase: passphraseOf(context) })
  try {
    while (isOurs() && !isOver()) {
      const told = noticeOf(mailbox, wakePath, host, session, clock.now())
      if (told !== undefined || clock.monotonic() >= end) return told
      await rest(LOOK_MS)
    }
    return undefined
  } finally {
    await mailbox.close()
  }
}

/** True as long as the session's host runs, and what started this process, unless that was to end at once. */
function hostWatch({ pid, isLeft }: WakeSession): () => boolean {
  const parent = process.ppid
  return () => (pid === undefined || isRunning(pid)) && (isLeft || process.ppid === parent)
}

async function tell(notice: string, host: AgentHost, { out, stderr, options }: Context<'wake'>): Promise<ExitCode> {
  switch (host.name) {
    case 'claude-code':
      stderr.write(`${notice}\n`)
      return WAKES
    case 'codex':
      if (options.thread !== undefined) return queueFor(options.thread, notice)
      out.line({ decision: 'block', reason: notice })
      return EXIT.ok
    case 'opencode':
      out.result(notice, { notice })
      return EXIT.ok
    default:
      return host.name satisfies never
  }
}

/** Hands the notice to a thread that may be idle. Codex finds the process that runs it. */
function queueFor(thread: string, notice: string): Promise<ExitCode> {
  return new Promise(resolve => {
    const child = spawn('codex', ['queue', '--thread', thread, `--message=${notice}`], { stdio: 'ignore' })
    child.on('error', () => resolve(EXIT.failure))
    child.on('close', code => resolve(code === 0 ? EXIT.ok : EXIT.failure))
  })
}

/** Goes on waiting for mail after the hook has ended, for as long as the host runs. */
function leaveWaiter(home: string, { thread, pid }: WakeSession, { options, env }: Context<'wake'>): void {
  if (thread === undefined) return
  const [, script = ''] = process.argv
  const args = ['wake', '--host', 'codex', '--home', home, '--thread', thread, '--wait', String(options.wait / 1000)]
  const parent = pid === undefined ? [] : ['--parent', String(pid)]
  spawn(process.execPath, [script, ...args, ...parent], { detached: true, stdio: 'ignore', env: { ...env } }).unref()
}
