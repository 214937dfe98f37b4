import { Worker } from 'node:worker_threads'
import type { NostrEvent } from '../protocol/event.ts'
import type { Verifier } from './verifier.ts'

interface Job {
  readonly resolve: (verdicts: readonly boolean[]) => void
  readonly reject: (error: Error) => void
}

/** Events per message to a worker: large enough to hide the thread hop, small enough to spread a burst over the pool. */
const CHUNK = 32

/** Verification off the event loop: `threads` workers, chunks handed out round-robin. Node only. */
export function createVerifierPool(threads: number): Verifier {
  const workers = Array.from({ length: threads }, () => startWorker())
  let next = 0
  let closed = false

  function startWorker() {
    const worker = new Worker(new URL('./verifier-thread.js', import.meta.url))
    const jobs = new Map<number, Job>()
    const failAll = (error: Error) => {
      for (const job of jobs.values()) job.reject(error)
      jobs.clear()
    }
    let lastJob = 0
    worker.unref()
    worker.on('message', ({ job, verdicts }: { job: number; verdicts: boolean[] }) => {
      jobs.get(job)?.resolve(verdicts)
      jobs.delete(job)
    })
    worker.on('error', error => failAll(error instanceof Error ? error : new Error(String(error))))
    worker.on('exit', () => failAll(new Error('the verifier thread ended')))
    return {
      worker,
      run: (events: readonly NostrEvent[]) =>
        new Promise<readonly boolean[]>((resolve, reject) => {
          lastJob += 1
          jobs.set(lastJob, { resolve, reject })
          worker.postMessage({ job: lastJob, events })
        }),
    }
  }

  return {
    tier: `noble, ${threads} threads`,
    async verify(events) {
      if (closed) throw new Error('the verifier is closed')
      const chunks: Promise<readonly boolean[]>[] = []
      for (let start = 0; start < events.length; start += CHUNK) {
        const slot = workers[next++ % workers.length]
        if (slot) chunks.push(slot.run(events.slice(start, start + CHUNK)))
      }
      return (await Promise.all(chunks)).flat()
    },
    async close() {
      closed = true
      await Promise.all(workers.map(({ worker }) => worker.terminate()))
    },
  }
}
