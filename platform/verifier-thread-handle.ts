import { Worker } from 'node:worker_threads'
import { THREAD_MEMORY } from './thread-memory.ts'
import { type LoadedTier, type VerifierSetting, VerifierUnavailableError } from './verifier-tier.ts'

interface Job {
  readonly size: number
  readonly resolve: (verdicts: readonly boolean[]) => void
  readonly reject: (error: Error) => void
}

/** What a thread checks with. */
export interface ThreadReady extends Pick<LoadedTier, 'tier' | 'passedOver'> {
  readonly library: string
}
type Message =
  | ThreadReady
  | { readonly unavailable: string }
  | { readonly job: number; readonly verdicts: readonly boolean[] }

/** One thread and the jobs it has been given. */
export interface VerifierThread {
  readonly ready: Promise<ThreadReady>
  readonly ended: boolean
  /** Texts that wait for their verdict. */
  readonly load: number
  run(texts: readonly string[]): Promise<readonly boolean[]>
  end(): Promise<unknown>
}

const BODY = new URL('./verifier-thread.js', import.meta.url)

/** Starts a thread; what it is given before it is ready waits. `ready` and jobs reject if it ends. */
export function startVerifierThread(setting: VerifierSetting, body: URL = BODY): VerifierThread {
  const worker = new Worker(body, { workerData: setting, resourceLimits: THREAD_MEMORY })
  const jobs = new Map<number, Job>()
  let lastJob = 0
  let load = 0
  let ended = false
  let settle: { resolve: (ready: ThreadReady) => void; reject: (error: Error) => void } | undefined
  const ready = new Promise<ThreadReady>((resolve, reject) => {
    settle = { resolve, reject }
  })
  const end = (error: Error) => {
    ended = true
    settle?.reject(error)
    for (const job of jobs.values()) job.reject(error)
    jobs.clear()
    load = 0
  }
  worker.on('message', (message: Message) => {
    if ('unavailable' in message) return end(new VerifierUnavailableError(message.unavailable))
    if ('tier' in message) settle?.resolve(message)
    else {
      const job = jobs.get(message.job)
      jobs.delete(message.job)
      load -= job?.size ?? 0
      job?.resolve(message.verdicts)
    }
    // Only a verdict somebody waits for keeps the process alive.
    if (jobs.size === 0) worker.unref()
  })
  worker.on('error', error => end(error instanceof Error ? error : new Error(String(error))))
  worker.on('exit', () => end(new Error('the verifier thread ended')))
  return {
    ready,
    get ended() {
      return ended
    },
    get load() {
      return load
    },
    run: texts =>
      new Promise((resolve, reject) => {
        lastJob += 1
        load += texts.length
        jobs.set(lastJob, { size: texts.length, resolve, reject })
        worker.ref()
        worker.postMessage({ job: lastJob, texts })
      }),
    end: () => worker.terminate(),
  }
}
