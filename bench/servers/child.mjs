// A server as a child process: its URL from the first line it prints as JSON, `{"listening":"ws://…"}`.
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'

const START_MS = 60_000
const STOP_MS = 8_000
const running = new Set()

// Whatever ends this process ends what it started.
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

/** Runs a Node program until it listens. `startMs` counts from the start of the process. */
export async function startServer(args, { cwd, env = {} } = {}) {
  const started = performance.now()
  const child = spawn(process.execPath, args, {
    cwd,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  })
  running.add(child)
  let said = ''
  child.stderr.on('data', chunk => {
    said = (said + chunk).slice(-4_000)
  })
  const ended = new Promise(resolve => {
    child.once('exit', (code, signal) => {
      running.delete(child)
      resolve(signal ?? code)
    })
  })
  const line = new Promise(resolve => createInterface({ input: child.stdout }).once('line', resolve))
  const timer = setTimeout(() => child.kill('SIGKILL'), START_MS)
  const first = await Promise.race([line, ended.then(() => undefined)])
  clearTimeout(timer)
  const startMs = Math.round(performance.now() - started)
  let told
  try {
    told = JSON.parse(first)
  } catch {
    child.kill('SIGKILL')
    throw new Error(
      `the server did not start: ${(said || String(first ?? 'no output')).trim().split('\n').slice(-3).join(' / ')}`,
    )
  }
  return {
    url: told.listening,
    told,
    pid: child.pid,
    startMs,
    /** What it wrote to stderr last. */
    said: () => said,
    kill: () => child.kill('SIGKILL'),
    async stop() {
      child.kill('SIGTERM')
      const force = setTimeout(() => child.kill('SIGKILL'), STOP_MS)
      await ended
      clearTimeout(force)
    },
  }
}
