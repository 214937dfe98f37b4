import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createProfile, openAgent } from 'posthorn'
import { onTestFinished } from 'vitest'
import { isRunning } from '#dist/cli/host-process.js'
import { BIN, inProcess } from '../cli/posthorn.ts'
import { startRelay } from '../helpers/start-relay.ts'
import { tempDir } from '../helpers/temp-dir.ts'
import { type ModelRequest, type ModelServer, startModel } from './model-server.ts'
import { player } from './script.ts'

export type HostName = 'claude-code' | 'codex' | 'opencode'
const PACKAGES = fileURLToPath(new URL('packages/node_modules', import.meta.url))

/** A machine with a home folder of its own, a project that `posthorn install` set up, and a friend who writes to it. */
export interface Machine {
  readonly home: string
  readonly folder: string
  readonly env: Record<string, string>
  readonly model: ModelServer
  /** Requests in which the model was handed a notice. */
  notices(): readonly ModelRequest[]
  /** Requests in which a tool's result showed these words. */
  saw(words: string): readonly ModelRequest[]
  send(text: string): Promise<void>
  /** Waiting programs of this project that run. */
  waiters(): readonly number[]
  /** Runs a host to its end. */
  run(program: string, args: readonly string[], options?: RunOptions): Promise<Ended>
  /** Starts a host on pipes; killed after the test. */
  start(program: string, args: readonly string[]): ChildProcess
  /** Starts a host on a terminal; killed after the test. */
  terminal(program: string, args: readonly string[]): Terminal
}

interface RunOptions {
  readonly cwd?: string
  readonly env?: Record<string, string>
}

export interface Ended {
  readonly code: number | null
  readonly text: string
  readonly ms: number
}

export interface Terminal {
  readonly pid: number
  /** What it has shown, without colours. */
  text(): string
  type(text: string): void
  kill(signal?: string): void
}

/** Where the programs of the three packages are. They are run directly: what npm links may be a script that starts them. */
const programs = {
  claude: () => found('@anthropic-ai', /^claude-code-/, 'claude'),
  codex: () => found('@openai', /^codex-/, 'vendor', '*', 'bin', 'codex'),
  opencode: () => join(PACKAGES, 'opencode-ai/bin/opencode.exe'),
}

function found(folder: string, name: RegExp, ...rest: readonly string[]): string {
  const base = readdirSync(join(PACKAGES, folder)).find(each => name.test(each)) ?? ''
  return rest.reduce(
    (path, part) => join(path, part === '*' ? (readdirSync(path)[0] ?? '') : part),
    join(PACKAGES, folder, base),
  )
}

export async function machine(host: HostName, { ignores = false } = {}): Promise<Machine> {
  const relay = await startRelay()
  onTestFinished(() => relay[Symbol.asyncDispose]())
  const model = await startModel(player({ ignores }))
  onTestFinished(() => model[Symbol.asyncDispose]())
  const root = tempDir()
  const [home, folder, bin] = [join(root, 'home'), join(root, 'p'), join(root, 'bin')]
  for (const each of [home, bin, join(folder, '.git')]) mkdirSync(each, { recursive: true })
  const program = (name: string, line: string) =>
    writeFileSync(join(bin, name), `#!/bin/sh\nexec ${line} "$@"\n`, { mode: 0o755 })
  program('posthorn', `'${process.execPath}' '${BIN}'`)
  for (const [name, path] of Object.entries(programs)) program(name, `'${path()}'`)
  spawnSync('git', ['init', '-q', folder])
  const env: Record<string, string> = {
    HOME: home,
    PATH: `${bin}:${dirname(process.execPath)}:/usr/bin:/bin`,
    TERM: 'xterm-256color',
    ...QUIET,
    ...(host === 'claude-code' ? { ANTHROPIC_BASE_URL: model.url, ANTHROPIC_API_KEY: KEY } : {}),
    ...(host === 'codex' ? { LOCAL_KEY: KEY } : {}),
  }
  configure(host, { home, folder, url: model.url })

  // The friend's relay is what a project's own profile takes over.
  createProfile({ home: join(home, '.local/share/posthorn/default'), relays: [relay.url] })
  const friend = join(home, '.local/share/posthorn/friend')
  createProfile({ home: friend, relays: [relay.url] })
  const args = ['install', '--host', host, '--dir', folder, '--yes', '--allow-tools']
  const installed = await inProcess(args, { env })
  if (installed.code !== 0) throw new Error(installed.stderr)

  const profile = () => readdirSync(join(home, '.local/share/posthorn')).find(name => name.startsWith('p-'))
  const begin = (name: string, given: readonly string[], { cwd, env: more }: RunOptions = {}) => {
    const child = spawn(join(bin, name), given, { cwd: cwd ?? folder, env: { ...env, ...more } })
    onTestFinished(() => void child.kill('SIGKILL'))
    return child
  }
  onTestFinished(() => endDaemons(home))
  return {
    home,
    folder,
    env,
    model,
    notices: () => model.requests.filter(({ asked }) => /posthorn: \d+ new message/.test(asked)),
    saw: words => model.requests.filter(({ result }) => result?.includes(words)),
    async send(text) {
      const name = profile()
      if (name === undefined) throw new Error('the MCP server of the project has made no profile yet')
      const agent = await openAgent({ home: friend, presence: false, announce: false })
      await agent.stored(await agent.send(name, text))
      await agent.close({ timeoutMs: 100 })
    },
    waiters() {
      const path = join(home, '.local/share/posthorn', profile() ?? '', 'wake-waiters.json')
      const { waiters } = JSON.parse(existsSync(path) ? readFileSync(path, 'utf8') : '{"waiters":[]}')
      return (waiters as { pid: number }[]).map(({ pid }) => pid).filter(isRunning)
    },
    async run(name, given, options) {
      const started = performance.now()
      const child = begin(name, given, options)
      child.stdin.end()
      let text = ''
      for (const stream of [child.stdout, child.stderr]) stream.on('data', chunk => (text += chunk))
      const code = await new Promise<number | null>(resolve => child.once('close', resolve))
      return { code, text, ms: performance.now() - started }
    },
    start: (name, given) => begin(name, given),
    terminal: (name, given) => onTerminal(join(bin, name), given, folder, env),
  }
}

