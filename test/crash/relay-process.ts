import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'

const COMMAND = fileURLToPath(new URL('../../dist/cli/posthorn.js', import.meta.url))

/** A relay in a process of its own, as people run it. */
export interface RelayProcess {
  readonly url: string
  readonly pid: number
  /** Any other signal. */
  signal(name: NodeJS.Signals): void
  /** What it has said on stderr. */
  complaints(): string
  /** SIGKILL: no handler runs, nothing is flushed. */
  kill(): Promise<void>
  /** SIGTERM; resolves to the exit code. */
  stop(): Promise<number | null>
}

export interface RelayProcessOptions {
  /** Default: any free one. */
  readonly port?: number
  /** Of `posthorn relay`. */
  readonly args?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** Of node. */
  readonly nodeArgs?: readonly string[]
}

export async function startRelayProcess(
  data: string,
  { port = 0, args = [], env = {}, nodeArgs = [] }: RelayProcessOptions = {},
): Promise<RelayProcess> {
  const relay = ['relay', '--port', String(port), '--data', data, '--json', ...args]
  const child = spawn(process.execPath, [...nodeArgs, COMMAND, ...relay], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  })
  onTestFinished(() => {
    child.kill('SIGKILL')
  })
  const { pid } = child
  if (pid === undefined) throw new Error('the relay process did not start')
  const end = async (signal: 'SIGKILL' | 'SIGTERM') => {
    if (child.exitCode !== null || child.signalCode !== null) return
    const gone = once(child, 'exit')
    child.kill(signal)
    await gone
  }
  let complaints = ''
  child.stderr.on('data', chunk => {
    complaints += String(chunk)
  })
  return {
    url: await listening(child, () => complaints),
    pid,
    signal: name => void child.kill(name),
    complaints: () => complaints,
    kill: () => end('SIGKILL'),
    async stop() {
      await end('SIGTERM')
      return child.exitCode
    },
  }
}

async function listening(child: ChildProcess, complaints: () => string): Promise<string> {
  if (child.stdout === null) throw new Error('no stdout')
  for await (const line of createInterface(child.stdout)) return (JSON.parse(line) as { listening: string }).listening
  throw new Error(`the relay process ended: ${complaints()}`)
}
