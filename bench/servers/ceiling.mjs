// A server that does nothing: what the load generator itself can do here.
import { fileURLToPath } from 'node:url'
import { startServer } from './child.mjs'

const program = fileURLToPath(new URL('./ceiling-server.mjs', import.meta.url))

export const ceiling = {
  name: 'ceiling (answers without work)',
  kind: 'ceiling',
  fresh: true,
  start: () => startServer([program]),
}
