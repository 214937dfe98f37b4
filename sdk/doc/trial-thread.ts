import { parentPort, workerData } from 'node:worker_threads'
import * as Y from 'yjs'

const { state, updates } = workerData as { readonly state: Uint8Array; readonly updates: readonly Uint8Array[] }
const doc = new Y.Doc()
Y.applyUpdate(doc, state)
doc.transact(() => {
  for (const update of updates) Y.applyUpdate(doc, update)
})
parentPort?.postMessage(doc.store.pendingStructs === null && doc.store.pendingDs === null)
