import { systemClock } from '../../../platform/clock.ts'
import type { PackedTexts } from '../../../platform/packed-texts.ts'
import { memoryOf, packBatch, packPage } from '../packed-page.ts'
import type { LogRequest, QueryRequest } from '../store.ts'
import { LogReader, type ReaderOptions } from './reader.ts'
import { Giving, serve } from './rpc.ts'

/** Body of the reader thread: stored queries, log order and counts, each from one snapshot, with the damage met on the way and what it cost. */
serve(({ path, ...options }: { readonly path: string } & ReaderOptions) => {
  const reader = new LogReader(path, options)
  const telling =
    <A extends never[], R>(read: (...args: A) => R) =>
    (...args: A) => {
      const start = systemClock.monotonic()
      const value = read.apply(reader, args)
      return { value, damaged: reader.takeDamaged(), ms: systemClock.monotonic() - start }
    }
  const giving =
    <A, R extends { readonly packed?: PackedTexts }>(read: (request: A) => R) =>
    (request: A) => {
      const start = systemClock.monotonic()
      const value = read(request)
      return new Giving({ value, damaged: reader.takeDamaged(), ms: systemClock.monotonic() - start }, memoryOf(value))
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
