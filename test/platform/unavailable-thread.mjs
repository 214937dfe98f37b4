import { parentPort } from 'node:worker_threads'

parentPort.postMessage({ unavailable: 'no library' })
