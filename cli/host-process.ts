import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { WAKE_MARK } from './install/shell.ts'

/** The program that runs our hook. */
export interface HostProcess {
  readonly pid: number
  /** Its command line, as far as this system shows it. */
  readonly args: readonly string[]
}

/** Shells and package runners between a host and its hook. */
const MAX_DEPTH = 8

/**
 * The program that started the hook that this process is: the nearest ancestor that is not part of the hook's own command, which
 * shells and npx may run in several processes. Undefined where processes cannot be looked at (Windows).
 */
export function hostProcess(): HostProcess | undefined {
  let pid = process.ppid
  for (let depth = 0; depth < MAX_DEPTH && pid > 0; depth += 1) {
    const found = lookAt(pid)
    if (found === undefined) return undefined
    if (!found.args.join(' ').includes(WAKE_MARK.join(' '))) return { pid, args: found.args }
    pid = found.parent
  }
  return undefined
}

/** False once this process is gone, or ended and not yet collected by its parent. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
  } catch (error) {
    // It runs as somebody else.
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
  return stateOf(pid) !== 'Z'
}

interface Looked {
  readonly parent: number
  readonly args: readonly string[]
}

const lookAt = (pid: number): Looked | undefined => {
  switch (process.platform) {
    case 'linux':
      return fromProc(pid)
    case 'win32':
      return undefined
    default:
      return fromPs(pid)
  }
}

function fromProc(pid: number): Looked | undefined {
  try {
    const [, parent] = statOf(pid)
    const args = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
    return { parent: Number(parent), args }
  } catch {
    return undefined
  }
}

/** Fields from the third on: state, parent, … The second is a name that may hold spaces and parentheses. */
const statOf = (pid: number): string[] => {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')
}

function stateOf(pid: number): string | undefined {
  if (process.platform !== 'linux') return undefined
  try {
    return statOf(pid)[0]
  } catch {
    return undefined
  }
}

function fromPs(pid: number): Looked | undefined {
  const { stdout, status } = spawnSync('ps', ['-ww', '-o', 'ppid=,args=', '-p', String(pid)], { encoding: 'utf8' })
  const [, parent, line] = /^\s*(\d+)\s+(.*)/.exec(stdout ?? '') ?? []
  return status === 0 && parent !== undefined && line !== undefined
    ? { parent: Number(parent), args: line.split(' ') }
    : undefined
}
