import { mkdirSync, readdirSync, readFileSync, realpathSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { parse as parseJsonc } from 'jsonc-parser'
import { parse as parseToml } from 'smol-toml'
import { expect, test } from 'vitest'
import { insertJson, readJson, removeJson } from '#dist/cli/install/json-edit.js'
import { ownCommand } from '#dist/cli/install/own-command.js'
import { tempDir } from '../helpers/temp-dir.ts'
import { inProcess } from './posthorn.ts'

/** Only additions: every character that was there is there, in order. */
function isWithin(text: string, longer: string): boolean {
  let at = 0
  for (const character of longer) if (character === text[at]) at += 1
  return at === text.length
}

/** A home and a project with files of a host in them, as people have them. */
function machine(files: Readonly<Record<string, string>> = {}) {
  const root = tempDir()
  const project = join(root, 'project')
  mkdirSync(join(project, '.git'), { recursive: true })
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), text)
  }
  const bin = join(root, 'bin')
  mkdirSync(bin)
  writeFileSync(join(bin, 'posthorn'), '#!/bin/sh\n', { mode: 0o755 })
  const env = { HOME: join(root, 'home'), PATH: bin }
  const install = (host: string, ...more: string[]) =>
    inProcess(['install', '--host', host, '--dir', project, ...more], { env })
  return { root, project, install, read: (path: string) => readFileSync(join(root, path), 'utf8') }
}

const SETTINGS = `{
    // ours is strict about permissions
    "permissions": { "allow": ["Bash(npm test:*)"], "deny": [] },
    "hooks": {
        "PreToolUse": [{ "matcher": "Bash", "hooks": [{ "type": "command", "command": "guard.sh" }] }],
        "Stop": [
            { "hooks": [{ "type": "command", "command": "say done", "timeout": 5 }] }
        ]
    },
    "model": "opus" /* the big one */
}
`
// Claude Code fills in variables of the environment; they stay as they are written.
const KEY = '$' + '{KEY}'
const MCP_JSON = `{"mcpServers":{"other":{"command":"npx","args":["-y","other"],"env":{"KEY":"${KEY}"}}},"x-foreign":[1, 2]}`
const CONFIG_TOML = `# my codex
model = "gpt-5"
notify = ["terminal-notifier", "-title", "Codex"]   # keep

[mcp_servers.docs]
command = "docs-server"
env = { TOKEN = "s3cret" }

[[hooks.Stop]]
[[hooks.Stop.hooks]]
type = "command"
command = "~/bin/done.sh"

[projects."/home/me/x"]
trust_level = "trusted"`
const OPENCODE_JSONC = `{
\t"$schema": "https://opencode.ai/config.json",
\t// small model for titles
\t"small_model": "anthropic/haiku",
\t"mcp": {
\t\t"other": { "type": "remote", "url": "https://mcp.example", "enabled": false }, // off
\t},
}
`
const SETS = {
  'claude-code': { 'project/.mcp.json': MCP_JSON, 'project/.claude/settings.json': SETTINGS },
  codex: { 'project/.codex/config.toml': CONFIG_TOML },
  opencode: { 'project/opencode.jsonc': OPENCODE_JSONC },
} as const
const HOSTS = Object.keys(SETS) as (keyof typeof SETS)[]

test.each(HOSTS)('%s: goes in once, keeps what is there, and comes out byte for byte', async host => {
  const files: Readonly<Record<string, string>> = SETS[host]
  const { install, read, project } = machine(files)
  const dry = await install(host, '--dry-run')
  expect(dry.code).toBe(0)
  expect(dry.stdout).toContain('posthorn')
  for (const [path, text] of Object.entries(files)) expect(read(path)).toBe(text)

  expect(await install(host, '--yes')).toMatchObject({ code: 0 })
  const written = Object.fromEntries(Object.keys(files).map(path => [path, read(path)]))
  for (const [path, text] of Object.entries(files)) {
    expect(written[path]).not.toBe(text)
    expect(isWithin(text, written[path] ?? '')).toBe(true)
  }
  const again = await install(host, '--yes', '--json')
  expect(JSON.parse(again.stdout)).toMatchObject({ v: 1, host, written: false, files: [] })

  expect((await install(host, '--uninstall', '--yes')).code).toBe(0)
  for (const [path, text] of Object.entries(files)) expect(read(path)).toBe(text)
  expect((await install(host, '--uninstall', '--yes')).stdout).toBe('nothing to change\n')
  if (host === 'opencode') expect(readdirSync(join(project, '.opencode/plugins'))).toEqual([])
})

