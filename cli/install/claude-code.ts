import { join } from 'node:path'
import { isRecord } from '../../protocol/json.ts'
import type { AgentHost, HostSetup } from './agent-hosts.ts'
import type { FileEdit } from './file-edit.ts'
import { APPEND, EMPTY_JSON, insertJson, isEmptyJson, readJson, removeJson } from './json-edit.ts'
import { HOOK_S, shellLine, WAIT_S, WAKE_MARK } from './shell.ts'

/**
 * Claude Code: MCP servers in `.mcp.json` (project) or `~/.claude.json` (user), hooks in `settings.json`. A hook with `asyncRewake`
 * runs in the background and wakes the model when it exits with 2, with what it wrote to stderr.
 */
export const claudeCode: AgentHost = {
  name: 'claude-code',
  title: 'Claude Code',
  edits: setup => [serverEdit(setup), hookEdit(setup)],
  allowing: 'adds "mcp__posthorn" to permissions.allow in settings.json',
  afterwards: [
    'start Claude Code again; /mcp lists posthorn, /hooks lists its SessionStart and Stop hooks',
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

/** A session that starts is idle until its first turn; then each turn's end leaves it idle. */
const EVENTS = ['SessionStart', 'Stop'] as const
const PERMISSION = 'mcp__posthorn'

const hookEdit = ({ scope, project, home, env, command, allowTools }: HostSetup): FileEdit => {
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
      const hooked = EVENTS.reduce((held, event) => {
        const group = { hooks: [hook] }
        return groupsOf(readJson(path, held), event) === undefined
          ? insertJson(path, held, ['hooks', event], [group])
          : insertJson(path, held, ['hooks', event, APPEND], group)
      }, text)
      return allowTools ? allowed(path, hooked) : hooked
    },
    remove: text => removeOurs(path, text),
  }
}

function allowed(path: string, text: string): string {
  const list = allowList(readJson(path, text))
  if (list?.includes(PERMISSION)) return text
  return list === undefined
    ? insertJson(path, text, ['permissions', 'allow'], [PERMISSION])
    : insertJson(path, text, ['permissions', 'allow', APPEND], PERMISSION)
}

function removeOurs(path: string, given: string): string | undefined {
  let text = given
  for (const event of Object.keys(recordOf(readJson(path, text), 'hooks') ?? {})) text = removeHooks(path, text, event)
  // Without a hook of ours the permission is not ours either.
  if (text === given) return text
  const hooks = recordOf(readJson(path, text), 'hooks')
  if (hooks !== undefined && Object.keys(hooks).length === 0) text = removeJson(text, ['hooks'])
  const at = allowList(readJson(path, text))?.indexOf(PERMISSION) ?? -1
  if (at >= 0) text = removePermission(path, text, at)
  return isEmptyJson(path, text) ? undefined : text
}

function removePermission(path: string, given: string, at: number): string {
  const text = removeJson(given, ['permissions', 'allow', at])
  if (allowList(readJson(path, text))?.length !== 0) return text
  const rest = removeJson(text, ['permissions', 'allow'])
  const left = recordOf(readJson(path, rest), 'permissions')
  return left !== undefined && Object.keys(left).length === 0 ? removeJson(rest, ['permissions']) : rest
}

function removeHooks(path: string, given: string, event: string): string {
  let text = given
  const groups = groupsOf(readJson(path, text), event) ?? []
  for (const [g, group] of [...groups.entries()].reverse()) {
    const hooks = isRecord(group) && Array.isArray(group['hooks']) ? group['hooks'] : []
    const ours = hooks.flatMap((hook, h) => (isOurs(hook) ? [h] : []))
    if (ours.length === 0) continue
    if (ours.length === hooks.length) text = removeJson(text, ['hooks', event, g])
    else for (const h of ours.reverse()) text = removeJson(text, ['hooks', event, g, 'hooks', h])
  }
  const isLeftEmpty = text !== given && groupsOf(readJson(path, text), event)?.length === 0
  return isLeftEmpty ? removeJson(text, ['hooks', event]) : text
}

const recordOf = (settings: Record<string, unknown>, name: string): Record<string, unknown> | undefined => {
  const value = settings[name]
  return isRecord(value) ? value : undefined
}

function groupsOf(settings: Record<string, unknown>, event: string): readonly unknown[] | undefined {
  const groups = recordOf(settings, 'hooks')?.[event]
  return Array.isArray(groups) ? groups : undefined
}

function allowList(settings: Record<string, unknown>): readonly unknown[] | undefined {
  const list = recordOf(settings, 'permissions')?.['allow']
  return Array.isArray(list) ? list : undefined
}

const isOurs = (hook: unknown): boolean =>
  isRecord(hook) && typeof hook['command'] === 'string' && hook['command'].includes(WAKE_MARK.join(' '))
