import { serve } from './rpc.ts'
import { LogWriter, type WriterOptions } from './writer.ts'

/** Body of the writer thread: the only place that commits to the log. */
serve(({ path, ...options }: { readonly path: string } & WriterOptions) => {
  const writer = new LogWriter(path, options)
  return {
    open: () => ({ last: writer.last, epochs: writer.epochs() }),
    startEpoch: (nowMs: number, random16: number) => {
      writer.startEpoch(nowMs, random16)
      return writer.epochs()
    },
    append: writer.append.bind(writer),
    remove: writer.remove.bind(writer),
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
