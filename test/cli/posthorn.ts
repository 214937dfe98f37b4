import { type ChildProcess, spawn } from 'node:child_process'
import { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'
import { main } from '#dist/cli/main.js'
import { systemClock } from '#dist/platform/clock.js'
import { systemTimers } from '#dist/platform/timers.js'

/** The command as it ships. */
export const BIN = fileURLToPath(new URL('../../dist/cli/posthorn.js', import.meta.url))

export interface Outcome {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
  /** Lines of stdout. */
  readonly lines: readonly string[]
}

export interface RunOptions {
  /** Added to a bare environment: nothing of the tester's own profiles is ever touched. */
  readonly env?: Readonly<Record<string, string>>
  readonly input?: string
  /** Killed after so many ms; default 28,000. */
  readonly longestMs?: number
  readonly nodeArgs?: readonly string[]
  /** Another copy of the command. */
  readonly bin?: string
  /** Answers of a person at the terminal; `inProcess` only. */
  readonly readSecret?: (prompt: string) => Promise<string>
  /** The same for yes and no. */
  readonly confirm?: (question: string) => Promise<boolean>
  /** Told what goes to stdout as it goes; `inProcess` only. */
  readonly onStdout?: (text: string) => void
  /** stdout is a terminal so wide; `inProcess` only. */
  readonly columns?: number
  /** Ctrl-C; `inProcess` only. */
  readonly signal?: AbortSignal
}

/**
 * The same command line inside the test's process: everything but process.ts, in a few milliseconds. As a process of its own
 * each verb runs in `npm run test:cli`, from the packed package.
 */
export async function inProcess(args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
  const [out, err] = [collector(options.onStdout), collector()]
  const code = await main(args, {
    stdout:
      options.columns === undefined ? out.stream : Object.assign(out.stream, { isTTY: true, columns: options.columns }),
    stderr: err.stream,
    env: { HOME: '/nonexistent', ...options.env },
    signal: options.signal ?? new AbortController().signal,
    clock: systemClock,
    timers: systemTimers,
    stdin: Readable.from([options.input ?? '']),
    readStdin: async () => options.input ?? '',
    stdinIsTerminal: false,
    readSecret: options.readSecret,
    confirm: options.confirm,
  })
  return outcome(code, out.text(), err.text())
}

export function collector(onText: (text: string) => void = () => {}) {
  let text = ''
  const stream = new Writable({
    write(chunk, _encoding, done) {
      text += String(chunk)
      onText(String(chunk))
      done()
    },
  })
  return { stream, text: () => text }
}

export const outcome = (code: number | null, stdout: string, stderr: string): Outcome => ({
  code,
  stdout,
  stderr,
  lines: stdout.split('\n').filter(line => line !== ''),
})

/** Runs `posthorn …` to its end. */
export async function posthorn(args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
  const running = launch(args, options)
  running.child.stdin?.end(options.input ?? '')
  return running.ended
}

export interface Running {
  readonly child: ChildProcess
  readonly ended: Promise<Outcome>
  /** Resolves to stdout or stderr so far once it holds `text`; rejects if the process ends before. */
  says(text: string): Promise<string>
}

/** Starts `posthorn …` inside a test; killed after it if it still runs. */
export function start(args: readonly string[], options: RunOptions = {}): Running {
  const running = launch(args, options)
  onTestFinished(() => {
    running.child.kill('SIGKILL')
  })
  return running
}

/** No command may run longer unless a test says so, in ms. */
const LONGEST_MS = 28_000

function launch(args: readonly string[], options: RunOptions): Running {
  const { PATH = '', TMPDIR } = process.env
  const env = { PATH, HOME: '/nonexistent', ...(TMPDIR === undefined ? {} : { TMPDIR }), ...options.env }
  const child = spawn(process.execPath, [...(options.nodeArgs ?? []), options.bin ?? BIN, ...args], {
    env,
    timeout: options.longestMs ?? LONGEST_MS,
    killSignal: 'SIGKILL',
  })
  let stdout = ''
  let stderr = ''
  const listeners = new Set<() => void>()
  const told = () => {
    for (const listener of [...listeners]) listener()
  }
  child.stdout.setEncoding('utf8').on('data', chunk => {
    stdout += chunk
    told()
  })
  child.stderr.setEncoding('utf8').on('data', chunk => {
    stderr += chunk
    told()
  })
  // A command that ends without reading its stdin is no fault of the test.
  child.stdin.on('error', () => {})
  const ended = new Promise<Outcome>(resolve =>
    child.once('close', code => {
      resolve(outcome(code, stdout, stderr))
      told()
    }),
  )
  return {
    child,
    ended,
    says: text =>
      new Promise((resolve, reject) => {
        const look = () => {
          const all = stdout + stderr
          if (all.includes(text)) resolve(all)
          else if (child.exitCode === null && child.signalCode === null) return
          else reject(new Error(`ended without saying ${JSON.stringify(text)}: ${all}`))
          listeners.delete(look)
        }
        listeners.add(look)
        look()
      }),
  }
}

/** One JSON object of stdout. */
export const json = (outcome: Outcome): Record<string, unknown> => JSON.parse(outcome.stdout)
/** The messages that `inbox --json` lists; its last line is about health. */
export const messagesOf = (outcome: Outcome): Record<string, unknown>[] =>
  jsonLines(outcome).filter(line => !('health' in line))

/** JSON lines of stdout. */
export const jsonLines = (outcome: Outcome): Record<string, unknown>[] => outcome.lines.map(line => JSON.parse(line))
