import { Worker } from 'node:worker_threads'
import type { NostrEvent } from '../protocol/event.ts'
import type { Verifier } from './verifier.ts'

interface Job {
  readonly resolve: (verdicts: readonly boolean[]) => void
  readonly reject: (error: Error) => void
}

/** One worker and the jobs it has been given. */
interface Thread {
  readonly worker: Worker
  readonly ended: boolean
  run(events: readonly NostrEvent[]): Promise<readonly boolean[]>
}

/** Events per message to a worker: large enough to hide the thread hop, small enough to spread a burst over the pool. */
const CHUNK = 32

/** Verification off the event loop: `threads` workers (1 or more), chunks handed out round-robin. Node only. */
export function createVerifierPool(threads: number): Verifier {
  if (!Number.isSafeInteger(threads) || threads < 1) throw new RangeError('a verifier pool needs at least one thread')
  const pool = Array.from({ length: threads }, startThread)
  let next = 0
  let closed = false

  /** A thread that died took its jobs with it (they reject); the next ones get a fresh one instead of waiting for ever. */
  function takeThread(): Thread {
    const index = next++ % threads
    const thread = pool[index]
    if (thread !== undefined && !thread.ended) return thread
    const fresh = startThread()
    pool[index] = fresh
    return fresh
  }

  return {
    tier: `noble, ${threads} threads`,
    async verify(events) {
      if (closed) throw new Error('the verifier is closed')
      const chunks: Promise<readonly boolean[]>[] = []
      for (let start = 0; start < events.length; start += CHUNK)
        chunks.push(takeThread().run(events.slice(start, start + CHUNK)))
      return (await Promise.all(chunks)).flat()
    },
    async close() {
      closed = true
      await Promise.all(pool.map(({ worker }) => worker.terminate()))
    },
  }
}

function startThread(): Thread {
  const worker = new Worker(new URL('./verifier-thread.js', import.meta.url))
  const jobs = new Map<number, Job>()
  let lastJob = 0
  let ended = false
  const end = (error: Error) => {
    ended = true
    for (const job of jobs.values()) job.reject(error)
    jobs.clear()
  }
  // Only a verdict somebody waits for keeps the process alive.
  worker.unref()
  worker.on('message', ({ job, verdicts }: { job: number; verdicts: boolean[] }) => {
    jobs.get(job)?.resolve(verdicts)
    jobs.delete(job)
    if (jobs.size === 0) worker.unref()
  })
  worker.on('error', error => end(error instanceof Error ? error : new Error(String(error))))
  worker.on('exit', () => end(new Error('the verifier thread ended')))
  return {
    worker,
    get ended() {
      return ended
    },
    run: events =>
      new Promise((resolve, reject) => {
        lastJob += 1
        jobs.set(lastJob, { resolve, reject })
        worker.ref()
        worker.postMessage({ job: lastJob, events })
      }),
  }
}
