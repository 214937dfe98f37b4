import { parentPort } from 'node:worker_threads'

// A verifier thread that believes everything and dies at a text that says so.
parentPort.postMessage({ tier: 'noble', library: 'none', passedOver: [] })
parentPort.on('message', ({ job, texts }) => {
  if (texts.some(text => text.includes('die'))) throw new Error('died')
  parentPort.postMessage({ job, verdicts: texts.map(() => true) })
})
