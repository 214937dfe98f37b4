import { UsageError } from '../errors.ts'
import { claudeCode } from './claude-code.ts'
import { codex } from './codex.ts'
import type { FileEdit } from './file-edit.ts'
import { opencode } from './opencode.ts'

/** Where and what to write into the configuration of a host. */
export interface HostSetup {
  readonly scope: 'project' | 'user'
  /** The project's folder. */
  readonly project: string
  /** The user's home directory. */
  readonly home: string
  readonly env: Readonly<Record<string, string | undefined>>
  /** What starts posthorn: program and first arguments. */
  readonly command: readonly string[]
  readonly profile: 'base' | 'full'
  /** The model may use our tools without asking. */
  readonly allowTools: boolean
}

/** A program that runs a coding agent. */
export interface AgentHost {
  readonly name: 'claude-code' | 'codex' | 'opencode'
  readonly title: string
  edits(setup: HostSetup): readonly FileEdit[]
  /** What `--allow-tools` writes. Undefined: this host lets a model use MCP tools unless it is told otherwise. */
  readonly allowing: string | undefined
  /** What the user has to do there, one line each. */
  readonly afterwards: readonly string[]
}

export const AGENT_HOSTS: readonly AgentHost[] = [claudeCode, codex, opencode]

export function agentHostNamed(name: string | undefined): AgentHost {
  const found = AGENT_HOSTS.find(host => host.name === name)
  if (found) return found
  const names = AGENT_HOSTS.map(host => host.name).join(', ')
  throw new UsageError(name === undefined ? `say which with --host: ${names}` : `--host is one of ${names}`)
}
