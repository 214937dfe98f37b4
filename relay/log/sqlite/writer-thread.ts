import type { NostrEvent } from '../../../protocol/event.ts'
import { packCommit } from './packed.ts'
import { serve } from './rpc.ts'
import { LogWriter, type WriterOptions } from './writer.ts'

/** Body of the writer thread: the only place that commits to the log. */
serve(({ path, ...options }: { readonly path: string } & WriterOptions) => {
  const writer = new LogWriter(path, options)
  return {
    open: () => ({ last: writer.last, epochs: writer.epochs(), searchable: writer.searchable }),
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
