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
  /** SIGKILL: no handler runs, nothing is flushed. */
  kill(): Promise<void>
  /** SIGTERM; resolves to the exit code. */
  stop(): Promise<number | null>
}

export async function startRelayProcess(data: string): Promise<RelayProcess> {
  const child = spawn(process.execPath, [COMMAND, 'relay', '--port', '0', '--data', data, '--json'], {
    stdio: ['ignore', 'pipe', 'pipe'],
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
  return {
    url: await listening(child),
    pid,
    kill: () => end('SIGKILL'),
    async stop() {
      await end('SIGTERM')
      return child.exitCode
    },
  }
}

async function listening(child: ChildProcess): Promise<string> {
  let complaints = ''
  child.stderr?.on('data', chunk => {
    complaints += String(chunk)
  })
  if (child.stdout === null) throw new Error('no stdout')
  for await (const line of createInterface(child.stdout)) return (JSON.parse(line) as { listening: string }).listening
  throw new Error(`the relay process ended: ${complaints}`)
}
