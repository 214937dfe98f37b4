/** What a trace of system calls says of durability. */
export interface TraceVerdict {
  /** Ids of OK true frames, in the order they left. */
  readonly oks: readonly string[]
  /** Those of them that left before their event was in the write-ahead log and synced there. */
  readonly early: readonly string[]
  readonly writes: number
  readonly syncs: number
}

const OK_TRUE = /\[\\"OK\\",\\"([0-9a-f]{64})\\",true/g
/** An event's row as it stands in a page of the journal; its text is the event's JSON, id first. */
const EVENT = /\\"id\\":\\"([0-9a-f]{64})\\"/g
const WAL = /^(pwrite64|pwritev|pwritev2|write|writev|ftruncate|fsync|fdatasync)\(\d+<[^>]*log\.db-wal>/

/**
 * Reads what `strace -f -yy` wrote. A write dirties the journal as soon as it begins; a sync cleans it only when it has ended well, and only of
 * what had been written when it began. A frame counts as sent when its call begins.
 */
export function judgeTrace(trace: string): TraceVerdict {
  const oks: string[] = []
  const early: string[] = []
  let [writes, syncs, synced] = [0, 0, 0]
  /** By thread: how many writes its sync covers, which are those before it began. */
  const syncing = new Map<string, number>()
  /** By event: the write that first held it. Commits that follow write its page again, which takes nothing back. */
  const written = new Map<string, number>()
  for (const line of trace.split('\n')) {
    const [, thread = '', call = ''] = /^(\d+)\s+(.*)$/.exec(line) ?? []
    const resumed = /^<\.\.\. (fsync|fdatasync) resumed>.*= (-?\d+)/.exec(call)
    const name = WAL.exec(call)?.[1]
    if (name === 'fsync' || name === 'fdatasync') syncing.set(thread, writes)
    else if (name !== undefined) {
      writes += 1
      for (const [, id = ''] of call.matchAll(EVENT)) if (!written.has(id)) written.set(id, writes)
    }
    const covered = syncing.get(thread)
    const ended = resumed?.[2] ?? (name?.includes('sync') ? /\)\s+= (-?\d+)/.exec(call)?.[1] : undefined)
    if (covered !== undefined && ended !== undefined) {
      syncing.delete(thread)
      if (ended === '0') {
        synced = Math.max(synced, covered)
        syncs += 1
      }
    }
    if (!/^(write|writev|sendto|sendmsg)\(\d+<TCP/.test(call)) continue
    for (const [, id = ''] of call.matchAll(OK_TRUE)) {
      oks.push(id)
      if ((written.get(id) ?? Number.POSITIVE_INFINITY) > synced) early.push(id)
    }
  }
  return { oks, early, writes, syncs }
}
