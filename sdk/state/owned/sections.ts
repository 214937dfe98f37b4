import type { Cancel } from '../../../platform/timers.ts'
import type { Cover } from '../log/cover.ts'
import { openLog } from '../log/log.ts'
import type { Fork, Log, LogHost, LogOptions, OtherSession, Snapshot, SnapshotDraft } from '../log/types.ts'
import { type Changes, type OwnedCodecs, publicCodecs } from './codec.ts'
import { type Entry, type OwnedRecord, recordOf } from './record.ts'
import { createSection, type Section } from './section.ts'
import { createStatusNews } from './status-news.ts'
import { entriesOf } from './typed.ts'
import type { StateStatus, StateView } from './types.ts'
import { createView } from './view.ts'
import { weightOf } from './weight.ts'

/** Bytes of one foreign record, tombstones included; what would make a larger one larger still is not taken. */
const MAX_RECORD = 4 * 1024 * 1024

export interface SectionsOptions {
  readonly o: string
  /** See {@link LogOptions.keep}. */
  readonly keep?: string
  /** 64 hex each. */
  authors(): ReadonlySet<string>
  readonly codecs?: OwnedCodecs
  /** Of the own section; without it nothing is written. */
  takeSnapshot?(cover: Cover): SnapshotDraft<OwnedRecord> | undefined
  /** Own changes that are not signed yet, and why. */
  unwritten?(): { readonly count: number; readonly error: string | undefined }
  /** The own key's state came from a relay. Inside the transaction, before it is joined. */
  onOwn?(record: OwnedRecord): void
  onOtherSession?(other: OtherSession): void
  onChange?(): void
}

/** Records of several authors under one name, each written by its author alone. */
export interface Sections {
  readonly log: Log<Changes, OwnedRecord>
  section(author: string): Section
  view(author: string, close: () => Promise<void>): StateView
  onFork(listener: (fork: Fork) => void): Cancel
  status(): StateStatus
  onStatus(listener: (status: StateStatus) => void): Cancel
  /** It may have changed. */
  tellStatus(): void
}

export function openSections(host: LogHost, options: SectionsOptions): Sections {
  const { o, codecs = publicCodecs } = options
  const self = host.signer.pubkey
  const sections = new Map<string, Section>()
  const forkListeners = new Set<(fork: Fork) => void>()
  const touched = new Set<Section>()

  function section(author: string): Section {
    const known = sections.get(author)
    if (known) return known
    const name = `owned/${o}/${author}`
    const opened = createSection(author, host.store.open<Entry>(name), host.store.open(`owned/${o}`))
    sections.set(author, opened)
    return opened
  }

  function take(author: string, record: OwnedRecord): void {
    if (author === self) options.onOwn?.(record)
    const target = section(author)
    if (target.join(record)) touched.add(target)
  }

  const log = openLog<Changes, OwnedRecord>(host, {
    o,
    ...(options.keep === undefined ? {} : { keep: options.keep }),
    authors: options.authors,
    delta: codecs.delta,
    snapshot: codecs.snapshot,
    onDelta(delta) {
      const record = recordOf(delta, delta.payload)
      if (isTooMuch(section(delta.author), record)) return
      take(delta.author, record)
    },
    onSnapshot(snapshot: Snapshot<OwnedRecord>) {
      // One author, one section: what it says of others counts for nothing.
      if ([...snapshot.cover.keys()].some(author => author !== snapshot.author)) return false
      if (isTooMuch(section(snapshot.author), snapshot.payload)) return false
      take(snapshot.author, snapshot.payload)
      return true
    },
    takeSnapshot: cover => options.takeSnapshot?.(cover),
    onChange() {
      const changed = [...touched]
      touched.clear()
      for (const each of changed) each.tell()
      options.onChange?.()
      news.check()
    },
    onFork(fork) {
      for (const listener of [...forkListeners]) listener(fork)
    },
    ...(options.onOtherSession ? { onOtherSession: options.onOtherSession } : {}),
  })

  function status(): StateStatus {
    const { count = 0, error } = options.unwritten?.() ?? {}
    return Object.freeze({ ...log.status, unwritten: count, ...(error === undefined ? {} : { error }) })
  }
  const news = createStatusNews(status)

  const onFork = (listener: (fork: Fork) => void): Cancel => {
    forkListeners.add(listener)
    return () => void forkListeners.delete(listener)
  }

  const opened: Sections = {
    log,
    section,
    onFork,
    status,
    onStatus: news.on,
    tellStatus: news.check,
    view(author, close) {
      const read = section(author)
      // The table changes in place; the record is its view.
      return createView({ ...host, section: read, sections: opened, entries: entriesOf(read.record.entries), close })
    },
  }
  return opened
}

/** Most records are far from the limit: only those near it are looked through. */
function isTooMuch({ weight, record }: Section, { base, entries }: OwnedRecord): boolean {
  const now = weight.live + weight.dead
  if (now <= MAX_RECORD) return false
  let after = 0
  for (const [key, each] of record.entries)
    if (each.session >= base && !entries.has(key)) after += weightOf(key, each.value)
  for (const [key, { value }] of entries) after += weightOf(key, value)
  return after > now
}
