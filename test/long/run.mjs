// The random tests, for long. `npm run test:long -- --minutes 45` writes one results file; SEED= repeats a run.
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, tmpdir, totalmem } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '60' },
    /** Of all rounds below, for a quick look. */
    scale: { type: 'string', default: '1' },
    /** Names of what to run, with commas. Default: all. */
    only: { type: 'string' },
    /** How many of each kind of history. */
    histories: { type: 'string' },
    out: { type: 'string' },
  },
})

/** What runs, and how many rounds of it; of `frames`, how many frames. */
const PLAN = [
  { name: 'kill', file: 'test/crash/kill.test.ts', rounds: 200 },
  { name: 'rewind', file: 'test/crash/rewind.test.ts', rounds: 1 },
  { name: 'resume', file: 'test/property/resume.test.ts', rounds: 30 },
  { name: 'store', file: 'test/relay/store-fuzz.test.ts', rounds: 300 },
  { name: 'epochs', file: 'test/relay/epochs.test.ts', rounds: 200 },
  { name: 'frames', file: 'test/fuzz/frames.test.ts', rounds: 1_000_000 },
  { name: 'differential', file: 'test/fuzz/differential.test.ts', rounds: 100 },
  // A round is a history.
  { name: 'sim', script: 'test/long/sim.mjs', rounds: 50_000, isHistories: true },
  {
    name: 'status',
    script: 'test/long/sim.mjs',
    args: ['test/status/status.test.ts'],
    rounds: 2_000,
    isHistories: true,
  },
  // A round is a message.
  { name: 'waking', script: 'test/long/waking.mjs', rounds: 10_000 },
  { name: 'backlog', script: 'test/long/backlog.mjs', rounds: 100_000 },
  // A round is a second.
  { name: 'chaos', script: 'test/chaos/run.mjs', rounds: 200 },
  { name: 'soak', script: 'test/long/soak.mjs', rounds: 600 },
  // A round is an hour of virtual time.
  { name: 'state', script: 'test/long/state.mjs', rounds: 24 },
]

const root = fileURLToPath(new URL('../..', import.meta.url))
const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31))
const deadline = Date.now() + Number(values.minutes) * 60_000
const only = values.only?.split(',')
const scratch = mkdtempSync(join(tmpdir(), 'posthorn-long-'))
const VITEST = join(root, 'node_modules/vitest/vitest.mjs')
const figuresFile = join(scratch, 'figures')
const git = (...args) => execFileSync('git', args, { cwd: root, encoding: 'utf8' }).trim()

/** Runs a command in a process group of its own, so that all of it ends when `ms` are over, or this does. */
async function runFor(ms, command, args, options) {
  const child = spawn(command, args, { ...options, detached: true })
  let late = false
  const end = () => process.kill(-child.pid, 'SIGTERM')
  const timer = setTimeout(() => {
    late = true
    end()
  }, ms)
  const stop = () => {
    end()
    process.exit(1)
  }
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, stop)
  const [status] = await once(child, 'exit')
  clearTimeout(timer)
  for (const signal of ['SIGINT', 'SIGTERM']) process.off(signal, stop)
  return { status, late }
}

const runs = []
for (const { name, file, script, args: given = [], rounds: usual, isHistories = false } of PLAN) {
  if (only !== undefined && !only.includes(name)) continue
  const planned = isHistories && values.histories !== undefined ? Number(values.histories) : usual
  const rounds = Math.max(1, Math.round(planned * Number(values.scale)))
  const left = deadline - Date.now()
  if (left < 1_000) {
    runs.push({ name, rounds, result: 'not run: out of time' })
    continue
  }
  console.log(`${name}: ${rounds} rounds, SEED=${seed}`)
  rmSync(figuresFile, { force: true })
  const report = join(scratch, `${name}.json`)
  const started = Date.now()
  const [command, args] =
    script === undefined
      ? [process.execPath, [VITEST, 'run', file, '--reporter=default', '--reporter=json', `--outputFile=${report}`]]
      : [process.execPath, [script, ...given]]
  const { status, late } = await runFor(left, command, args, {
    cwd: root,
    env: {
      ...process.env,
      SEED: String(seed),
      ROUNDS: String(rounds),
      // What can end early, with what it has, does so.
      MINUTES: String((left - 30_000) / 60_000),
      FIGURES: figuresFile,
    },
    stdio: 'inherit',
  })
  const tests = existsSync(report)
    ? JSON.parse(readFileSync(report, 'utf8')).testResults.flatMap(({ assertionResults }) =>
        assertionResults.map(({ title, status, duration }) => ({ title, status, ms: Math.round(duration ?? 0) })),
      )
    : []
  const figures = existsSync(figuresFile)
    ? readFileSync(figuresFile, 'utf8')
        .trim()
        .split('\n')
        .map(line => JSON.parse(line))
    : []
  const result = late ? 'out of time' : status === 0 ? 'passed' : 'failed'
  runs.push({ name, rounds, result, seconds: Math.round((Date.now() - started) / 1000), figures, tests })
}
rmSync(scratch, { recursive: true })

const date = new Date().toISOString()
const results = {
  v: 1,
  date,
  commit: git('rev-parse', 'HEAD'),
  changed: git('status', '--porcelain') !== '',
  seed,
  command: `SEED=${seed} node test/long/run.mjs ${process.argv.slice(2).join(' ')}`.trim(),
  machine: { cpu: cpus()[0]?.model ?? 'unknown', cores: cpus().length, memoryGb: Math.round(totalmem() / 2 ** 30) },
  node: process.version,
  runs,
}
const out = values.out ?? join(root, 'test/long/results', `${date.slice(0, 19).replaceAll(':', '')}.json`)
mkdirSync(join(out, '..'), { recursive: true })
writeFileSync(out, `${JSON.stringify(results, null, 2)}\n`)
console.log(`${runs.map(({ name, result }) => `${name}: ${result}`).join(', ')}\n${out}`)
process.exitCode = runs.every(({ result }) => result === 'passed') ? 0 : 1
