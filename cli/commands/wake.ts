import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { wakePathOn } from '../../mcp/index.ts'
import { randomHex, systemRandom } from '../../platform/random.ts'
import { sleep } from '../../platform/timers.ts'
import { isRecord, own, parseJson } from '../../protocol/json.ts'
import { fileShelf } from '../../sdk/home/file-shelf.ts'
import { homeFiles } from '../../sdk/home/paths.ts'
import type { Command, Context } from '../context.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { type AgentHost, agentHostNamed } from '../install/agent-hosts.ts'
import { noticeOf } from '../install/notice.ts'
import { openMailbox } from '../mailbox.ts'
import { passphraseOf } from '../passphrase.ts'
import { agentHome } from '../project-profile.ts'

/** What Claude Code takes for "wake the model, with what is on stderr". */
const WAKES = EXIT.usage

/** `posthorn wake`: run by the hooks and plugins of coding agents when a session has gone idle. */
export const wake: Command<'wake'> = async context => {
  const { options, env } = context
  const host = agentHostNamed(options.host)
  const asked = await hookInput(context)
  const { home } = agentHome(options, env, asked.cwd ?? process.cwd())
  // The MCP server makes the profile; before its first start there is no mail.
  if (!existsSync(homeFiles(home).profile)) return EXIT.ok
  const wakePath = wakePathOn(fileShelf(home))
  const before = wakePath.noticed()
  const isCodexHook = host.name === 'codex' && options.thread === undefined
  const notice = await awaitNotice(home, host, isCodexHook ? 0 : options.wait, context)
  if (notice === undefined) {
    if (isCodexHook && options.wait > 0 && asked.thread !== undefined) leaveWaiter(home, asked.thread, context)
    return EXIT.ok
  }
  const code = await tell(notice, host, context)
  if (code === EXIT.failure) wakePath.retract(before)
  return code
}

interface HookInput {
  readonly cwd?: string
  readonly thread?: string
}

/** What Claude Code and Codex tell a hook. Others give it nothing. */
async function hookInput({ stdinIsTerminal, readStdin }: Context<'wake'>): Promise<HookInput> {
  if (stdinIsTerminal) return {}
  const json = parseJson(await readStdin())
  if (!json.ok || !isRecord(json.value)) return {}
  const [cwd, thread] = [own(json.value, 'cwd'), own(json.value, 'session_id')]
  return {
    ...(typeof cwd === 'string' && existsSync(cwd) ? { cwd } : {}),
    ...(typeof thread === 'string' && /^[\w-]{1,64}$/.test(thread) ? { thread } : {}),
  }
}

const WAITER = 'wake-waiter'
/** Between looks, in ms: a model takes longer to start its turn. */
const LOOK_MS = 1_000

/** Waits for mail that nobody was told of. Ends early when another waiter of this home takes over: each turn's end starts one. */
async function awaitNotice(
  home: string,
  host: AgentHost,
  ms: number,
  context: Context<'wake'>,
): Promise<string | undefined> {
  const { timers, clock, signal } = context
  const shelf = fileShelf(home)
  const wakePath = wakePathOn(shelf)
  const turn = randomHex(systemRandom, 16)
  shelf.write(WAITER, JSON.stringify({ v: 1, turn }))
  const isOurs = () => shelf.read(WAITER)?.includes(turn) ?? false
  const mailbox = await openMailbox({ home, relays: undefined, timers, passphrase: passphraseOf(context) })
  try {
    const end = clock.monotonic() + ms
    while (isOurs() && !signal.aborted) {
      const notice = noticeOf(mailbox, wakePath, host, clock.now())
      const left = end - clock.monotonic()
      if (notice !== undefined || left <= 0) return notice
      await sleep(timers, Math.min(LOOK_MS, left), signal)
    }
    return undefined
  } finally {
    await mailbox.close()
  }
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

/** Codex waits for its hooks; a program of its own goes on waiting for mail. */
function leaveWaiter(home: string, thread: string, { options, env }: Context<'wake'>): void {
  const [, script = ''] = process.argv
  const args = [
    script,
    'wake',
    '--host',
    'codex',
    '--home',
    home,
    '--thread',
    thread,
    '--wait',
    String(options.wait / 1000),
  ]
  spawn(process.execPath, args, { detached: true, stdio: 'ignore', env: { ...env } }).unref()
}
