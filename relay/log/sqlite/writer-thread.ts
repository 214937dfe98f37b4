import { dirname } from 'node:path'
import { codeOf } from '../../../platform/sqlite.ts'
import type { NostrEvent } from '../../../protocol/event.ts'
import { packCommit } from './packed.ts'
import { Reserve } from './reserve.ts'
import { serve } from './rpc.ts'
import { LogWriter, type WriterOptions } from './writer.ts'

/** Body of the writer thread: the only place that commits to the log. */
serve(({ path, ...options }: { readonly path: string } & Pick<WriterOptions, 'maxBytes' | 'wasComplete'>) => {
  const reserve = new Reserve(dirname(path))
  const open = (reserveUsed: boolean) => new LogWriter(path, { ...options, reserve, reserveUsed })
  let writer: LogWriter
  try {
    writer = open(false)
  } catch (error) {
    // A full disk: opening writes a little.
    if (!/^SQLITE_(FULL|IOERR)/.test(codeOf(error)) || !reserve.release()) throw error
    writer = open(true)
  }
  return {
    open: () => ({ last: writer.last, epochs: writer.epochs(), searchable: writer.searchable, full: writer.isLow() }),
    startEpoch: (nowMs: number, random16: number) => {
      writer.startEpoch(nowMs, random16)
      return writer.epochs()
    },
    // Texts cross threads for a tenth of what objects cost, and are what is stored.
    append: (texts: readonly string[], nowMs: number) =>
      packCommit(
        writer.append(
          texts.map(text => JSON.parse(text) as NostrEvent),
          nowMs,
          texts,
        ),
      ),
    clearVanishing: writer.clearVanishing.bind(writer),
    remove: writer.remove.bind(writer),
    indexSearch: writer.indexSearch.bind(writer),
    readSettings: writer.readSettings.bind(writer),
    writeSetting: writer.writeSetting.bind(writer),
    prune: writer.prune.bind(writer),
    sweepExpired: writer.sweepExpired.bind(writer),
    wills: writer.wills.bind(writer),
    putWill: writer.putWill.bind(writer),
    dropWill: writer.dropWill.bind(writer),
    close: () => writer.close(),
  }
})
