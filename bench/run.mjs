// `npm run bench`: our relay and its peers under the same load, in one run. See bench/README.md.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createCorpus } from './load/corpus.mjs'
import { HELP, readOptions } from './options.mjs'
import { planStages } from './plan.mjs'
import { createProgress } from './progress.mjs'
import { describeRun } from './report/machine.mjs'
import { toMarkdown } from './report/markdown.mjs'
import { runStage } from './stage.mjs'
import { findTargets } from './targets.mjs'

const folder = fileURLToPath(new URL('.', import.meta.url))

async function main(options, signal) {
  mkdirSync(options.dir, { recursive: true })
  const scratch = mkdtempSync(join(options.dir, 'run-'))
  try {
    const say = text => process.stderr.write(`${text}\n`)
    const run = describeRun(options, scratch)
    const { targets, absent } = await findTargets(options, scratch, signal, say)
    const stages = planStages(targets, options)
    const progress = createProgress(stages)
    const corpus = createCorpus({ folder: options.cache, signal })
    const deadline = performance.now() + options.minutes * 60_000
    const results = []
    const missing = [...absent]
    const fillSeconds = new Map()
    for (const [index, stage] of stages.entries()) {
      signal.throwIfAborted()
      const late = performance.now() > deadline
      if (late) {
        missing.push({
          target: stage.target.name,
          scenario: stage.scenarios.map(([name]) => name).join(', '),
          why: 'out of time',
        })
        continue
      }
      progress.begin(stage, index)
      await runStage(stage, { options, corpus, scratch, signal, progress, results, missing, fillSeconds, run })
      progress.end(stage)
    }
    return {
      v: 1,
      ...run,
      seconds: Math.round(performance.now() / 1000),
      targets: targets.map(({ name, kind, tier, version }) => ({ name, kind, tier, version })),
      results,
      missing,
    }
  } finally {
    rmSync(scratch, { recursive: true, force: true, maxRetries: 3 })
  }
}

function write(file, text) {
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, text)
  process.stderr.write(`wrote ${file}\n`)
}

let options
try {
  options = readOptions(process.argv.slice(2))
} catch (error) {
  process.stderr.write(`${error.message}\n\n${HELP}`)
  process.exit(2)
}
if (options.help) {
  process.stdout.write(HELP)
  process.exit()
}

const abort = new AbortController()
for (const name of ['SIGINT', 'SIGTERM'])
  process.once(name, () => {
    process.stderr.write('\nstopping; nothing is written\n')
    abort.abort(new Error('stopped'))
    // Scenarios end with the servers they talk to, which end with this process.
    setTimeout(() => process.exit(130), 3_000).unref()
  })

try {
  const results = await main(options, abort.signal)
  abort.signal.throwIfAborted()
  const stamp = results.date.slice(0, 19).replaceAll(':', '')
  const raw =
    options.out ?? join(options.full ? join(folder, 'results') : join(options.cache, 'results'), `${stamp}.json`)
  const table = toMarkdown(results, {
    raw: options.full && options.out === undefined ? `results/${stamp}.json` : undefined,
  })
  write(raw, `${JSON.stringify(results, null, 1)}\n`)
  const report = options.report ?? (options.full ? join(folder, 'RESULTS.md') : undefined)
  if (report !== undefined) write(report, table)
  process.stdout.write(table)
  process.exit(results.missing.some(({ failed }) => failed) ? 1 : 0)
} catch (error) {
  if (!abort.signal.aborted) process.stderr.write(`${error.stack}\n`)
  process.exit(abort.signal.aborted ? 130 : 1)
}
