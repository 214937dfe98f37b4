import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { delimiter, join, resolve } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { makeTempDir, removeDir } from '../helpers/temp-dir.ts'

const ROOT = resolve(import.meta.dirname, '../..')
/** The port that documents name; each sandbox answers on one of its own instead. */
const DOCUMENTED_PORT = /\b7678\b/g

/** An empty user's folder in which `posthorn` is installed, with a home and a relay port of its own. */
export interface Sandbox extends AsyncDisposable {
  readonly folder: string
  readonly relayUrl: string
  /** Everything the last program said, with the documented port back in place. */
  readonly said: string
  /** The documented port becomes this sandbox's. */
  localise(text: string): string
  /** Runs to the end; rejects unless it exits with `exit` in time. */
  run(file: string, args: readonly string[], options: { exit: number; seconds: number }): Promise<void>
  /** Runs until the sandbox ends; `relay` waits until it answers and replaces an earlier one. */
  start(file: string, args: readonly string[], options: { relay: boolean }): Promise<void>
}

export async function openSandbox(): Promise<Sandbox> {
  const folder = makeTempDir()
  const port = await freePort()
  const bin = join(folder, 'node_modules/.bin')
  mkdirSync(bin, { recursive: true })
  symlinkSync(ROOT, join(folder, 'node_modules/posthorn'), 'dir')
  symlinkSync(join(ROOT, 'node_modules/@types'), join(folder, 'node_modules/@types'), 'dir')
  // As if the user had installed it: one example checks bodies with it.
  symlinkSync(join(ROOT, 'node_modules/zod'), join(folder, 'node_modules/zod'), 'dir')
  symlinkSync(join(ROOT, 'dist'), join(folder, 'dist'), 'dir')
  writeFileSync(join(bin, 'posthorn'), `#!/bin/sh\nexec '${process.execPath}' '${ROOT}/dist/cli/posthorn.js' "$@"\n`, {
    mode: 0o755,
  })
  const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
  const manifest = { name: 'a-user', private: true, type: 'module', scripts: { start: scripts.start } }
  writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest))

  const inherited = Object.entries(process.env).filter(
    ([name]) => !/^(npm_|XDG_|POSTHORN_|VITEST|NODE_OPTIONS|NODE_ENV|TEST$)/.test(name),
  )
  const env = {
    ...Object.fromEntries(inherited),
    HOME: join(folder, 'home'),
    PATH: `${bin}${delimiter}${process.env['PATH']}`,
    NO_COLOR: '1',
  }
  mkdirSync(env.HOME)
  const running: ChildProcess[] = []
  let relay: ChildProcess | undefined
  let said = ''

  /** In a process group of its own, so that what a shell started ends with it. */
  function launch(file: string, args: readonly string[]): ChildProcess {
    const child = spawn(file, args, { cwd: folder, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
    said = ''
    const hear = (data: Buffer) => {
      said += data
    }
    child.stdout?.on('data', hear)
    child.stderr?.on('data', hear)
    return child
  }

  return {
    folder,
    relayUrl: `ws://localhost:${port}`,
    get said() {
      return said.replaceAll(String(port), '7678')
    },
    localise: text => text.replace(DOCUMENTED_PORT, String(port)),
    async run(file, args, { exit, seconds }) {
      const child = launch(file, args)
      const timer = setTimeout(() => signal(child, 'SIGKILL'), seconds * 1000)
      const [code, killedBy] = await once(child, 'close')
      clearTimeout(timer)
      signal(child, 'SIGKILL') // whatever it left running in its group
      if (code !== exit)
        throw new Error(
          `exit ${code ?? `${killedBy} after ${seconds} s`}, expected ${exit}: ${args.join(' ')}\n${said}`,
        )
    },
    async start(file, args, options) {
      if (options.relay && relay !== undefined) await stop(relay)
      const child = launch(file, args)
      running.push(child)
      if (options.relay) relay = child
      const ready = options.relay ? () => answers(port) : () => wait(500, true)
      for (let tries = 0; ; tries += 1) {
        if (await ready()) return
        if (child.exitCode !== null || tries > 300) throw new Error(`never came up: ${args.join(' ')}\n${said}`)
        await wait(100)
      }
    },
    async [Symbol.asyncDispose]() {
      for (const child of running) await stop(child)
      removeDir(folder)
    },
  }
}

/** To the whole group; it may be gone already. */
function signal(child: ChildProcess, name: NodeJS.Signals): void {
  try {
    if (child.pid !== undefined) process.kill(-child.pid, name)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) {
    const gone = once(child, 'exit')
    signal(child, 'SIGTERM')
    await Promise.race([gone, wait(6_000)])
  }
  signal(child, 'SIGKILL')
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  return typeof address === 'object' && address !== null ? address.port : 0
}

function answers(port: number): Promise<boolean> {
  return new Promise(done => {
    const socket = connect(port, '127.0.0.1')
    const finish = (value: boolean) => {
      socket.destroy()
      done(value)
    }
    socket.on('connect', () => finish(true))
    socket.on('error', () => finish(false))
  })
}
