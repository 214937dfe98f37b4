// A smoke test under Bun and Deno, whose programs come as npm packages: an agent on disk, against a relay in Node. Needs a built dist/.
// Usage: node test/runtimes/check.mjs [--report FILE]
import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs, promisify } from 'node:util'
import { createMemoryMailStore, openAgent } from 'posthorn'
import { createRelay } from 'posthorn/relay'

const ROOT = resolve(import.meta.dirname, '../..')
const RUNTIMES = {
  bun: { version: '1', scope: '@oven', file: 'bin/bun', args: ['run'] },
  deno: { version: '2', scope: '@deno', file: 'deno', args: ['run', '--allow-all', '--node-modules-dir=manual'] },
}
const { values: flags } = parseArgs({ options: { report: { type: 'string' } } })
const tally = { passed: 0, failed: 0 }
const work = mkdtempSync(join(tmpdir(), 'posthorn-runtimes-'))
const run = (file, args, options) =>
  promisify(execFile)(file, args, { timeout: 120_000, killSignal: 'SIGKILL', ...options })

/** The runtime's program, or undefined where its package has none for this machine. */
async function install(name, { version, scope, file }) {
  const cwd = join(work, name)
  mkdirSync(cwd)
  writeFileSync(join(cwd, 'package.json'), '{"private":true,"type":"module"}\n')
  try {
    // Without install scripts: the programs are in the packages they depend on.
    await run('npm', ['install', '--no-audit', '--no-fund', '--ignore-scripts', `${name}@${version}`], { cwd })
    const [program] = readdirSync(join(cwd, 'node_modules', scope))
      .map(folder => join(cwd, 'node_modules', scope, folder, file))
      .filter(path => existsSync(path))
    if (program === undefined) return { missing: 'its package has no program for this machine' }
    const { stdout } = await run(program, ['--version'], { cwd })
    return { cwd, program, version: /\d+\.\d+\.\d+/.exec(stdout)?.[0] ?? '' }
  } catch (error) {
    return {
      missing: String(error.stderr || error.message)
        .trim()
        .split('\n')
        .slice(-3)
        .join(' '),
    }
  }
}

async function smoke({ cwd, program }, args) {
  symlinkSync(ROOT, join(cwd, 'node_modules/posthorn'), 'dir')
  symlinkSync(join(ROOT, 'test/runtimes/agent.mjs'), join(cwd, 'agent.mjs'))
  const relay = await createRelay({ data: join(cwd, 'relay') })
  const url = await relay.listen({ port: 0 })
  const desk = await openAgent({
    name: 'desk',
    relays: [url],
    accept: 'anyone',
    host: { secretKey: Uint8Array.from({ length: 32 }, (_, n) => n + 1), store: createMemoryMailStore() },
  })
  desk.handle('request', ({ text }) => `read ${text}`)
  desk.on('message', ({ from, text }) => {
    if (text === 'send me three') for (const n of [1, 2, 3]) void desk.send(from, `note ${n}`, { act: 'note' })
  })
  try {
    const { stdout } = await run(program, [...args, 'agent.mjs', url, join(cwd, 'home'), desk.pubkey], { cwd })
    const said = JSON.parse(stdout.trim().split('\n').at(-1))
    assert.deepEqual(said, {
      text: 'read hello',
      taken: 'home-in-use',
      state: 'stored',
      samePubkey: true,
      kept: ['read hello', 'note 1', 'note 2', 'note 3'],
    })
  } finally {
    await desk.close({ timeoutMs: 100 })
    await relay.close()
  }
}

/** `posthorn relay` as this runtime's program: it serves, and SIGTERM ends it without an error. Twice, on the same data. */
async function serve({ cwd, program }, args) {
  for (let start = 1; start <= 2; start += 1) {
    const command = [
      join(ROOT, 'dist/cli/posthorn.js'),
      'relay',
      '--port',
      '0',
      '--json',
      '--data',
      join(cwd, 'served'),
    ]
    const child = spawn(program, [...args, ...command], { cwd, stdio: ['ignore', 'pipe', 'pipe'] })
    const limit = setTimeout(() => child.kill('SIGKILL'), 60_000)
    const ended = once(child, 'close')
    let out = ''
    let said = ''
    child.stderr.setEncoding('utf8').on('data', text => {
      said += text
    })
    const url = await new Promise((resolve, reject) => {
      child.stdout.setEncoding('utf8').on('data', text => {
        out += text
        if (out.includes('\n')) resolve(JSON.parse(out.split('\n')[0]).listening)
      })
      child.on('close', code => reject(new Error(`ended with ${code} before it listened: ${said}`)))
    })
    const agent = await openAgent({
      name: `guest ${start}`,
      relays: [url],
      host: { secretKey: Uint8Array.from({ length: 32 }, () => start), store: createMemoryMailStore() },
    })
    const { state } = await agent.stored(await agent.send(agent.pubkey, 'to myself'))
    assert.equal(state, 'stored')
    await agent.close({ timeoutMs: 100 })
    child.kill('SIGTERM')
    const [code, signal] = await ended
    clearTimeout(limit)
    assert.deepEqual({ code, signal }, { code: 0, signal: null }, said)
    assert.doesNotMatch(said, /Error|is not a function|not implemented/)
  }
}

try {
  for (const [name, how] of Object.entries(RUNTIMES)) {
    const started = performance.now()
    const took = () => `${((performance.now() - started) / 1000).toFixed(1)} s`
    const runtime = await install(name, how)
    if (runtime.missing !== undefined) {
      console.log(`skip  ${name}: ${runtime.missing}`)
      continue
    }
    const step = async (what, action) => {
      try {
        await action(runtime, how.args)
        tally.passed += 1
        console.log(`ok    ${name} ${runtime.version}: ${what} (${took()})`)
      } catch (error) {
        tally.failed += 1
        console.log(
          `FAIL  ${name} ${runtime.version}: ${what} (${took()})\n      ${`${error.stack ?? error}\n${error.stderr ?? ''}`.trim().replaceAll('\n', '\n      ')}`,
        )
      }
    }
    await step('an agent asks, sleeps and wakes', smoke)
    await step('a relay serves, and SIGTERM ends it', serve)
  }
} finally {
  rmSync(work, { recursive: true, force: true, maxRetries: 3 })
}
console.log(`runtimes: ${tally.passed} passed, ${tally.failed} failed`)
if (flags.report !== undefined) writeFileSync(flags.report, JSON.stringify(tally))
process.exitCode = tally.failed === 0 ? 0 : 1