const KEY = 'sk-ant-api03-a-key-of-the-test'
/** Nothing but the model is asked. */
const QUIET = {
  DISABLE_TELEMETRY: '1',
  DISABLE_ERROR_REPORTING: '1',
  DISABLE_AUTOUPDATER: '1',
  CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
  IS_SANDBOX: '1',
  OPENCODE_DISABLE_AUTOUPDATE: '1',
  OPENCODE_DISABLE_LSP_DOWNLOAD: '1',
  OPENCODE_DISABLE_MODELS_FETCH: '1',
  OPENCODE_DISABLE_DEFAULT_PLUGINS: '1',
  // Whatever a host would install is refused.
  npm_config_offline: 'true',
  npm_config_fetch_retries: '0',
  // What is not on loopback is not reached, whatever a host tries.
  HTTPS_PROXY: 'http://127.0.0.1:9',
  HTTP_PROXY: 'http://127.0.0.1:9',
  NO_PROXY: '127.0.0.1,localhost',
}

interface Place {
  readonly home: string
  readonly folder: string
  readonly url: string
}

/** What a user has answered and set before: first-run questions, trust in the project, the model. */
function configure(host: HostName, { home, folder, url }: Place): void {
  const write = (path: string, text: string | object) => {
    mkdirSync(dirname(join(home, path)), { recursive: true })
    writeFileSync(join(home, path), typeof text === 'string' ? text : JSON.stringify(text))
  }
  switch (host) {
    case 'claude-code':
      return write('.claude.json', {
        hasCompletedOnboarding: true,
        theme: 'dark',
        customApiKeyResponses: { approved: [KEY.slice(-20)], rejected: [] },
        projects: { [folder]: { hasTrustDialogAccepted: true, enabledMcpjsonServers: ['posthorn'] } },
      })
    case 'codex':
      return write(
        '.codex/config.toml',
        `model = "scripted"
model_provider = "local"
check_for_update_on_startup = false
[model_providers.local]
name = "local"
base_url = "${url}/v1"
wire_api = "responses"
env_key = "LOCAL_KEY"
[analytics]
enabled = false
[projects.${JSON.stringify(folder)}]
trust_level = "trusted"
`,
      )
    case 'opencode':
      for (const each of ['.config/opencode', join(relative(home, folder), '.opencode')])
        installedForItself(write, each)
      return write('.config/opencode/opencode.json', {
        $schema: 'https://opencode.ai/config.json',
        autoupdate: false,
        share: 'disabled',
        model: 'local/scripted',
        small_model: 'local/scripted',
        provider: {
          local: {
            npm: '@ai-sdk/openai-compatible',
            name: 'local',
            options: { baseURL: `${url}/v1`, apiKey: 'x' },
            models: { scripted: { name: 'scripted', tool_call: true } },
          },
        },
      })
    default:
      return host satisfies never
  }
}

/**
 * What opencode installs for itself into each folder of its settings, as after a first start with a network. Without one it may wait a
 * minute for npm's retries, with any plugin, also an empty one.
 */
function installedForItself(write: (path: string, text: object) => void, folder: string): void {
  const name = '@opencode-ai/plugin'
  const { dependencies } = JSON.parse(readFileSync(join(PACKAGES, '../package.json'), 'utf8'))
  const version = dependencies['opencode-ai']
  const wanted = { dependencies: { [name]: version } }
  const at = `node_modules/${name}`
  write(join(folder, 'package.json'), wanted)
  write(join(folder, 'package-lock.json'), { lockfileVersion: 3, packages: { '': wanted, [at]: { version } } })
  write(join(folder, at, 'package.json'), { name, version })
}

function onTerminal(program: string, args: readonly string[], cwd: string, env: Record<string, string>): Terminal {
  const require = createRequire(join(PACKAGES, 'x.js'))
  const pty = require('@lydell/node-pty').spawn(program, args, { cols: 120, rows: 40, cwd, env })
  let shown = ''
  pty.onData((data: string) => {
    shown += data
    // Programs ask where the cursor is, and what the terminal can do.
    if (data.includes('\x1b[6n')) pty.write('\x1b[1;1R')
    if (data.includes('\x1b[c')) pty.write('\x1b[?62c')
  })
  onTestFinished(() => void pty.kill('SIGKILL'))
  return {
    pid: pty.pid,
    // biome-ignore lint/suspicious/noControlCharactersInRegex: what terminals are told
    text: () => shown.replace(/\x1b\][^\x07\x1b]*(\x07|\x1b\\)|\x1b\[[0-9;?<>=]*[a-zA-Z]/g, ''),
    type: text => pty.write(text),
    kill: (signal = 'SIGKILL') => pty.kill(signal),
  }
}

/** Codex leaves programs behind that serve later sessions of the same home folder: they are known by that folder. */
function endDaemons(home: string): void {
  const { stdout } = spawnSync('ps', ['-ww', '-eo', 'pid=,args='], { encoding: 'utf8' })
  for (const line of stdout.split('\n')) {
    const [, pid, args = ''] = /^\s*(\d+) (.*)/.exec(line) ?? []
    if (pid !== undefined && args.startsWith(`${home}/`)) process.kill(Number(pid), 'SIGKILL')
  }
}
