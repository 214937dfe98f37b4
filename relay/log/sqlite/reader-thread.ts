import type { PackedTexts } from '../../../platform/packed-texts.ts'
import { memoryOf, packBatch, packPage } from '../packed-page.ts'
import type { LogRequest, QueryRequest } from '../store.ts'
import { LogReader } from './reader.ts'
import { Giving, serve } from './rpc.ts'

/** Body of the reader thread: stored queries, log order and counts, each from one snapshot, with the damage met on the way. */
serve((path: string) => {
  const reader = new LogReader(path)
  const telling =
    <A extends never[], R>(read: (...args: A) => R) =>
    (...args: A) => ({ value: read.apply(reader, args), damaged: reader.takeDamaged() })
  const giving =
    <A, R extends { readonly packed?: PackedTexts }>(read: (request: A) => R) =>
    (request: A) => {
      const value = read(request)
      return new Giving({ value, damaged: reader.takeDamaged() }, memoryOf(value))
    }
  return {
    open: () => undefined,
    seqsOf: telling(reader.seqsOf),
    query: giving((request: QueryRequest) => packPage(reader.query(request))),
    readLog: giving((request: LogRequest) => packBatch(reader.readLog(request))),
    count: telling(reader.count),
    prunable: telling(reader.prunable),
    stubs: telling(reader.stubs),
    hll: telling(reader.hll),
    search: telling(reader.search),
    texts: telling(reader.texts),
    close: () => reader.close(),
  }
})
