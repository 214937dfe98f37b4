import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { closeSync, openSync, rmSync, writeSync } from 'node:fs'
import { constants, tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { onAbort } from '../../platform/on-abort.ts'
import { randomHex, systemRandom } from '../../platform/random.ts'
import type { Timers } from '../../platform/timers.ts'
import { messageOf } from '../errors.ts'

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

/** For what the command wrote to stderr before it exited; its stdout ends with a mark and needs no such time. */
const STDERR_GRACE_MS = 200

/**
 * Node connects a child by socket pairs, which /dev/stdin, /dev/stdout and /dev/stderr cannot be opened on. So stdin is a file, and stdout
 * and stderr are pipes that the shell makes; the command's own exit code comes back on descriptor 3. A mark ($2) follows what the command
 * wrote to stdout: a process that it left in the background holds the pipes open, and is not waited for. What such a process writes
 * later is read and dropped, because a closed pipe would end it.
 */
const WRAPPER = `{ { /bin/sh -c "$1" 3>&- 4>&-; code=$?; printf %s "$2"; echo "$code" >&3; } 2>&1 >&4 |
  { cat >&2 3>&-; exec cat >/dev/null 3>&-; }; } 4>&1 | { exec 3>&-; cat; exec cat >/dev/null; }`
/** A shell's exit code for a command that a signal ended is above by the signal's number. */
const SIGNALLED = 128
const SIGNAL_NAMES = new Map(Object.entries(constants.signals).map(([name, number]) => [number, name]))

/** What is wrong with a command line as the shell reads it; undefined if nothing is, or where that cannot be asked. */
export function syntaxFault(command: string): string | undefined {
  if (process.platform === 'win32') return undefined
  const { status, stderr } = spawnSync('/bin/sh', ['-n', '-c', command], { encoding: 'utf8', timeout: GRACE_MS })
  return status === 0 || status === null ? undefined : stderr.trim() || `the shell's exit code is ${status}`
}

/** A file without a name, open for reading from its beginning. Throws what the system says if there is no room for it. */
function fileOf(body: string): number {
  const path = join(tmpdir(), `posthorn-${randomHex(systemRandom, 32)}`)
  const file = openSync(path, 'wx+', 0o600)
  try {
    rmSync(path)
    const bytes = Buffer.from(body)
    for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at, bytes.length - at, at)
    return file
  } catch (error) {
    closeSync(file)
    throw error
  }
}

/**
 * Runs one command until it exits. If it is stopped (signal, time, too much output), what it started is ended with it; if it exits, what
 * it left in the background goes on. Never rejects.
 */
export function runCommand(options: RunOptions): Promise<Ran> {
  const { command, env, body, signal, timers, timeLimitMs, maxBytes } = options
  if (signal.aborted) return Promise.resolve({ end: 'stopped' })
  const isWindows = process.platform === 'win32'
  const mark = isWindows ? '' : randomHex(systemRandom, 32)
  const [shell, args] = isWindows
    ? [env['COMSPEC'] ?? 'cmd.exe', ['/d', '/s', '/c', `"${command}"`]]
    : ['/bin/sh', ['-c', WRAPPER, 'posthorn', command, mark]]
  let stdin: number | undefined
  try {
    if (!isWindows) stdin = fileOf(body)
  } catch (error) {
    return Promise.resolve({ end: 'unstartable', reason: messageOf(error) })
  }
  return new Promise(resolve => {
    let early: Ran | undefined
    let cancelKill = () => {}
    const chunks: Buffer[] = []
    let bytes = 0
    // A process group of its own: what the command starts is ended with it, and a Ctrl-C in the terminal is ours to pass on.
    let child: ChildProcess
    try {
      child = spawn(shell, [...args], {
        env: env as NodeJS.ProcessEnv,
        detached: !isWindows,
        windowsVerbatimArguments: isWindows,
        stdio: [stdin ?? 'pipe', 'pipe', 'pipe', isWindows ? 'ignore' : 'pipe'],
      })
    } catch (error) {
      return resolve({ end: 'unstartable', reason: messageOf(error) })
    } finally {
      if (stdin !== undefined) closeSync(stdin)
    }
    let codeText = ''
    let cancelGrace = () => {}
    const stop = (why: Ran) => {
      if (early !== undefined) return
      early = why
      killGroup(child, 'SIGTERM')
      cancelKill = timers.after(GRACE_MS, () => {
        killGroup(child, 'SIGKILL')
        // A process that left the group keeps the pipes open.
        cancelGrace = timers.after(STDERR_GRACE_MS, () => settle(why))
      })
    }
    const cancelLimit = timers.after(timeLimitMs, () => stop({ end: 'time' }))
    const stopListening = onAbort(signal, () => stop({ end: 'stopped' }))
    const settle = (ran: Ran) => {
      cancelLimit()
      cancelKill()
      cancelGrace()
      stopListening()
      for (const stream of child.stdio) stream?.destroy()
      child.unref()
      resolve(ran)
    }
    const exited = (code: number): Ran => {
      const name = SIGNAL_NAMES.get(code - SIGNALLED)
      if (name !== undefined) return { end: 'signal', name }
      const output = Buffer.concat(chunks)
      const end = output.indexOf(mark)
      return { end: 'exit', code, stdout: isWindows || end < 0 ? output : output.subarray(0, end) }
    }
    let isEnded = false
    /** Both the mark and the exit code are here: what is still to come is not the command's, but for a rest of stderr. */
    const lookForEnd = () => {
      if (early !== undefined || isEnded || !codeText.endsWith('\n') || !Buffer.concat(chunks).includes(mark)) return
      isEnded = true
      cancelLimit()
      cancelGrace = timers.after(STDERR_GRACE_MS, () => settle(early ?? exited(Number(codeText))))
    }
    child.stdout?.on('data', (chunk: Buffer) => {
      if (isEnded) return
      bytes += chunk.length
      if (bytes > maxBytes + mark.length && !Buffer.concat(chunks).includes(mark)) stop({ end: 'too-long' })
      else chunks.push(chunk)
      lookForEnd()
    })
    child.stderr?.setEncoding('utf8').on('data', options.onStderr)
    const report = child.stdio[3]
    if (report instanceof Readable)
      report.setEncoding('utf8').on('data', (text: string) => {
        codeText += text
        lookForEnd()
      })
    // A command that does not read its stdin is no failure.
    child.stdin?.on('error', () => {})
    child.stdin?.end(body)
    child.once('error', error => settle({ end: 'unstartable', reason: error.message }))
    child.once('close', (code, name) => {
      const own = isWindows ? code : codeText === '' ? null : Number(codeText)
      settle(early ?? (own === null ? { end: 'signal', name: name ?? 'a signal' } : exited(own)))
    })
    if (isWindows)
      child.once('exit', code => {
        cancelGrace = timers.after(STDERR_GRACE_MS, () => settle(early ?? exited(code ?? 1)))
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
