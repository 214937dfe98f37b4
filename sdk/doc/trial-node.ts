import { Worker } from 'node:worker_threads'
import type { Timers } from '../../platform/timers.ts'
import type { Trial } from './trial.ts'

/** A thread of its own for each trial: one that hangs is ended, and nothing is left of it. */
export function threadTrial(timers: Timers): Trial {
  return (state, updates, ms) =>
    new Promise(resolve => {
      const worker = new Worker(new URL('./trial-thread.js', import.meta.url), {
        workerData: { state, updates },
        resourceLimits: { maxOldGenerationSizeMb: 512 },
      })
      worker.unref()
      const cancel = timers.after(ms, () => end(false))
      const end = (passed: boolean) => {
        cancel()
        resolve(passed)
        worker.terminate().catch(() => {})
      }
      worker.once('message', (passed: unknown) => end(passed === true))
      worker.once('error', () => end(false))
      worker.once('exit', () => end(false))
    })
}
