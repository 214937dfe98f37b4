import { fork } from 'node:child_process'
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { every, type Timers } from '../../platform/timers.ts'
import { LOG_FILE, partialOf, removePartial } from '../../relay/tools.ts'
import { type ProgressOptions, startProgress } from '../progress.ts'
import type { Job, Report, Told, ToolName } from './protocol.ts'

const PROCESS = fileURLToPath(new URL('./tool-process.js', import.meta.url))
/** Between two looks at a file that grows, in ms. */
const LOOK_MS = 250
const MIB = 1024 ** 2

/** What a tool of the relay ended with; `code` is that of the error it names. */
export class RelayToolError extends Error {
  override readonly name = 'RelayToolError'
  readonly code: string
  constructor(code: string | undefined, message: string) {
    super(message)
    this.code = code ?? 'unexpected'
  }
}

interface Here extends ProgressOptions {
  readonly signal: AbortSignal
  readonly timers: Timers
}

/**
 * Runs a tool of the relay in a process of its own, and shows how far it is. SQLite's own work on a large file blocks whoever
 * asked for it, deaf to Ctrl-C; this process is not, and kills that one. Undefined: interrupted. Rejects with RelayToolError.
 * `copy`: the file that is made first, and of which.
 */
export async function runRelayTool<T extends ToolName>(
  job: Job<T>,
  here: Here,
  copy?: { readonly from: string; readonly to: string },
): Promise<Report<T> | undefined> {
  const { signal, timers } = here
  if (signal.aborted) return undefined
  const progress = startProgress(here)
  const child = fork(PROCESS, { execArgv: [], stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  let stage: 'copying' | 'structure' | 'rows' = copy === undefined ? 'structure' : 'copying'
  let isFinishing = false
  const cancel = every(timers, LOOK_MS, () => {
    if (stage === 'structure') progress.busy("checking the file's structure")
    else if (stage === 'copying' && copy !== undefined)
      progress.at('copying, MiB', mib(partialOf(copy.to)), mib(copy.from))
  })
  const stop = () => {
    if (!isFinishing) child.kill('SIGKILL')
  }
  signal.addEventListener('abort', stop)
  try {
    const ended = await new Promise<Told | Error | undefined>(resolve => {
      child.on('message', (told: Told) => {
        if (told.type === 'progress') {
          stage = told.last === 0 ? 'structure' : 'rows'
          if (stage === 'rows') progress.at('checking', told.seq, told.last)
        } else if (told.type === 'finishing') isFinishing = true
        else resolve(told)
      })
      child.once('error', resolve)
      child.once('exit', () => resolve(undefined))
      child.send(job, error => error && resolve(error))
    })
    if (ended instanceof Error) throw ended
    if (ended?.type === 'done') return ended.report as Report<T>
    if (ended?.type === 'failed') throw new RelayToolError(ended.code, ended.message)
    if (copy !== undefined) removePartial(copy.to)
    if (signal.aborted) return undefined
    throw new RelayToolError(
      undefined,
      `the process that did it ended (${child.signalCode ?? `exit ${child.exitCode}`})`,
    )
  } finally {
    cancel()
    progress.end()
    signal.removeEventListener('abort', stop)
    if (child.connected) child.disconnect()
  }
}

/** The log in a relay's folder. */
export const logIn = (folder: string): string => join(folder, LOG_FILE)

function mib(path: string): number {
  return Math.round((statSync(path, { throwIfNoEntry: false })?.size ?? 0) / MIB)
}
