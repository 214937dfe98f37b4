import { join } from 'node:path'
import { isRecord } from '../../protocol/json.ts'
import type { AgentHost, HostSetup } from './agent-hosts.ts'
import type { FileEdit } from './file-edit.ts'
import { APPEND, EMPTY_JSON, insertJson, isEmptyJson, readJson, removeJson } from './json-edit.ts'
import { shellLine, WAKE_MARK } from './shell.ts'

/** Seconds that Claude Code lets the hook run; the program gives up a little earlier by itself. */
const HOOK_S = 3_600
const WAIT_S = 3_500

/**
 * Claude Code: MCP servers in `.mcp.json` (project) or `~/.claude.json` (user), hooks in `settings.json`. A Stop hook with
 * `asyncRewake` runs in the background and wakes the model when it exits with 2, with what it wrote to stderr.
 */
export const claudeCode: AgentHost = {
  name: 'claude-code',
  title: 'Claude Code',
  edits: setup => [serverEdit(setup), hookEdit(setup)],
  afterwards: [
    'start Claude Code again; /mcp lists posthorn, /hooks lists the stop hook',
    'in a project, Claude Code asks once whether you trust its MCP servers',
  ],
}

const serverEdit = ({ scope, project, home, env, command, profile }: HostSetup): FileEdit => {
  const [program = '', ...first] = command
  const path =
    scope === 'project'
      ? join(project, '.mcp.json')
      : env['CLAUDE_CONFIG_DIR']
        ? join(env['CLAUDE_CONFIG_DIR'], '.claude.json')
        : join(home, '.claude.json')
  const entry = {
    type: 'stdio',
    command: program,
    args: [...first, 'mcp', '--host', 'claude-code', ...(profile === 'full' ? ['--profile', 'full'] : [])],
  }
  return {
    path,
    add(text = EMPTY_JSON) {
      readJson(path, text)
      return insertJson(path, text, ['mcpServers', 'posthorn'], entry)
    },
    remove: text => removeServer(path, text, 'mcpServers'),
  }
}

/** Also for opencode, which names the object otherwise. */
export function removeServer(path: string, text: string, key: string): string | undefined {
  const servers = readJson(path, text)[key]
  if (!isRecord(servers) || servers['posthorn'] === undefined) return text
  const isLast = Object.keys(servers).length === 1
  const without = removeJson(text, isLast ? [key] : [key, 'posthorn'])
  return isEmptyJson(path, without) ? undefined : without
}

const hookEdit = ({ scope, project, home, env, command }: HostSetup): FileEdit => {
  const folder = scope === 'project' ? join(project, '.claude') : (env['CLAUDE_CONFIG_DIR'] ?? join(home, '.claude'))
  const path = join(folder, 'settings.json')
  const hook = {
    type: 'command',
    command: shellLine([...command, ...WAKE_MARK, 'claude-code', '--wait', String(WAIT_S)]),
    asyncRewake: true,
    timeout: HOOK_S,
  }
  return {
    path,
    add(text = EMPTY_JSON) {
      const groups = stopGroups(readJson(path, text))
      const group = { hooks: [hook] }
      return groups === undefined
        ? insertJson(path, text, ['hooks', 'Stop'], [group])
        : insertJson(path, text, ['hooks', 'Stop', APPEND], group)
    },
    remove: text => removeHooks(path, text),
  }
}

function removeHooks(path: string, given: string): string | undefined {
  let text = given
  const groups = stopGroups(readJson(path, text)) ?? []
  for (const [g, group] of [...groups.entries()].reverse()) {
    const hooks = isRecord(group) && Array.isArray(group['hooks']) ? group['hooks'] : []
    const ours = hooks.flatMap((hook, h) => (isOurs(hook) ? [h] : []))
    if (ours.length === 0) continue
    if (ours.length === hooks.length) text = removeJson(text, ['hooks', 'Stop', g])
    else for (const h of ours.reverse()) text = removeJson(text, ['hooks', 'Stop', g, 'hooks', h])
  }
  if (text === given) return text
  if (stopGroups(readJson(path, text))?.length === 0) text = removeJson(text, ['hooks', 'Stop'])
  const hooks = readJson(path, text)['hooks']
  if (isRecord(hooks) && Object.keys(hooks).length === 0) text = removeJson(text, ['hooks'])
  return isEmptyJson(path, text) ? undefined : text
}

function stopGroups(settings: Record<string, unknown>): readonly unknown[] | undefined {
  const hooks = settings['hooks']
  const groups = isRecord(hooks) ? hooks['Stop'] : undefined
  return Array.isArray(groups) ? groups : undefined
}

const isOurs = (hook: unknown): boolean =>
  isRecord(hook) && typeof hook['command'] === 'string' && hook['command'].includes(WAKE_MARK.join(' '))
