import { parentPort } from 'node:worker_threads'
import type { NostrEvent } from '../protocol/event.ts'
import { verifyEvent } from '../protocol/signature.ts'

/** Body of a verifier worker: a batch in, as many verdicts out, in order. */
parentPort?.on('message', ({ job, events }: { job: number; events: NostrEvent[] }) => {
  parentPort?.postMessage({ job, verdicts: events.map(verifyEvent) })
})
