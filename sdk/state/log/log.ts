import { randomFloat } from '../../../platform/random.ts'
import { type Cancel, sleep } from '../../../platform/timers.ts'
import type { Cursor } from '../../../protocol/cursor.ts'
import type { NostrEvent } from '../../../protocol/event.ts'
import { STATE_DELTA } from '../../../protocol/kinds.ts'
import { isDocumentId } from '../../../protocol/state.ts'
import { StateError } from '../../errors.ts'
import type { Line } from '../../link/line.ts'
import { createPulse } from '../../notices.ts'
import { type Cover, covers, includes, joinCovers, type MutableCover } from './cover.ts'
import { createIntake } from './intake.ts'
import { createMarks, type MarkRow } from './marks.ts'
import { type CursorRow, createRelaySide, type Offer, type RelaySide } from './relay-side.ts'
import { createRetained, eventOf, type SnapshotRow, type TailRow } from './retained.ts'
import type { SnapshotHeader } from './snapshot-text.ts'
import { turnOf } from './turn.ts'
import type { Fork, Log, LogHost, LogOptions, LogStatus } from './types.ts'
import { createWriter, type NumberingRow } from './writer.ts'

/** A snapshot is due at so many events that none covers, */
const TAIL_EVENTS = 64
/** With authors who take turns; from so many on nobody waits: the ring has to be free again before it is full. */
const TAIL_FULL = 96
/** or so many bytes of them, */
const TAIL_BYTES = 16 * 1024
/** or after so long without a write at so many. */
const IDLE_MS = 30_000
const IDLE_EVENTS = 10
const FLUSH_MS = 5_000
const CLOSE_MS = 5_000
/** Relays are asked for what is missing at most so often. */
const REPAIR_MS = 60_000
const REWRITE_MS = 1_000
/** Where the authors publish is waited for so long, then what others have is good enough to begin with. */
const HOME_MS = 10_000
const SHOWN_GAPS = 16
/** Snapshots by others, or by earlier lives, whose cover counts as acknowledged where they were seen. */
const MAX_FOUND = 16

/** What others have said is covered, and at which relays. */
interface Found {
  readonly cover: Cover
  readonly relays: Set<string>
}

