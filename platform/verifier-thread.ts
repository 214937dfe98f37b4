import { parentPort, workerData } from 'node:worker_threads'
import { createEventChecker } from './event-checker.ts'
import { loadTier } from './verifier-tier.ts'

// Body of a verifier thread: says what it checks with, then takes batches of texts and answers one verdict each, in order.
const port = parentPort
if (port === null) throw new Error('this module is the body of a worker thread')
try {
  const { tier, curve, passedOver } = await loadTier(workerData)
  const check = createEventChecker(curve)
  port.postMessage({ tier, library: curve.library, passedOver })
  port.on('message', ({ job, texts }: { job: number; texts: readonly string[] }) => {
    port.postMessage({ job, verdicts: texts.map(check) })
  })
} catch (error) {
  // Told in words, because errors lose their class on the way; then the thread ends, for nothing keeps it.
  port.postMessage({ unavailable: error instanceof Error ? error.message : String(error) })
}
