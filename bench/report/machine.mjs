import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { statfsSync } from 'node:fs'
import { availableParallelism, cpus, loadavg, release, totalmem } from 'node:os'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))
const IN_MEMORY = new Set([0x01021994, 0x858458f6])

function git(...args) {
  try {
    return execFileSync('git', args, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
  } catch {
    return undefined
  }
}

/** Where, when, with what: everything that somebody needs to judge or repeat a run. */
export function describeRun(options, scratch) {
  const argv = process.argv.slice(2)
  const changed = git('status', '--porcelain', '--', ':!bench/results', ':!bench/RESULTS.md')
  const {
    full: _full,
    help: _help,
    cache: _cache,
    dir: _dir,
    out: _out,
    report: _report,
    cores: _cores,
    ...sizes
  } = options
  return {
    id: randomBytes(3).toString('hex'),
    date: new Date().toISOString(),
    commit: git('rev-parse', 'HEAD'),
    changed: changed === undefined ? undefined : changed !== '',
    command: `npm run bench${argv.length > 0 ? ` -- ${argv.join(' ')}` : ''}`,
    machine: {
      cpu: cpus()[0]?.model.trim() ?? 'unknown',
      cores: availableParallelism(),
      memoryGb: Math.round(totalmem() / 2 ** 30),
      system: `${process.platform} ${release()}`,
      loadBefore: Math.round((loadavg()[0] ?? 0) * 100) / 100,
      dataInMemory: isInMemory(scratch),
    },
    node: process.version,
    options: sizes,
  }
}

/** On such a file system a flush costs nothing, and ingest figures mean nothing. */
function isInMemory(folder) {
  try {
    return IN_MEMORY.has(statfsSync(folder).type)
  } catch {
    return false
  }
}
