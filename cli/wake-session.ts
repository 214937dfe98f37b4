import { closeSync, existsSync, openSync, readSync } from 'node:fs'
import { isRecord, own, parseJson } from '../protocol/json.ts'
import type { Context } from './context.ts'
import { type HostProcess, hostProcess } from './host-process.ts'
import type { AgentHost } from './install/agent-hosts.ts'
import { withoutMark } from './text-bytes.ts'

/** The session of a coding agent that a hook speaks for. */
export interface WakeSession {
  /** Names it among the sessions of its host. */
  readonly id: string
  /** Its folder, if the host said so. */
  readonly cwd?: string
  /** Codex: the thread that `codex queue` reaches it by. */
  readonly thread?: string
  /** The host that runs it: the hook ends with it. */
  readonly pid?: number
  /**
   * False: this host cannot be woken, or runs one prompt and ends. Such a session is neither held up nor handed a notice, which
   * would take the place of the answer it was started for.
   */
  readonly canWake: boolean
  /** This host process has one session at a time: an earlier one of it is over. */
  readonly isOnly: boolean
  /** The session begins: its MCP server starts in the same moment. */
  readonly isStarting: boolean
  /** This process was left behind by a hook that has ended. */
  readonly isLeft: boolean
}

/** What a hook was told on stdin, in its environment and by its ancestors. */
export async function wakeSession(host: AgentHost, context: Context<'wake'>): Promise<WakeSession> {
  const { options, env } = context
  const input = await hookInput(context)
  const text = (name: string) => {
    const value = own(input, name)
    return typeof value === 'string' ? value : undefined
  }
  const isLeft = options.parent !== undefined
  const running = isLeft ? undefined : hostProcess()
  const pid = options.parent === undefined ? running?.pid : Number(options.parent)
  const [given, cwd] = [options.thread ?? text('session_id'), text('cwd')]
  const thread = given !== undefined && /^[\w-]{1,64}$/.test(given) ? given : undefined
  const isClaude = host.name === 'claude-code'
  return {
    id: thread ?? (pid === undefined ? '' : `pid:${pid}`),
    ...(cwd !== undefined && existsSync(cwd) ? { cwd } : {}),
    ...(thread === undefined ? {} : { thread }),
    ...(pid === undefined ? {} : { pid }),
    canWake: isLeft || canWake[host.name](env, running, text('transcript_path')),
    isStarting: text('hook_event_name') === 'SessionStart',
    isLeft,
    isOnly: isClaude && env['CLAUDE_PID'] !== undefined && Number(env['CLAUDE_PID']) === pid,
  }
}

/** What Claude Code and Codex tell a hook. Others give it nothing. */
async function hookInput({ stdinIsTerminal, readStdin, options }: Context<'wake'>): Promise<Record<string, unknown>> {
  if (stdinIsTerminal || options.parent !== undefined) return {}
  const json = parseJson(withoutMark(await readStdin()))
  return json.ok && isRecord(json.value) ? json.value : {}
}

type Env = Readonly<Record<string, string | undefined>>
type CanWake = (env: Env, running: HostProcess | undefined, transcript: string | undefined) => boolean

const canWake: Readonly<Record<AgentHost['name'], CanWake>> = {
  'claude-code': canWakeClaude,
  codex: canWakeCodex,
  // Its plugin, which asks, knows.
  opencode: () => true,
}

/**
 * Claude Code runs an `asyncRewake` hook in the background only in sessions that go on after a turn: interactive ones and those
 * with streamed input. Elsewhere (`claude -p`), and in other programs that read the same settings, it would be waited for.
 */
function canWakeClaude(env: Env, running: HostProcess | undefined): boolean {
  const { CLAUDECODE, CLAUDE_PID, CLAUDE_CODE_SESSION_ATTENDED: attended, CLAUDE_CODE_ENTRYPOINT: entry = '' } = env
  if (!CLAUDECODE) return false
  // Another host, started from a terminal of Claude Code, inherits its environment.
  if (CLAUDE_PID !== undefined && running !== undefined && Number(CLAUDE_PID) !== running.pid) return false
  if (attended === '1' || (attended === undefined && !entry.startsWith('sdk'))) return true
  return /--input-format[ =]stream-json/.test(running?.args.join(' ') ?? '')
}

/** `codex exec` ends with its turn. Where processes cannot be looked at, the transcript begins with what made the thread. */
function canWakeCodex(_env: Env, running: HostProcess | undefined, transcript: string | undefined): boolean {
  if (running !== undefined) return !running.args.slice(1).some(word => ONE_SHOT.includes(word))
  const source = transcript === undefined ? undefined : firstLine(transcript)
  return source === undefined || !/"source":"exec"|"originator":"codex_exec"/.test(source)
}
const ONE_SHOT: readonly string[] = ['exec', 'e', 'review']

/** Enough of it: what comes first names the source. */
const LINE_BYTES = 4_096

function firstLine(path: string): string | undefined {
  let file: number | undefined
  try {
    file = openSync(path, 'r')
    const bytes = Buffer.alloc(LINE_BYTES)
    return bytes.toString('utf8', 0, readSync(file, bytes)).split('\n')[0] || undefined
  } catch {
    return undefined
  } finally {
    if (file !== undefined) closeSync(file)
  }
}