/** Opens one document's log. Throws StateError `state-malformed` if `o` names none. */
export function openLog<P, S>(host: LogHost, options: LogOptions<P, S>): Log<P, S> {
  const { o } = options
  if (!isDocumentId(o))
    throw new StateError('state-malformed', `${JSON.stringify(o)} names no document: letters, digits, '.', '_', '-'.`)
  const { store, timers, signer } = host
  const self = signer.pubkey
  const table = <Row extends object>(name: string) => store.open<Row>(`log/${options.keep ?? o}/${name}`)
  const marks = createMarks(table<MarkRow>('marks'))
  const retained = createRetained(self, table<TailRow>('tail'), table<SnapshotRow>('snapshots'))
  const lowTable = table<Cursor>('lows')
  const found = new Map<string, Found>()
  const sides = new Map<Line, RelaySide>()
  const news = createPulse()
  const writer = createWriter({
    ...options,
    host,
    marks,
    retained,
    numbering: table<NumberingRow>('own'),
    lows,
  })
  const intake = createIntake({
    ...options,
    self,
    marks,
    retained,
    forks: table<Fork>('forks'),
    onCovered: believe,
    onAgain,
    onOwn(event, place) {
      writer.saw(event)
      const mine = writer.session
      if (!place || place.session === mine) return
      if (retained.clashes(place)) superseded()
      if (mine !== undefined && place.session > mine) options.onOtherSession?.(place)
    },
    onFork(fork) {
      // Whoever we are beside: this process goes on above both.
      if (fork.author === self) writer.renew()
      options.onFork?.(fork)
    },
  })
  let incoming: Promise<unknown> = Promise.resolve()
  let writing: Promise<unknown> = Promise.resolve()
  let snapshotPlanned = false
  let cancelIdle: Cancel = () => {}
  let cancelTurn: Cancel | undefined
  let repairedAt = Number.NEGATIVE_INFINITY
  let cancelRepair: Cancel | undefined
  let rewrite: Cancel | undefined
  let closed = false
  let closing: Promise<void> | undefined
  let isImpatient = false
  const cancelPatience =
    host.home &&
    timers.after(
      HOME_MS,
      () => {
        isImpatient = true
        news.beat()
      },
      { background: true },
    )

  const wanted = () => Math.max(1, Math.min(2, host.lines().length))
  const caughtUp = (anywhere = false) =>
    [...sides].filter(([line, side]) => side.caughtUp && (anywhere || host.home?.has(line) !== false)).length

  function enlist(): void {
    for (const line of host.lines()) {
      if (sides.has(line) || closed) continue
      const side = createRelaySide({
        o,
        line,
        timers,
        random: host.random,
        cursors: table<CursorRow>('cursors'),
        authors: options.authors,
        low: () => lowTable.get(line.url),
        take,
        offers: refused => offersFor(line.url, refused),
        onLost() {
          retained.forget(line.url)
          sides.get(line)?.offer()
        },
        onOutdated: superseded,
        onChange: changed,
      })
      sides.set(line, side)
    }
  }

  /** In the order of the calls, whatever decoding takes; everything of one call, and the position behind it, is kept together. */
  function take(events: readonly NostrEvent[], line: Line, keep: () => void): Promise<void> {
    const prepared = Promise.all(events.map(event => intake.prepare(event, line)))
    const taken = incoming.then(async () => {
      const steps = await prepared
      if (closed) return
      store.transaction(() => {
        for (const step of steps) step?.()
        keep()
      })
      if (events.length > 0) changed()
    })
    incoming = taken.catch(() => {})
    return taken
  }

  function onAgain({ id, pubkey }: NostrEvent, line: Line): void {
    found.get(id)?.relays.add(line.url)
    if (pubkey === self) retained.ackSnapshot(id, line.url)
    prune()
  }

  function believe(event: NostrEvent, { cover, low }: SnapshotHeader, line: Line): void {
    const known = found.get(event.id) ?? { cover, relays: new Set<string>() }
    known.relays.add(line.url)
    found.set(event.id, known)
    const [oldest] = found.keys()
    if (found.size > MAX_FOUND && oldest !== undefined) found.delete(oldest)
    if (event.pubkey === self) {
      retained.ackSnapshot(event.id, line.url)
      const mine = retained.newest()
      if (mine && mine.id !== event.id && mine.createdAt <= event.created_at && !includes(cover, mine.cover))
        superseded()
    }
    // Who is not named there may have written below it.
    const isForAll = [...options.authors()].every(author => cover.has(author))
    for (const [url, at] of isForAll ? low : []) {
      const before = lowTable.get(url)
      if (!before || at.epoch > before.epoch || (at.epoch === before.epoch && at.seq > before.seq))
        lowTable.set(url, at)
    }
    prune()
  }

  /** What enough relays have in a snapshot. */
  function acknowledgedCover(): MutableCover {
    const newest = retained.newest()
    let cover: MutableCover = new Map()
    if (newest && newest.acks.length >= wanted()) cover = joinCovers(cover, newest.cover)
    for (const each of found.values()) if (each.relays.size >= wanted()) cover = joinCovers(cover, each.cover)
    return cover
  }

  const prune = () => retained.prune(acknowledgedCover())

  /** The newest snapshot, then the deltas it does not cover there: in this order a reader is never without. */
  function offersFor(url: string, refused: ReadonlySet<string>): Offer[] {
    const offers: Offer[] = []
    const newest = retained.newest()
    const hasNewest = newest?.acks.includes(url) === true
    if (newest && !hasNewest && !refused.has(newest.id)) {
      const events = newest.events.flatMap(text => eventOf(text) ?? [])
      const left = new Set(events.map(({ id }) => id))
      const done = taken.get(url) ?? new Set<string>()
      taken.set(url, done)
      const pieces = events.slice(0, -1).filter(({ id }) => !done.has(id))
      const last = events.at(-1)
      const now = pieces.length > 0 ? pieces : last ? [last] : []
      for (const event of now) {
        if (refused.has(event.id)) continue
        offers.push({
          event,
          done(accepted) {
            if (!accepted) return
            done.add(event.id)
            if (event.id === newest.id) {
              for (const id of left) done.delete(id)
              acknowledged(() => retained.ackSnapshot(newest.id, url))
            }
          },
        })
      }
    }
    for (const row of retained.own()) {
      if (row.acks.includes(url) || refused.has(row.id) || (hasNewest && covers(newest.cover, row))) continue
      const event = eventOf(row.event)
      if (event) offers.push({ event, done: accepted => accepted && acknowledged(() => retained.ackTail(row, url)) })
    }
    return offers
  }
  /** Pieces that a relay has of a snapshot that is on its way there. */
  const taken = new Map<string, Set<string>>()

  function acknowledged(keep: () => void): void {
    store.transaction(() => {
      keep()
      prune()
    })
  }

  function offerAll(): void {
    for (const side of sides.values()) side.offer()
  }

  function changed(): void {
    if (closed) return
    if (marks.gaps(1).length > 0) planRepair()
    considerSnapshot()
    news.beat()
    options.onChange?.()
  }

  function planRepair(): void {
    if (cancelRepair || closed || closing) return
    const wait = Math.max(0, repairedAt + REPAIR_MS - host.clock.monotonic())
    // A moment later, because what is missing may be in the next frame.
    cancelRepair = timers.after(
      Math.max(wait, 1_000),
      () => {
        cancelRepair = undefined
        repair()
      },
      { background: true },
    )
  }

  function repair(): void {
    const authors = [...new Set(marks.gaps(SHOWN_GAPS).map(({ author }) => author))]
    if (authors.length === 0 || closed) return
    repairedAt = host.clock.monotonic()
    for (const side of sides.values()) void side.repair(authors).catch(() => {})
  }

  function lows(): ReadonlyMap<string, Cursor> {
    const lows = new Map<string, Cursor>()
    if (marks.gaps(1).length > 0) return lows
    for (const side of sides.values()) {
      const at = side.position()
      if (at) lows.set(side.url, at)
    }
    return lows
  }

  /** One after the other; what fails does not keep the next from its turn. */
  function inTurn<T>(run: () => Promise<T>): Promise<T> {
    const turn = writing.then(run)
    writing = turn.catch(() => {})
    return turn
  }

  function ensureOpen(): void {
    if (closed) throw new StateError('state-closed', 'this state is closed; open the agent again.')
  }

  /** Until the ring slot of the next number holds nothing that has to stay. */
  async function room(): Promise<void> {
    while (retained.occupied(writer.nextNumber())) {
      ensureOpen()
      await takeSnapshot(FLUSH_MS)
      await until(() => !retained.occupied(writer.nextNumber()), FLUSH_MS)
    }
  }

  async function until(done: () => boolean, ms: number): Promise<boolean> {
    const end = new AbortController()
    const timeout = sleep(timers, ms, end.signal).then(() => end.abort())
    while (!done() && !end.signal.aborted && !closed) await Promise.race([news.next(), timeout])
    end.abort()
    return done()
  }

  const acksOf = (row: TailRow): number => {
    const newest = retained.newest()
    const bySnapshot = newest && covers(newest.cover, row) ? newest.acks : []
    return new Set([...row.acks, ...bySnapshot]).size
  }
  const pending = (): number => {
    const newest = retained.newest()
    const snapshot = newest && newest.acks.length < wanted() ? 1 : 0
    return retained.own().filter(row => acksOf(row) < wanted()).length + snapshot
  }

  /** Every own event is at a relay at least: what a snapshot covers has to be out. */
  const isPublished = () => retained.own().every(row => acksOf(row) > 0)

  async function takeSnapshot(ms: number, forced = false): Promise<boolean> {
    if (caughtUp() === 0 || !(forced || (await until(isPublished, ms))) || closed) return false
    const written = await writer.snapshot()
    if (!written) return false
    offerAll()
    return until(() => {
      const newest = retained.newest()
      return newest?.id !== written.id || newest.acks.length >= wanted()
    }, ms)
  }

  function considerSnapshot(): void {
    if (options.auto === false || closed || closing) return
    cancelIdle()
    const count = retained.ownCount()
    const last = retained.newest()?.events.reduce((sum, text) => sum + text.length, 0) ?? 0
    const isDue = count >= TAIL_EVENTS || retained.ownBytes() >= Math.max(TAIL_BYTES, last)
    if (!isDue) endTurn()
    if (isDue) awaitTurn(count >= TAIL_FULL)
    else if (count >= IDLE_EVENTS) cancelIdle = timers.after(IDLE_MS + turn(), planSnapshot, { background: true })
  }

  const turn = () => (options.takeTurns ? turnOf(self, options.authors(), o) : 0)

  function awaitTurn(isUrgent: boolean): void {
    if (cancelTurn && !isUrgent) return
    endTurn()
    const wait = isUrgent ? 0 : turn()
    if (wait === 0) return planSnapshot()
    const have = () => {
      cancelTurn = undefined
      planSnapshot()
    }
    cancelTurn = timers.after(wait, have, { background: true })
  }

  function endTurn(): void {
    cancelTurn?.()
    cancelTurn = undefined
  }

  /** Two processes of one key write to the same addresses: what one has overwritten of the other is published anew, all together. */
  function superseded(): void {
    if (rewrite || closed || closing) return
    // Not both at the same moment.
    const ms = REWRITE_MS * (1 + 4 * randomFloat(host.random))
    rewrite = timers.after(ms, () => {
      rewrite = undefined
      options.onSuperseded?.()
      if (options.auto === false || closed || closing || caughtUp() === 0) return
      inTurn(() => takeSnapshot(FLUSH_MS, true)).catch(() => {})
    })
  }

  function planSnapshot(): void {
    if (snapshotPlanned || closed || caughtUp() === 0) return
    const newest = retained.newest()
    // One is on its way: what it covers goes once it has arrived.
    if (newest && newest.acks.length < wanted() && retained.own().every(row => covers(newest.cover, row))) return
    snapshotPlanned = true
    inTurn(() => takeSnapshot(FLUSH_MS))
      .catch(() => {})
      .finally(() => {
        snapshotPlanned = false
      })
  }

  async function shutDown(ms: number): Promise<void> {
    const end = host.clock.monotonic() + ms
    const left = () => Math.max(0, end - host.clock.monotonic())
    cancelIdle()
    endTurn()
    cancelRepair?.()
    rewrite?.()
    const over = new AbortController()
    const timeout = sleep(timers, ms, over.signal)
    await Promise.race([writing, timeout])
    const open = () => [...sides.values()].some(side => side.isOpen && side.caughtUp)
    if (options.auto !== false && retained.ownCount() > 0 && open() && left() > 0)
      await Promise.race([inTurn(() => takeSnapshot(left())).catch(() => false), timeout])
    await until(() => [...sides.values()].every(side => side.isIdle), left())
    over.abort()
    closed = true
    stopEnlisting()
    cancelPatience?.()
    for (const side of sides.values()) side.stop()
    news.beat()
    await store.durable?.()
  }

  function refilter(): void {
    for (const side of sides.values()) side.stop()
    sides.clear()
    enlist()
  }

  const status = (): LogStatus => {
    const gaps = marks.gaps(SHOWN_GAPS)
    const error = [...sides.values()].find(side => side.error !== undefined)?.error
    return Object.freeze({
      behind: gaps.length > 0 || caughtUp() === 0,
      caughtUp: caughtUp(),
      relays: sides.size,
      live: [...sides.values()].filter(side => side.isLive).length,
      unacknowledged: pending(),
      tail: retained.count(),
      gaps: gaps.map(gap => ({ kind: STATE_DELTA, o, ...gap })),
      ...(error === undefined ? {} : { error }),
    })
  }

  const waitFor = async (done: () => boolean): Promise<boolean> => {
    while (!done() && !closed) await news.next()
    return done()
  }

  void host.home?.known.then(changed)
  const stopEnlisting = host.eachLine(() => {
    enlist()
    return () => {}
  })
  return {
    o,
    get session() {
      return writer.session
    },
    write: (payload, how = {}) =>
      inTurn(async () => {
        ensureOpen()
        await room()
        const written = await writer.delta(payload, how)
        offerAll()
        changed()
        return written
      }),
    writeWhole: (draft, how = {}) =>
      inTurn(async () => {
        ensureOpen()
        const written = await writer.whole(draft, how)
        offerAll()
        changed()
        return written
      }),
    snapshot: () =>
      inTurn(() => {
        ensureOpen()
        return takeSnapshot(FLUSH_MS)
      }),
    begin: writer.begin,
    renew: writer.renew,
    cover: () => marks.read(),
    get status() {
      return status()
    },
    ready: () => waitFor(() => caughtUp(isImpatient) > 0),
    confirmed: () => waitFor(() => caughtUp() >= wanted()),
    flushed: ms => until(() => pending() === 0, ms),
    refilter,
    repair,
    close({ timeoutMs = CLOSE_MS } = {}) {
      closing ??= shutDown(timeoutMs)
      return closing
    },
  }
}
