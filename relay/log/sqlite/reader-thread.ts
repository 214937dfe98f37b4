import { LogReader } from './reader.ts'
import { serve } from './rpc.ts'

/** Body of the reader thread: stored queries, log order and counts, each from one snapshot, with the damage met on the way. */
serve((path: string) => {
  const reader = new LogReader(path)
  const telling =
    <A extends never[], R>(read: (...args: A) => R) =>
    (...args: A) => ({ value: read.apply(reader, args), damaged: reader.takeDamaged() })
  return {
    open: () => undefined,
    seqsOf: telling(reader.seqsOf),
    query: telling(reader.query),
    readLog: telling(reader.readLog),
    count: telling(reader.count),
    prunable: telling(reader.prunable),
    stubs: telling(reader.stubs),
    hll: telling(reader.hll),
    search: telling(reader.search),
    texts: telling(reader.texts),
    close: () => reader.close(),
  }
})
