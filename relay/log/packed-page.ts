import { type PackedTexts, packTexts, type TextBytes, unpackTexts } from '../../platform/packed-texts.ts'
import type { LogBatch, LogRow, QueryPage } from './store.ts'

/** Below this, copying costs less than giving memory away. */
const FEWEST = 8

/** A page as it crosses threads: its events as bytes, if they are many. */
export function packPage(page: QueryPage): QueryPage {
  return page.events.length < FEWEST ? page : { ...page, events: [], packed: packTexts(page.events) }
}

/** What {@link packPage} made, with `events` for whoever wants strings. */
export function unpackPage(page: QueryPage): QueryPage {
  const { packed } = page
  if (packed === undefined) return page
  let events: readonly string[] | undefined
  return {
    ...page,
    get events() {
      events ??= unpackTexts(packed)
      return events
    },
  }
}

/** A batch as it crosses threads. One that tells of removals goes as objects. */
export function packBatch(batch: LogBatch): LogBatch {
  const { entries } = batch
  if (entries.length < FEWEST) return asObjects(batch)
  const seqs = new Float64Array(entries.length)
  const texts: (string | TextBytes)[] = []
  for (const [index, row] of entries.entries()) {
    if (row.op !== 'stored') return asObjects(batch)
    seqs[index] = row.seq
    texts.push(row.packed ?? row.json)
  }
  return { ...batch, entries: [], packed: { ...packTexts(texts), seqs } }
}

/** Bytes that lie among others would take those along. */
const asObjects = (batch: LogBatch): LogBatch => ({
  ...batch,
  entries: batch.entries.map(row => {
    if (row.op !== 'stored' || row.packed === undefined) return row
    const { op, seq, json, address } = row
    return { op, seq, json, address }
  }),
})

/** What {@link packBatch} made, with `entries` for whoever wants objects; their addresses are not known any more. */
export function unpackBatch(batch: LogBatch): LogBatch {
  const { packed } = batch
  if (packed === undefined) return batch
  let entries: readonly LogRow[] | undefined
  return {
    ...batch,
    get entries() {
      entries ??= unpackTexts(packed).map((json, index) => {
        const seq = packed.seqs[index] ?? 0
        return { op: 'stored', seq, json, address: undefined }
      })
      return entries
    },
  }
}

/** The memory of a packed answer, which may be given away with it. */
export const memoryOf = ({ packed }: { readonly packed?: PackedTexts }): ArrayBuffer[] =>
  packed === undefined ? [] : [packed.bytes.buffer as ArrayBuffer]

export const countOf = (page: QueryPage): number => page.packed?.ends.length ?? page.events.length
export const sizeOf = (batch: LogBatch): number => batch.packed?.ends.length ?? batch.entries.length
