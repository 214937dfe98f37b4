import { type ChildProcess, spawn } from 'node:child_process'
import { onAbort } from '../../platform/on-abort.ts'
import type { Timers } from '../../platform/timers.ts'

export interface RunOptions {
  /** A line for the shell, as the user wrote it: nothing of a message is ever part of it. */
  readonly command: string
  readonly env: Readonly<Record<string, string | undefined>>
  /** For its stdin. */
  readonly body: string
  readonly signal: AbortSignal
  readonly timers: Timers
  readonly timeLimitMs: number
  /** Bytes of its stdout that are kept; more ends it. */
  readonly maxBytes: number
  onStderr(text: string): void
}

export type Ran =
  | { readonly end: 'exit'; readonly code: number; readonly stdout: Uint8Array }
  | { readonly end: 'signal'; readonly name: string }
  | { readonly end: 'time' | 'too-long' | 'stopped' }
  /** The shell itself could not be started. */
  | { readonly end: 'unstartable'; readonly reason: string }

/** After SIGTERM, before SIGKILL. */
const GRACE_MS = 3_000

/** Runs one command to its end; whatever it started ends with it. Never rejects. */
export function runCommand(options: RunOptions): Promise<Ran> {
  const { command, env, body, signal, timers, timeLimitMs, maxBytes } = options
  if (signal.aborted) return Promise.resolve({ end: 'stopped' })
  const isWindows = process.platform === 'win32'
  const [shell, args] = isWindows
    ? [env['COMSPEC'] ?? 'cmd.exe', ['/d', '/s', '/c', `"${command}"`]]
    : ['/bin/sh', ['-c', command]]
  return new Promise(resolve => {
    let early: Ran | undefined
    let cancelKill = () => {}
    const chunks: Buffer[] = []
    let bytes = 0
    // A process group of its own: what the command starts is ended with it, and a Ctrl-C in the terminal is ours to pass on.
    const child = spawn(shell, [...args], {
      env: env as NodeJS.ProcessEnv,
      detached: !isWindows,
      windowsVerbatimArguments: isWindows,
      stdio: 'pipe',
    })
    const stop = (why: Ran) => {
      if (early !== undefined) return
      early = why
      killGroup(child, 'SIGTERM')
      cancelKill = timers.after(GRACE_MS, () => killGroup(child, 'SIGKILL'))
    }
    const cancelLimit = timers.after(timeLimitMs, () => stop({ end: 'time' }))
    const stopListening = onAbort(signal, () => stop({ end: 'stopped' }))
    const settle = (ran: Ran) => {
      cancelLimit()
      cancelKill()
      stopListening()
      resolve(ran)
    }
    child.stdout.on('data', (chunk: Buffer) => {
      bytes += chunk.length
      if (bytes > maxBytes) stop({ end: 'too-long' })
      else chunks.push(chunk)
    })
    child.stderr.setEncoding('utf8').on('data', options.onStderr)
    // A command that does not read its stdin is no failure.
    child.stdin.on('error', () => {})
    child.stdin.end(body)
    child.once('error', error => settle({ end: 'unstartable', reason: error.message }))
    child.once('close', (code, name) => {
      if (early !== undefined) settle(early)
      else if (code === null) settle({ end: 'signal', name: name ?? 'unknown' })
      else settle({ end: 'exit', code, stdout: Buffer.concat(chunks) })
    })
  })
}

function killGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  try {
    if (child.pid !== undefined && process.platform !== 'win32') process.kill(-child.pid, signal)
    else child.kill(signal)
  } catch {
    // Gone already.
  }
}