test('what hosts read then: entries and hooks beside those that were there', async () => {
  const { install, read } = machine({ ...SETS['claude-code'], ...SETS.codex, ...SETS.opencode })
  for (const host of HOSTS) await install(host, '--yes', '--profile', 'full')
  expect(JSON.parse(read('project/.mcp.json'))).toEqual({
    mcpServers: {
      other: { command: 'npx', args: ['-y', 'other'], env: { KEY } },
      posthorn: {
        type: 'stdio',
        command: 'posthorn',
        args: ['mcp', '--host', 'claude-code', '--profile', 'full'],
      },
    },
    'x-foreign': [1, 2],
  })
  const wakes = {
    hooks: [
      {
        type: 'command',
        command: 'posthorn wake --host claude-code --wait 1200000',
        asyncRewake: true,
        timeout: 1_209_600,
      },
    ],
  }
  expect(parseJsonc(read('project/.claude/settings.json')).hooks).toEqual({
    PreToolUse: [{ matcher: 'Bash', hooks: [{ type: 'command', command: 'guard.sh' }] }],
    Stop: [{ hooks: [{ type: 'command', command: 'say done', timeout: 5 }] }, wakes],
    SessionStart: [wakes],
  })
  expect(parseToml(read('project/.codex/config.toml'))).toMatchObject({
    model: 'gpt-5',
    mcp_servers: {
      docs: { command: 'docs-server' },
      posthorn: { command: 'posthorn', args: ['mcp', '--host', 'codex', '--profile', 'full'], tool_timeout_sec: 75 },
    },
    hooks: {
      Stop: [
        { hooks: [{ type: 'command', command: '~/bin/done.sh' }] },
        { hooks: [{ type: 'command', command: 'posthorn wake --host codex --wait 1200000', timeout: 20 }] },
      ],
    },
  })
  expect(parseJsonc(read('project/opencode.jsonc'))).toMatchObject({
    small_model: 'anthropic/haiku',
    mcp: {
      other: { url: 'https://mcp.example' },
      posthorn: {
        type: 'local',
        command: ['posthorn', 'mcp', '--host', 'opencode', '--profile', 'full'],
        enabled: true,
      },
    },
  })
})

test.each(HOSTS)('%s: a file that was changed since loses only what is ours', async host => {
  const { install, read, root } = machine()
  expect((await install(host, '--yes')).code).toBe(0)
  const [path = ''] = Object.keys(SETS[host]).map(each => each.replace('.jsonc', '.json'))
  const text = read(path)
  const mine = host === 'codex' ? `${text}\n[tui]\ntheme = "dark"\n` : text.replace('{', '{\n  "mine": [1],')
  writeFileSync(join(root, path), mine)
  await install(host, '--uninstall', '--yes')
  const left = read(path)
  expect(left).not.toContain('posthorn')
  expect(left).toContain(host === 'codex' ? 'theme = "dark"' : '"mine": [1]')
})

test('tools that may be used without asking: offered, written where asked for, and taken out again', async () => {
  const { install, read, root, project } = machine({ 'project/.claude/settings.json': SETTINGS })
  const plain = await install('claude-code', '--yes')
  expect(plain.stderr).toContain('--allow-tools')
  expect(read('project/.claude/settings.json')).not.toContain('mcp__posthorn')
  expect((await install('claude-code', '--yes', '--allow-tools')).stderr).not.toContain('--allow-tools')
  const written = read('project/.claude/settings.json')
  expect(parseJsonc(written).permissions).toEqual({ allow: ['Bash(npm test:*)', 'mcp__posthorn'], deny: [] })
  writeFileSync(join(root, 'project/.claude/settings.json'), written.replace('"opus"', '"sonnet"'))
  await install('claude-code', '--uninstall', '--yes')
  expect(read('project/.claude/settings.json')).toBe(SETTINGS.replace('"opus"', '"sonnet"'))

  await install('codex', '--yes', '--allow-tools')
  expect(parseToml(read('project/.codex/config.toml'))).toMatchObject({
    mcp_servers: { posthorn: { default_tools_approval_mode: 'approve' } },
  })
  expect((await install('opencode', '--yes')).stderr).not.toContain('--allow-tools')

  // A person is asked twice: whether to allow, and whether to write.
  const env = { HOME: join(root, 'home'), PATH: join(root, 'bin') }
  const asked: string[] = []
  const confirm = async (question: string) => asked.push(question) > 0 && question.includes('write')
  await inProcess(['install', '--host', 'codex', '--dir', project], { env, confirm })
  expect(asked).toEqual([expect.stringContaining('without asking'), expect.stringContaining('write this')])
  expect(read('project/.codex/config.toml')).not.toContain('approval_mode')
})

test("a permission that was somebody's own stays", async () => {
  const own = '{\n  "permissions": { "allow": ["mcp__posthorn"] }\n}\n'
  const { install, read } = machine({ 'project/.claude/settings.json': own })
  await install('claude-code', '--yes')
  expect(parseJsonc(read('project/.claude/settings.json')).permissions).toEqual({ allow: ['mcp__posthorn'] })
  await install('claude-code', '--uninstall', '--yes')
  expect(read('project/.claude/settings.json')).toBe(own)
})

