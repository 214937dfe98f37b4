import { join } from 'node:path'
import { parse } from 'smol-toml'
import { CliError } from '../errors.ts'
import { EXIT } from '../exit-codes.ts'
import type { AgentHost, HostSetup } from './agent-hosts.ts'
import type { FileEdit } from './file-edit.ts'
import { shellLine, WAIT_S, WAKE_MARK } from './shell.ts'

/** Seconds a turn's end may be held up for. */
const HOOK_S = 20
/** check_inbox may wait for 50. */
const TOOL_S = 75

/**
 * Codex: `config.toml` holds MCP servers and, as tables of the same file, hooks. A Stop hook is run at the end of a turn and can
 * have it go on; what wakes a thread that sits idle is `codex queue`, run by a program that the hook leaves behind.
 */
export const codex: AgentHost = {
  name: 'codex',
  title: 'Codex',
  edits: setup => [configEdit(setup)],
  allowing: 'sets default_tools_approval_mode = "approve" for the server in config.toml',
  afterwards: [
    'start Codex again and trust the new hook: /hooks; /mcp lists posthorn',
    'a configuration of a project counts only once Codex trusts the project: it asks at its start there; before that, codex mcp list does not show posthorn',
  ],
}

const BEGIN = '# >>> posthorn: added by "posthorn install", removed by "posthorn install --uninstall"'
const END = '# <<< posthorn'

const configEdit = ({ scope, project, home, env, command, profile, allowTools }: HostSetup): FileEdit => {
  const folder = scope === 'project' ? join(project, '.codex') : (env['CODEX_HOME'] ?? join(home, '.codex'))
  const path = join(folder, 'config.toml')
  const [program = '', ...first] = command
  const args = [...first, 'mcp', '--host', 'codex', ...(profile === 'full' ? ['--profile', 'full'] : [])]
  const block = [
    BEGIN,
    '[mcp_servers.posthorn]',
    `command = ${quoted(program)}`,
    `args = [${args.map(quoted).join(', ')}]`,
    `tool_timeout_sec = ${TOOL_S}`,
    ...(allowTools ? ['default_tools_approval_mode = "approve"'] : []),
    '',
    '[[hooks.Stop]]',
    '[[hooks.Stop.hooks]]',
    'type = "command"',
    `command = ${quoted(shellLine([...command, ...WAKE_MARK, 'codex', '--wait', String(WAIT_S)]))}`,
    `timeout = ${HOOK_S}`,
    END,
  ]
  return {
    path,
    add(text = '') {
      check(path, text, 'repair it, then install again')
      const eol = text.includes('\r\n') ? '\r\n' : '\n'
      const gap = text === '' ? '' : text.endsWith('\n') ? eol : eol + eol
      const added = `${text}${gap}${block.join(eol)}${eol}`
      check(
        path,
        added,
        'it sets up posthorn or its Stop hooks in a way that cannot be added to; add the entries yourself',
      )
      return added
    },
    remove: withoutBlock,
  }
}

function check(path: string, text: string, hint: string): void {
  try {
    parse(text)
  } catch (cause) {
    throw new CliError('host-config', EXIT.failure, `${path} would not be valid TOML; nothing was changed`, {
      hint,
      cause,
    })
  }
}

/** Without the lines between our marks, and the empty line before them. */
function withoutBlock(text: string): string | undefined {
  const lines = text.split('\n')
  const is = (mark: string) => (line: string) => line.trimEnd() === mark
  const begin = lines.findIndex(is(BEGIN))
  const length = lines.slice(begin).findIndex(is(END))
  if (begin === -1 || length === -1) return text
  const from = begin > 0 && lines[begin - 1]?.trim() === '' ? begin - 1 : begin
  const rest = [...lines.slice(0, from), ...lines.slice(begin + length + 1)].join('\n')
  return rest.trim() === '' ? undefined : rest
}

/** A TOML basic string; JSON's escapes are among TOML's. */
const quoted = (text: string): string => JSON.stringify(text)
