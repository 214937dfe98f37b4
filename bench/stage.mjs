import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { SLOW_FILL_S } from './plan.mjs'

/** A scenario that hangs ends with its server after this many times its guess, and at least a minute. */
const PATIENCE = 6

/**
 * Starts a server, runs a stage's scenarios against it, stops it. A scenario that fails is told among what is missing and the
 * others go on; nothing is invented in its place.
 */
export async function runStage(stage, context) {
  const { target, round } = stage
  const { results, missing, progress, fillSeconds, signal, options, run } = context
  const miss = (scenario, why, failed = false) => {
    missing.push({ target: target.name, scenario, round, why, ...(failed ? { failed } : {}) })
    progress.problem(`${scenario}: ${why}`)
  }
  const fills = stage.scenarios[0]?.[0] === 'ingest'
  if (fills && round > 0 && fillSeconds.get(target) > SLOW_FILL_S)
    return miss('further rounds', `filling it took ${Math.round(fillSeconds.get(target))} s`)

  const data = mkdtempSync(join(context.scratch, 'data-'))
  const salt = target.fresh ? '' : `-${run.id}${round}`
  let server
  const hung = setTimeout(() => server?.kill?.(), Math.max(60, stage.seconds * PATIENCE) * 1000)
  const abort = () => server?.kill?.()
  signal.addEventListener('abort', abort, { once: true })
  try {
    // The one whose folder is not empty starts servers as it needs them.
    if (stage.scenarios[0][1].startsItself !== true) server = await target.start(data)
    for (const [name, act] of stage.scenarios) {
      signal.throwIfAborted()
      progress.scenario(name)
      const report = (title, figures) => {
        if (name === 'ingest' && !options.only.includes('ingest')) return
        results.push({ target: target.name, scenario: name, case: title, round, ...figures })
        progress.figure(title, figures)
      }
      const began = performance.now()
      try {
        await act({
          ...context,
          server,
          target,
          data,
          salt,
          report,
          miss: (title, why) => miss(`${name}, ${title}`, why),
        })
      } catch (error) {
        signal.throwIfAborted()
        miss(name, error.message, true)
        // Without its events there is nothing to ask for.
        if (name === 'ingest') return
      }
      if (name === 'ingest') fillSeconds.set(target, (performance.now() - began) / 1000)
    }
  } catch (error) {
    signal.throwIfAborted()
    miss(stage.scenarios.map(([name]) => name).join(', '), error.message, true)
  } finally {
    clearTimeout(hung)
    signal.removeEventListener('abort', abort)
    await server?.stop()
    rmSync(data, { recursive: true, force: true, maxRetries: 3 })
  }
}
