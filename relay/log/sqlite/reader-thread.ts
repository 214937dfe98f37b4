import { LogReader } from './reader.ts'
import { serve } from './rpc.ts'

/** Body of the reader thread: stored queries, log order and counts, each from one snapshot. */
serve((path: string) => {
  const reader = new LogReader(path)
  return {
    open: () => undefined,
    seqsOf: reader.seqsOf.bind(reader),
    query: reader.query.bind(reader),
    readLog: reader.readLog.bind(reader),
    count: reader.count.bind(reader),
    close: () => reader.close(),
  }
})
