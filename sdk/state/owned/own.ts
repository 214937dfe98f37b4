import { randomHex } from '../../../platform/random.ts'
import { type Cancel, sleep } from '../../../platform/timers.ts'
import { byteLength } from '../../../protocol/event.ts'
import { StateError } from '../../errors.ts'
import { type Cover, entryOf } from '../log/cover.ts'
import type { LogHost, OtherSession, Place, SnapshotDraft } from '../log/types.ts'
import { checkEntry, plainKey } from './check.ts'
import { encodeRecord, MAX_KEYS, privateCodecs, publicCodecs } from './codec.ts'
import { createDrafts, type DraftRow } from './drafts.ts'
import { createPace } from './pace.ts'
import { canonical, digestOf, type Json, joinRecords, type OwnedRecord, rebase, recordOf } from './record.ts'
import { openSections, type Sections } from './sections.ts'
import {
  added,
  counted,
  type Entries,
  foldCounters,
  gaugeAt,
  gauged,
  gaugeOf,
  gaugesAhead,
  removed,
  slotAfter,
} from './typed.ts'
import type { OwnState, Unsent } from './types.ts'
import { createView } from './view.ts'
import { MAX_RECORD_BYTES, MAX_WITH_TOMBSTONES, SEALED, type Weight } from './weight.ts'

/** Up to here a record is published whole: one event, nothing to catch up with. Bytes. */
const WHOLE_BYTES = 1_024
/** Changes of one event at most, bytes of JSON; more go in several. */
const DELTA_BYTES = 24 * 1024
/** A change below its epsilon waits so long after the last one that was told. */
const HELD_MS = 60_000
const WEEK_MS = 7 * 24 * 3_600_000
const FLUSH_MS = 5_000
const RETRY_MS = 5_000

export interface OwnOptions {
  readonly o: string
  /** Others who write records under the same name; they are read along. */
  readonly authors?: () => ReadonlySet<string>
  /** For nobody else's eyes. */
  readonly private?: boolean
}

export interface RunningOwnState extends OwnState {
  readonly sections: Sections
  /** With what is about to be written. */
  readonly entries: Entries
}