test('what earlier versions wrote is taken out: one stop hook that waits for an hour', async () => {
  const former = JSON.stringify({
    hooks: {
      Stop: [{ hooks: [{ type: 'command', command: 'posthorn wake --host claude-code --wait 3500', timeout: 3600 }] }],
    },
  })
  const { install, read } = machine({ 'project/.claude/settings.json': former })
  await install('claude-code', '--yes')
  expect(JSON.parse(read('project/.claude/settings.json')).hooks).toMatchObject({
    SessionStart: [{}],
    Stop: [{ hooks: [{ command: 'posthorn wake --host claude-code --wait 1200000' }] }],
  })
})

test('new files go again; an upgrade replaces what an earlier one wrote', async () => {
  const { install, project, read } = machine()
  await install('claude-code', '--yes')
  await install('claude-code', '--yes', '--profile', 'full')
  expect(JSON.parse(read('project/.mcp.json')).mcpServers.posthorn.args).toContain('full')
  expect(JSON.parse(read('project/.claude/settings.json')).hooks.Stop).toHaveLength(1)
  await install('claude-code', '--uninstall', '--yes')
  expect(readdirSync(project).sort()).toEqual(['.claude', '.git'])
  expect(readdirSync(join(project, '.claude'))).toEqual([])
})

test('for a user: in the home directory, links and modes kept, what was there kept private', async () => {
  const { root, install, read } = machine({ 'dotfiles/claude.json': '{"numStartups": 3}\n' })
  mkdirSync(join(root, 'home'), { recursive: true })
  symlinkSync(join(root, 'dotfiles/claude.json'), join(root, 'home/.claude.json'))
  for (const host of HOSTS) expect((await install(host, '--user', '--yes')).code).toBe(0)
  expect(JSON.parse(read('dotfiles/claude.json'))).toMatchObject({ numStartups: 3, mcpServers: { posthorn: {} } })
  expect(read('home/.claude/settings.json')).toContain('asyncRewake')
  expect(read('home/.codex/config.toml')).toContain('mcp_servers.posthorn')
  expect(read('home/.config/opencode/opencode.json')).toContain('posthorn')
  const records = join(root, 'home/.local/state/posthorn/install')
  for (const name of readdirSync(records)) expect(statSync(join(records, name)).mode & 0o077).toBe(0)
  for (const host of HOSTS) await install(host, '--user', '--uninstall', '--yes')
  expect(read('dotfiles/claude.json')).toBe('{"numStartups": 3}\n')
  expect(readdirSync(records)).toEqual([])
})

test('asks before it writes; refuses what it cannot keep', async () => {
  const { install, read, root } = machine({
    'project/.mcp.json': '{ not json',
    'project/.codex/config.toml': 'hooks = { Stop = [] }\n',
    'project/.opencode/plugins/posthorn.js': 'export const mine = 1\n',
  })
  const broken = await install('claude-code', '--yes')
  expect(broken).toMatchObject({ code: 1, stderr: expect.stringContaining('not valid JSON; nothing was changed') })
  expect((await install('codex', '--yes')).stderr).toContain('nothing was changed')
  expect((await install('opencode', '--yes')).stderr).toContain("somebody else's")
  expect(read('project/.codex/config.toml')).toBe('hooks = { Stop = [] }\n')

  writeFileSync(join(root, 'project/.mcp.json'), '{}')
  const silent = await install('claude-code')
  expect(silent.code).toBe(2)
  expect(silent.stderr).toContain('--yes')
  const env = { HOME: join(root, 'home'), PATH: join(root, 'bin') }
  const args = ['install', '--host', 'claude-code', '--dir', join(root, 'project')]
  const no = await inProcess(args, { env, confirm: async () => false })
  expect(no).toMatchObject({ code: 0, stdout: 'nothing was written\n' })
  expect(read('project/.mcp.json')).toBe('{}')
  expect((await inProcess(args, { env, confirm: async () => true })).code).toBe(0)
  expect(read('project/.mcp.json')).toContain('posthorn')

  for (const wrong of [
    [],
    ['--host', 'vim'],
    ['--host', 'codex', '--user', '--project'],
    ['--host', 'codex', '--profile', 'x'],
  ])
    expect((await inProcess(['install', ...wrong], { env })).code).toBe(2)
})

