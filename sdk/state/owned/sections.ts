import type { Cancel } from '../../../platform/timers.ts'
import type { Cover } from '../log/cover.ts'
import { openLog } from '../log/log.ts'
import type { Fork, Log, LogHost, LogOptions, OtherSession, Snapshot, SnapshotDraft } from '../log/types.ts'
import { type Changes, type OwnedCodecs, publicCodecs } from './codec.ts'
import { type Entry, type OwnedRecord, recordOf } from './record.ts'
import { createSection, type Section } from './section.ts'
import { entriesOf } from './typed.ts'
import type { StateView } from './types.ts'
import { createView } from './view.ts'

/** Characters of one foreign record; what goes beyond is not taken. */
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
      if (section(delta.author).size > MAX_RECORD) return
      take(delta.author, recordOf(delta, delta.payload))
    },
    onSnapshot(snapshot: Snapshot<OwnedRecord>) {
      // One author, one section: what it says of others counts for nothing.
      if ([...snapshot.cover.keys()].some(author => author !== snapshot.author)) return false
      if (section(snapshot.author).size > MAX_RECORD) return false
      take(snapshot.author, snapshot.payload)
      return true
    },
    takeSnapshot: cover => options.takeSnapshot?.(cover),
    onChange() {
      const changed = [...touched]
      touched.clear()
      for (const each of changed) each.tell()
      options.onChange?.()
    },
    onFork(fork) {
      for (const listener of [...forkListeners]) listener(fork)
    },
    ...(options.onOtherSession ? { onOtherSession: options.onOtherSession } : {}),
  })

  const onFork = (listener: (fork: Fork) => void): Cancel => {
    forkListeners.add(listener)
    return () => void forkListeners.delete(listener)
  }

  return {
    log,
    section,
    onFork,
    view(author, close) {
      const read = section(author)
      // The table changes in place; the record is its view.
      return createView({ ...host, section: read, log, entries: entriesOf(read.record.entries), onFork, close })
    },
  }
}