/** The agent's own record under one name, and those of others beside it. */
export function openOwn(host: LogHost, { o, authors, ...how }: OwnOptions): RunningOwnState {
  const { clock, store, signer } = host
  const self = signer.pubkey
  const just = new Set([self])
  const table = store.open<DraftRow>(`owned/${o}/drafts`)
  const otherListeners = new Set<(other: OtherSession) => void>()
  const toldAt = new Map<string, number>()
  /** Of clear text: what is sealed takes more bytes on its way. */
  const room = (bytes: number) => Math.floor(how.private ? bytes / SEALED : bytes)
  /** Names the counter slots and dots of this process: nobody writes there again. */
  const process = randomHex(host.random, 4)
  const dotsOf = Math.floor(clock.now()).toString(16).padStart(12, '0') + process
  const slots = new Map<string, string>()
  let dots = 0
  let mustRebase = false
  let isWhole = true
  let flushing: Promise<void> | undefined
  let keeping: Promise<void> | undefined
  let isConfirmed = false
  /** Something waits until a relay was read. */
  let blocked = false
  /** Why the last attempt to write failed. */
  let failure: string | undefined
  let closed = false
  const closing = { now: false }

  const sections = openSections(host, {
    o,
    authors: () => new Set([...just, ...(authors?.() ?? [])]),
    codecs: how.private ? privateCodecs(signer) : publicCodecs,
    takeSnapshot,
    unwritten: () => ({ count: drafts.size, error: failure }),
    onOwn: recover,
    onOtherSession(other) {
      for (const listener of [...otherListeners]) listener(other)
    },
    onChange() {
      if (!blocked || closed || log.status.caughtUp === 0) return
      blocked = false
      pace.at(clock.monotonic())
    },
  })
  const { log } = sections
  const section = sections.section(self)
  const drafts = createDrafts(table, section, () => isConfirmed)
  const pace = createPace(host, () => void flushSoon())
  void log.confirmed().then(yes => {
    isConfirmed = yes
    if (drafts.size > 0) pace.poke()
  })
  const stopForks = sections.onFork(fork => {
    if (fork.author !== self) return
    // What stands on either side of the fork is written anew, above both.
    mustRebase = true
    pace.poke()
  })
  if (drafts.size > 0) pace.poke()

  /** Somebody with our key has begun anew without what this process had written: it is written again. */
  function recover(incoming: OwnedRecord): void {
    if (incoming.base <= section.record.base) return
    const mine = log.session
    for (const [key, entry] of section.record.entries)
      if (entry.session === mine && entry.session < incoming.base && !incoming.entries.has(key))
        if (entry.value !== null) drafts.put(key, entry.value)
    drafts.keep()
  }

  const hasGarbage = ({ entries }: OwnedRecord, session: string): boolean => {
    for (const { value, session: of } of entries.values()) if (value === null && of < session) return true
    return false
  }

  /** Tombstones go once nothing of the own key can be anywhere that this process has not read. */
  function tidied(record: OwnedRecord, at: { session: string; n: number }): OwnedRecord {
    const isDue = mustRebase || (isConfirmed && record.base < at.session && hasGarbage(record, at.session))
    return isDue ? rebase(record, at, foldCounters) : record
  }

  function draftOf(record: OwnedRecord): SnapshotDraft<OwnedRecord> {
    return {
      payload: record,
      digest: digestOf(record),
      commit() {
        if (record.base > section.record.base) mustRebase = false
        section.join(record)
      },
    }
  }

  function ownCover(): Cover {
    const sessions = log.cover().get(self)
    return new Map(sessions ? [[self, sessions]] : [])
  }

  function takeSnapshot(): SnapshotDraft<OwnedRecord> | undefined {
    const cover = ownCover()
    const { session } = log
    const n = session === undefined ? undefined : entryOf(cover, self, session)?.n
    const record = session !== undefined && n !== undefined ? tidied(section.record, { session, n }) : section.record
    return { ...draftOf(record), cover }
  }

  const held = (key: string, { value, epsilon }: { value: Json; epsilon?: number }, isTold: boolean): boolean => {
    // Most likely nothing has to be written: the relays that are still to be read say so.
    if (isTold && !isConfirmed && !closing.now) return true
    const told = section.record.entries.get(key)?.value
    const at = toldAt.get(key)
    if (closing.now || epsilon === undefined || at === undefined) return false
    if (typeof value !== 'number' || typeof told !== 'number' || Math.abs(value - told) >= epsilon) return false
    const until = at + HELD_MS
    if (clock.monotonic() >= until) return false
    pace.at(until)
    return true
  }

  async function flushSoon(): Promise<void> {
    // Before relays were read nobody knows what the own key has written elsewhere.
    blocked = log.status.caughtUp === 0
    if (closed || blocked) return
    flushing ??= flushNow().finally(() => {
      flushing = undefined
    })
    await flushing
  }

  async function flushNow(): Promise<void> {
    try {
      while (!closed) {
        for (const [key, value] of gaugesAhead(entries, clock.now())) drafts.put(key, value)
        const due = drafts.due(held)
        store.transaction(drafts.keep)
        if (due.size === 0 && !mustRebase) return
        await tell(due)
        failure = undefined
        pace.spent()
      }
    } catch (error) {
      // The signer is away, say, or the disk full: what waits waits on.
      failure = error instanceof Error ? error.message : String(error)
      drafts.abort()
      sections.tellStatus()
      if (!closed) pace.at(clock.monotonic() + RETRY_MS)
    }
  }

  /** What lives, and tombstones too as long as nobody knows what of this key is still about. */
  const bytesOf = ({ live, dead }: Weight) => live + (isConfirmed ? 0 : dead)
  const keysOf = ({ keys, tombstones }: Weight) => keys + (isConfirmed ? 0 : tombstones)

  /** Tombstones leave no room for what lives: they go, with the session that they belong to. */
  function collect(changes: ReadonlyMap<string, Json>): void {
    const { live, dead, keys, tombstones } = drafts.weight(changes)
    const isFull = live + dead > room(MAX_WITH_TOMBSTONES) || keys + tombstones > MAX_KEYS
    if (!isFull || tombstones === 0 || !isConfirmed) return
    log.renew()
    mustRebase = true
  }

  async function tell(due: ReadonlyMap<string, Json>): Promise<void> {
    const highest = [section.record.base, ...[...section.record.entries.values()].map(({ session }) => session)]
    const above = highest.reduce((a, b) => (a > b ? a : b))
    // A value of a later session would win over whatever this one writes.
    if (log.session === undefined || above > log.session) log.renew(above)
    collect(due)
    // Where the ring is full (a relay is away, or all of this is new) the whole record goes in one.
    const whole = mustRebase || log.isFull
    const changes = whole ? due : firstOf(due)
    const next = joinRecords(section.record, recordOf({ session: 'f'.repeat(16), n: 1 }, changes))
    isWhole &&= byteLength(encodeRecord(next)) <= WHOLE_BYTES
    const commit = (place: Place) => {
      section.join(recordOf(place, changes))
      drafts.settle(changes, place)
      for (const key of changes.keys()) toldAt.set(key, clock.monotonic())
    }
    if (isWhole || whole)
      await log.writeWhole(
        place => ({
          ...draftOf(tidied(joinRecords(section.record, recordOf(place, changes)), place)),
          cover: ownCover(),
        }),
        { commit },
      )
    else await log.write(changes, { commit })
    section.tell()
  }

  async function change(changes: Iterable<readonly [string, Json]>, epsilon?: number): Promise<void> {
    if (closed || closing.now) throw new StateError('state-closed', 'this state is closed; open the agent again.')
    const list = [...changes]
    for (const [key, value] of list) checkEntry(key, value)
    // What makes it smaller is always taken, whatever it weighs.
    const [before, after] = [drafts.weight(), drafts.weight(list)]
    if (keysOf(after) > MAX_KEYS && keysOf(after) > keysOf(before))
      throw new StateError('state-too-large', `a record has at most ${MAX_KEYS} keys; delete some first.`)
    const most = room(MAX_RECORD_BYTES)
    if (bytesOf(after) > most && bytesOf(after) > bytesOf(before))
      throw new StateError(
        'state-too-large',
        `the state would take ${bytesOf(after)} bytes of ${most}; delete some of it first, or make values shorter.`,
      )
    const put = list.map(([key, value]) => ({ key, what: drafts.put(key, value, epsilon) }))
    if (put.every(({ what }) => what === undefined)) return keeping
    section.tell(put.flatMap(({ key, what }) => (what === 'new' ? key : [])))
    sections.tellStatus()
    pace.poke()
    keeping ??= Promise.resolve().then(async () => {
      keeping = undefined
      store.transaction(drafts.keep)
      await store.durable?.()
    })
    return keeping
  }

  const named = (name: string): string => {
    if (name === '' || name.includes('/'))
      throw new StateError('state-malformed', 'a name is not empty and has no slash.')
    return name
  }
  const finite = (value: number): number => {
    if (!Number.isFinite(value)) throw new StateError('state-malformed', `${value} is no number that JSON can hold.`)
    return value
  }

  const { entries } = drafts
  const nextDot = () => {
    dots += 1
    return `${dotsOf}.${dots}`
  }
  function slotOf(name: string): string {
    const slot = slots.get(name) ?? slotAfter(entries, name, clock.now(), process)
    slots.set(name, slot)
    return slot
  }
  const coupled = (peer: string) => `couple:${peer}`

  const unsent = (): Unsent => {
    const { unwritten, unacknowledged } = sections.status()
    return Object.freeze({ unwritten, unacknowledged })
  }

  async function close({ timeoutMs = FLUSH_MS }: { readonly timeoutMs?: number } = {}): Promise<Unsent> {
    if (closed || closing.now) return unsent()
    closing.now = true
    const start = clock.monotonic()
    const left = () => Math.max(0, timeoutMs - (clock.monotonic() - start))
    pace.stop()
    await keeping
    await within(left(), flushSoon())
    store.transaction(drafts.keep)
    await log.close({ timeoutMs: left() })
    closed = true
    stopForks()
    return unsent()
  }

  /** Undefined: the time was over first. */
  async function within<T>(ms: number, task: Promise<T>): Promise<T | undefined> {
    const end = new AbortController()
    const over = sleep(host.timers, ms, end.signal).then(() => undefined)
    return Promise.race([task, over]).finally(() => end.abort())
  }

  const asyncly = async <T>(run: () => T | Promise<T>): Promise<T> => run()

  return {
    sections,
    entries,
    view: createView({ ...host, section, sections, entries, close: async () => void (await close()) }),
    set: (key, value, options) => asyncly(() => change([[plainKey(key), value]], options?.epsilon)),
    delete: key => asyncly(() => change([[plainKey(key), null]])),
    update: values =>
      asyncly(() => change(Object.entries(values).map(([key, value]) => [plainKey(key), value] as const))),
    count: (name, by = 1) => asyncly(() => change([counted(entries, named(name), slotOf(name), finite(by))])),
    add: (name, element) => asyncly(() => change(added(entries, named(name), element, nextDot()))),
    remove: (name, element) => asyncly(() => change(removed(entries, named(name), element))),
    setGauge: (name, value, terms) =>
      asyncly(() => change([gauged(entries, named(name), () => finite(value), clock.now(), terms)])),
    moveGauge: (name, by, terms) =>
      asyncly(() => change([gauged(entries, named(name), now => now + finite(by), clock.now(), terms)])),
    reinforce: (peer, by, halfLifeMs = WEEK_MS) =>
      asyncly(() =>
        change([
          gauged(entries, coupled(peer), now => now + finite(by), clock.now(), { min: 0, max: 1, rest: 0, halfLifeMs }),
        ]),
      ),
    coupling(peer) {
      const found = gaugeOf(entries, coupled(peer))
      return found ? gaugeAt(found, clock.now()) : 0
    },
    async flush(ms = FLUSH_MS) {
      const start = clock.monotonic()
      const left = () => Math.max(0, ms - (clock.monotonic() - start))
      if (!(await within(left(), log.ready()))) return false
      await within(left(), flushSoon())
      return drafts.size === 0 && (await log.flushed(left()))
    },
    onOtherSession(listener): Cancel {
      otherListeners.add(listener)
      return () => void otherListeners.delete(listener)
    },
    close,
  }
}

/** As much as fits into one event. */
function firstOf(changes: ReadonlyMap<string, Json>): Map<string, Json> {
  const first = new Map<string, Json>()
  let size = 0
  for (const [key, value] of changes) {
    size += byteLength(JSON.stringify(key)) + byteLength(canonical(value)) + 8
    if (first.size > 0 && size > DELTA_BYTES) break
    first.set(key, value)
  }
  return first
}