test('a program that npm put on the path for a moment is not relied on', async () => {
  const { project, root, read } = machine()
  const local = join(root, 'node_modules/.bin')
  mkdirSync(local, { recursive: true })
  writeFileSync(join(local, 'posthorn'), '#!/bin/sh\n', { mode: 0o755 })
  const env = { HOME: join(root, 'home'), PATH: local }
  const said = await inProcess(['install', '--host', 'claude-code', '--dir', project, '--yes'], { env })
  expect(JSON.parse(read('project/.mcp.json')).mcpServers.posthorn.command).toBe(process.execPath)
  expect(said.stderr).toContain('do not commit them')
  const user = await inProcess(['install', '--host', 'claude-code', '--dir', project, '--yes', '--user'], { env })
  expect(user.stderr).not.toContain('do not commit them')
})

test('a project that depends on posthorn gets files that suit every machine', async () => {
  const { project, root, read } = machine()
  const local = join(project, 'node_modules/.bin')
  mkdirSync(local, { recursive: true })
  writeFileSync(join(local, 'posthorn'), '#!/bin/sh\n', { mode: 0o755 })
  const env = { HOME: join(root, 'home'), PATH: local }
  for (const host of HOSTS) {
    const { stderr } = await inProcess(['install', '--host', host, '--dir', project, '--yes'], { env })
    expect(stderr).not.toContain('do not commit them')
  }
  const files = ['.mcp.json', '.claude/settings.json', '.codex/config.toml', 'opencode.json']
  for (const path of [...files, '.opencode/plugins/posthorn.js']) {
    expect(read(`project/${path}`)).not.toContain(root)
    expect(read(`project/${path}`)).not.toContain(process.execPath)
  }
  expect(JSON.parse(read('project/.mcp.json')).mcpServers.posthorn).toMatchObject({
    command: 'npx',
    args: ['--no', 'posthorn', 'mcp', '--host', 'claude-code'],
  })
})

test('layout: tabs, Windows line ends and a byte order mark stay', async () => {
  const text = '\ufeff{\r\n\t"a": 1\r\n}\r\n'
  const { install, read } = machine({ 'project/.mcp.json': text, 'project/.codex/config.toml': 'a = 1\r\n' })
  await install('claude-code', '--yes')
  expect(read('project/.mcp.json')).toMatch(/^\ufeff\{\r\n\t"a": 1,\r\n\t"mcpServers": \{\r\n\t\t"posthorn"/)
  await install('codex', '--yes')
  expect(read('project/.codex/config.toml').replaceAll('\r\n', '')).not.toContain('\n')
  await install('claude-code', '--yes', '--uninstall')
  expect(read('project/.mcp.json')).toBe(text)
})

test.each([
  ['{ }', '{}'],
  ['{"mcp": {}}', undefined],
  ['{"mcp":{ "x": 1 /* , */ }}', undefined],
  ['{\n  // only a comment\n}\n', undefined],
  ['{\n  "a": 1 // x, y\n}\n', undefined],
  ['{\n\t"mcp": {\n\t\t"x": { "a": 1 }, // off\n\t},\n}\n', undefined],
  ['{\n    "mcp": {"x": 1,},\n    "b": 2,\n    // end\n}', '{\n    "mcp": {"x": 1},\n    "b": 2,\n    // end\n}'],
])('a value goes into %j, and comes out', (text, left) => {
  const longer = insertJson('file', text, ['mcp', 'posthorn'], { t: 1 })
  expect(readJson('file', longer)['mcp']).toMatchObject({ posthorn: { t: 1 } })
  expect(removeJson(longer, text.includes('"mcp"') ? ['mcp', 'posthorn'] : ['mcp'])).toBe(left ?? text)
})

test('a host starts what the user started: npx only where npx fetched it, never for a checkout that it links to', () => {
  const root = realpathSync(tempDir())
  const program = (folder: string) => {
    mkdirSync(join(root, folder, 'dist/cli'), { recursive: true })
    writeFileSync(join(root, folder, 'dist/cli/posthorn.js'), '', { mode: 0o755 })
    return join(root, folder, 'dist/cli/posthorn.js')
  }
  const linked = (folder: string, to: string) => {
    mkdirSync(join(root, folder), { recursive: true })
    symlinkSync(to, join(root, folder, 'posthorn'))
    return join(root, folder, 'posthorn')
  }
  const checkout = program('checkout')
  const fetched = program('.npm/_npx/1/node_modules/posthorn')
  const bin = '.npm/_npx/1/node_modules/.bin'
  expect(ownCommand('', linked(bin, fetched))).toEqual(['npx', '-y', 'posthorn'])
  expect(ownCommand('', linked(bin.replace('1', '2'), checkout))).toEqual([process.execPath, checkout])
  expect(ownCommand('', checkout)).toEqual([process.execPath, checkout])
  // What npm puts on the path is not there later; what the user has there is.
  expect(ownCommand(join(root, bin), checkout)).toEqual([process.execPath, checkout])
  linked('bin', checkout)
  expect(ownCommand(join(root, 'bin'), checkout)).toEqual(['posthorn'])
})
