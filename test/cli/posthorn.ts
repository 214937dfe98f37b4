import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'

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
  readonly nodeArgs?: readonly string[]
}

/** Runs `posthorn …` to its end. */
export async function posthorn(args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
  const running = start(args, options)
  running.child.stdin?.end(options.input ?? '')
  return running.ended
}

export interface Running {
  readonly child: ChildProcess
  readonly ended: Promise<Outcome>
  /** Resolves to stdout or stderr so far once it holds `text`; rejects if the process ends before. */
  says(text: string): Promise<string>
}

/** Starts `posthorn …`; killed after the test if it still runs. */
export function start(args: readonly string[], options: RunOptions = {}): Running {
  const { PATH = '', TMPDIR } = process.env
  const env = { PATH, HOME: '/nonexistent', ...(TMPDIR === undefined ? {} : { TMPDIR }), ...options.env }
  const child = spawn(process.execPath, [...(options.nodeArgs ?? []), BIN, ...args], { env })
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
      resolve({ code, stdout, stderr, lines: stdout.split('\n').filter(line => line !== '') })
      told()
    }),
  )
  onTestFinished(() => {
    child.kill('SIGKILL')
  })
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
/** JSON lines of stdout. */
export const jsonLines = (outcome: Outcome): Record<string, unknown>[] => outcome.lines.map(line => JSON.parse(line))

/** The profiles folder of one test file: pass `env` to every call. */
export const environment = (folder: string): { readonly XDG_DATA_HOME: string } => ({ XDG_DATA_HOME: folder })
