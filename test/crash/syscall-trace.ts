/** What a trace of system calls says of durability. */
export interface TraceVerdict {
  /** Ids of OK true frames, in the order they left. */
  readonly oks: readonly string[]
  /** Those of them that left while the write-ahead log had writes that were not synced. */
  readonly early: readonly string[]
  readonly writes: number
  readonly syncs: number
}

const OK_TRUE = /\[\\"OK\\",\\"([0-9a-f]{64})\\",true/g
const WAL = /^(pwrite64|pwritev|pwritev2|write|writev|ftruncate|fsync|fdatasync)\(\d+<[^>]*log\.db-wal>/

/**
 * Reads what `strace -f -yy` wrote. A write dirties the journal as soon as it begins; a sync cleans it only when it has ended well, and only of
 * what had been written when it began. A frame counts as sent when its call begins.
 */
export function judgeTrace(trace: string): TraceVerdict {
  const oks: string[] = []
  const early: string[] = []
  let [writes, syncs, unsynced] = [0, 0, 0]
  /** By thread: how much was unsynced when its sync began. */
  const syncing = new Map<string, number>()
  for (const line of trace.split('\n')) {
    const [, thread = '', call = ''] = /^(\d+)\s+(.*)$/.exec(line) ?? []
    const resumed = /^<\.\.\. (fsync|fdatasync) resumed>.*= (-?\d+)/.exec(call)
    const name = WAL.exec(call)?.[1]
    if (name === 'fsync' || name === 'fdatasync') syncing.set(thread, unsynced)
    else if (name !== undefined) {
      writes += 1
      unsynced += 1
    }
    const covered = syncing.get(thread)
    const ended = resumed?.[2] ?? (name?.includes('sync') ? /\)\s+= (-?\d+)/.exec(call)?.[1] : undefined)
    if (covered !== undefined && ended !== undefined) {
      syncing.delete(thread)
      if (ended === '0') {
        unsynced -= covered
        syncs += 1
      }
    }
    if (!/^(write|writev|sendto|sendmsg)\(\d+<TCP/.test(call)) continue
    for (const [, id = ''] of call.matchAll(OK_TRUE)) {
      oks.push(id)
      if (unsynced > 0) early.push(id)
    }
  }
  return { oks, early, writes, syncs }
}
