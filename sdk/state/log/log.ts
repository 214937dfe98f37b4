import { sleep } from '../../../platform/timers.ts'
import type { Cursor } from '../../../protocol/cursor.ts'
import type { NostrEvent } from '../../../protocol/event.ts'
import { STATE_DELTA } from '../../../protocol/kinds.ts'
import { isDocumentId } from '../../../protocol/state.ts'
import { StateError } from '../../errors.ts'
import type { Line } from '../../link/line.ts'
import { horizonOf } from '../../misdated.ts'
import { createPulse } from '../../notices.ts'
import { type AckedRow, createAckedRuns } from './acked-runs.ts'
import { createCoverage } from './coverage.ts'
import { createDue } from './due.ts'
import { createIntake } from './intake.ts'
import { createMarks, type MarkRow } from './marks.ts'
import { createOffers } from './offers.ts'
import { type CursorRow, createRelaySide, type RelaySide } from './relay-side.ts'
import { createRepairs } from './repairs.ts'
import { createRetained, type SnapshotRow, type TailRow } from './retained.ts'
import { turnOf } from './turn.ts'
import type { Fork, Log, LogHost, LogOptions, LogStatus } from './types.ts'
import { createWriter, type NumberingRow } from './writer.ts'

const FLUSH_MS = 5_000
const CLOSE_MS = 5_000
/** Where the authors publish is waited for so long, then what others have is good enough to begin with. */
const HOME_MS = 10_000
/** A snapshot that could not be made is tried again after this long. */
const SNAPSHOT_AGAIN_MS = 30_000
const SHOWN_GAPS = 16
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
  const sides = new Map<Line, RelaySide>()
  const news = createPulse()
  const due = createDue({
    ...host,
    retained,
    turn: () => (options.takeTurns ? turnOf(self, options.authors(), o) : 0),
    onDue: planSnapshot,
    onRewrite: rewrite,
  })
  const repairs = createRepairs(host, askForMissing)
  const coverage = createCoverage({
    self,
    retained,
    lows: lowTable,
    wanted,
    authors: options.authors,
    onSuperseded: due.superseded,
  })
  const offers = createOffers(retained, keep =>
    store.transaction(() => {
      keep()
      coverage.prune()
    }),
  )
  const acked = createAckedRuns(table<AckedRow>('acked'), store.transaction, forget)
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
    onCovered: (event, header, line) => coverage.believe(event, header, line.url),
    onAgain: (event, line) => coverage.seen(event, line.url),
    onOwn(event, place) {
      writer.saw(event)
      const mine = writer.session
      if (!place || place.session === mine) return
      if (retained.clashes(place)) due.superseded()
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
  let correcting = false
  let snapshotError: string | undefined
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

  function forget(relay: string): void {
    retained.forget(relay)
    coverage.forget(relay)
    offers.forget(relay)
  }

  function wanted(): number {
    return Math.max(1, Math.min(2, host.lines().length))
  }
  const caughtUp = (anywhere = false) =>
    [...sides].filter(([line, side]) => side.caughtUp && (anywhere || host.home?.has(line) !== false)).length

  /** It is not known where it is published, and it is not at the relays that were read: it may be elsewhere. */
  const nowhere = () =>
    caughtUp() > 0 && host.home?.isFound === false && marks.read().size === 0
      ? 'it is not known where its author publishes, and nothing of it is at the relays that were read'
      : undefined

  function enlist(): void {
    for (const line of host.lines()) {
      if (sides.has(line) || closed) continue
      const side = createRelaySide({
        o,
        self,
        line,
        timers,
        random: host.random,
        cursors: table<CursorRow>('cursors'),
        authors: options.authors,
        low: () => lowTable.get(line.url),
        take,
        offers: refused => offers.to(line.url, refused),
        acked,
        onLost() {
          forget(line.url)
          sides.get(line)?.offer()
        },
        onOutdated: due.superseded,
        horizon: () => horizonOf(host.clock),
        remove: writer.remove,
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

  function offerAll(): void {
    for (const side of sides.values()) side.offer()
  }

  function changed(): void {
    if (closed) return
    if (marks.gaps(1).length > 0) repairs.plan()
    if (options.auto !== false) due.consider()
    correct()
    news.beat()
    options.onChange?.()
  }

  /**
   * What a clock that was ahead has dated goes out once more in a snapshot that is dated right: signed again under its number it would be
   * a fork where a relay has taken it. Whatever comes after it is dated right, too.
   */
  function correct(): void {
    if (correcting || closing || caughtUp() === 0 || !writer.isMisdated()) return
    correcting = true
    inTurn(() => takeSnapshot(FLUSH_MS, true))
      .catch(() => {})
      .finally(() => {
        correcting = false
      })
  }

  function askForMissing(): boolean {
    const authors = [...new Set(marks.gaps(SHOWN_GAPS).map(({ author }) => author))]
    if (authors.length === 0 || closed) return false
    for (const side of sides.values()) void side.repair(authors).catch(() => {})
    return true
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

  async function takeSnapshot(ms: number, forced = false): Promise<boolean> {
    if (caughtUp() === 0 || !(forced || (await until(coverage.isPublished, ms))) || closed) return false
    const written = await writer.snapshot()
    if (!written) return false
    offerAll()
    return until(() => {
      const newest = retained.newest()
      return newest?.id !== written.id || newest.acks.length >= wanted()
    }, ms)
  }

  /** What somebody else with this key has overwritten is published anew. */
  function rewrite(): void {
    options.onSuperseded?.()
    if (options.auto === false || closed || closing || caughtUp() === 0) return
    inTurn(() => takeSnapshot(FLUSH_MS, true)).catch(() => {})
  }

  function planSnapshot(): void {
    if (snapshotPlanned || closed || caughtUp() === 0 || coverage.isUnderWay()) return
    snapshotPlanned = true
    const next = () => {
      snapshotPlanned = false
    }
    inTurn(() => takeSnapshot(FLUSH_MS)).then(
      () => {
        snapshotError = undefined
        next()
      },
      (reason: unknown) => {
        // Most likely it will fail again: making one costs as much as the state is large.
        snapshotError = reason instanceof Error ? reason.message : String(reason)
        timers.after(SNAPSHOT_AGAIN_MS, next, { background: true })
        options.onChange?.()
      },
    )
  }

  async function shutDown(ms: number): Promise<void> {
    const end = host.clock.monotonic() + ms
    const left = () => Math.max(0, end - host.clock.monotonic())
    due.stop()
    repairs.stop()
    const over = new AbortController()
    const timeout = sleep(timers, ms, over.signal)
    await Promise.race([writing, timeout])
    const open = () => [...sides.values()].some(side => side.isOpen && side.caughtUp)
    if (options.auto !== false && retained.ownCount() > 0 && open() && left() > 0)
      await Promise.race([inTurn(() => takeSnapshot(left(), writer.isMisdated())).catch(() => false), timeout])
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
    const error = [...sides.values()].find(side => side.error !== undefined)?.error ?? snapshotError ?? nowhere()
    return Object.freeze({
      behind: gaps.length > 0 || caughtUp() === 0 || nowhere() !== undefined,
      caughtUp: caughtUp(),
      relays: sides.size,
      live: [...sides.values()].filter(side => side.isLive).length,
      unacknowledged: coverage.pending(),
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
    get isFull() {
      return retained.occupied(writer.nextNumber())
    },
    begin: writer.begin,
    renew: writer.renew,
    cover: () => marks.read(),
    get status() {
      return status()
    },
    ready: () => waitFor(() => caughtUp(isImpatient) > 0),
    confirmed: () => waitFor(() => caughtUp() >= wanted()),
    flushed(ms) {
      correct()
      return until(() => coverage.pending() === 0, ms)
    },
    refilter,
    repair: repairs.now,
    close({ timeoutMs = CLOSE_MS } = {}) {
      closing ??= shutDown(timeoutMs)
      return closing
    },
  }
}
