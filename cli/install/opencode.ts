import { existsSync } from 'node:fs'
import { isAbsolute, join } from 'node:path'
import { CliError } from '../errors.ts'
import { EXIT } from '../exit-codes.ts'
import type { AgentHost, HostSetup } from './agent-hosts.ts'
import { removeServer } from './claude-code.ts'
import type { FileEdit } from './file-edit.ts'
import { insertJson, readJson } from './json-edit.ts'
import { OPENCODE_MARK, opencodePlugin } from './opencode-plugin.ts'

/** ms; check_inbox may wait for 50 s. */
const TOOL_MS = 75_000
const NEW_CONFIG = '{\n  "$schema": "https://opencode.ai/config.json"\n}\n'

/**
 * opencode: MCP servers in `opencode.json` or `opencode.jsonc`; plugins are files in a folder beside. Ours waits for mail whenever
 * a session has gone idle, and prompts that session.
 */
export const opencode: AgentHost = {
  name: 'opencode',
  title: 'opencode',
  edits: setup => [configEdit(setup), pluginEdit(setup)],
  allowing: undefined,
  afterwards: ['start opencode again; the plugin is loaded by itself'],
}

const userFolder = ({ home, env }: HostSetup): string => {
  const xdg = env['XDG_CONFIG_HOME']
  return join(xdg !== undefined && isAbsolute(xdg) ? xdg : join(home, '.config'), 'opencode')
}

const configEdit = (setup: HostSetup): FileEdit => {
  const folder = setup.scope === 'project' ? setup.project : userFolder(setup)
  const commented = join(folder, 'opencode.jsonc')
  const path = existsSync(commented) ? commented : join(folder, 'opencode.json')
  const full = setup.profile === 'full' ? ['--profile', 'full'] : []
  const entry = {
    type: 'local',
    command: [...setup.command, 'mcp', '--host', 'opencode', ...full],
    enabled: true,
    timeout: TOOL_MS,
  }
  return {
    path,
    add(text = NEW_CONFIG) {
      readJson(path, text)
      return insertJson(path, text, ['mcp', 'posthorn'], entry)
    },
    remove: text => {
      const rest = removeServer(path, text, 'mcp')
      return rest === NEW_CONFIG ? undefined : rest
    },
  }
}

const pluginEdit = (setup: HostSetup): FileEdit => {
  const folder = setup.scope === 'project' ? join(setup.project, '.opencode') : userFolder(setup)
  const path = join(folder, 'plugins', 'posthorn.js')
  return {
    path,
    add(text) {
      if (text === undefined) return opencodePlugin(setup.command)
      throw new CliError('host-config', EXIT.failure, `${path} is somebody else's; nothing was changed`, {
        hint: 'give that plugin another name, then install again',
      })
    },
    remove: text => (text.startsWith(OPENCODE_MARK) ? undefined : text),
  }
}
