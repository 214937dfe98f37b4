import type { Cancel, Timers } from '../../platform/timers.ts'
import { type NostrEvent, tagValues } from '../../protocol/event.ts'
import { parseReason } from '../../protocol/reasons.ts'
import type { Line } from '../link/line.ts'

/** Documents that one subscription is for at most: their ids are about 4 KB of filter. */
const MOST = 100
/** Stored events are asked for by so many documents at the same time, and of each at most so many. */
const TURNS = 2
const MAX_STORED = 2_000
const ASK_MS = 10_000
/** A relay that refuses for now, as it does where too many subscriptions are open, is asked again after this long, ever more rarely. */
const AGAIN_MS = 500
const LONGEST_AGAIN_MS = 30_000

export interface DocWatch {
  readonly kind: number
  readonly o: string
  /** Of these keys only, 64 hex. */
  readonly authors?: readonly string[]
  /** What the relay has stored is wanted, too, on each connection. */
  readonly stored: boolean
  onEvent(event: NostrEvent): void
  /** What was stored is told, and what comes is heard from here on. Once on each connection. */
  onLive(): void
}

interface Want extends DocWatch {
  live: boolean
  ended: boolean
  failures: number
}

interface Group {
  readonly wants: Set<Want>
  /** It stands until this one is live, so that nothing is missed. */
  replaces: Group | undefined
  failures: number
  stop: Cancel
}

type Shared = (watch: DocWatch) => Cancel

const known = new WeakMap<Line, Map<number, Shared>>()

/**
 * Watches one kind of event of one document at a relay. All documents of an agent share one subscription for each kind, up to a hundred
 * of them: relays allow a connection few. It begins with what is new; what is stored is asked for by each document, a few at a time.
 */
export function watchShared(line: Line, timers: Timers, watch: DocWatch): Cancel {
  const kinds = known.get(line) ?? new Map<number, Shared>()
  known.set(line, kinds)
  const shared = kinds.get(watch.kind) ?? share(line, timers, watch.kind)
  kinds.set(watch.kind, shared)
  return shared(watch)
}

function share(line: Line, timers: Timers, kind: number): Shared {
  const byLog = new Map<string, Set<Want>>()
  const groups = new Set<Group>()
  let fresh: Want[] = []
  let isGathering = false
  /** On its way: who comes meanwhile waits for the next one. */
  let pending: Group | undefined
  let most = MOST
  const questions: Want[] = []
  let asking = 0

  function gatherSoon(): void {
    if (isGathering) return
    isGathering = true
    queueMicrotask(() => {
      isGathering = false
      gather()
    })
  }

  function gather(): void {
    fresh = fresh.filter(want => !want.ended)
    while (fresh.length > 0 && !(pending && line.isOpen)) {
      const roomy = [...groups].find(({ wants }) => wants.size < most)
      const group: Group = {
        wants: new Set([...(roomy?.wants ?? []), ...fresh.splice(0, most - (roomy?.wants.size ?? 0))]),
        replaces: roomy,
        failures: 0,
        stop: () => {},
      }
      groups.add(group)
      // Nothing is heard there now that could be missed.
      if (!line.isOpen) retire(group)
      else pending = group
      begin(group)
    }
  }

  function begin(group: Group): void {
    group.stop()
    group.stop = line.watch([filterOf(group.wants)], {
      onEvent(event) {
        for (const o of tagValues(event, 'o'))
          for (const want of [...(byLog.get(o) ?? [])])
            if (!want.authors || want.authors.includes(event.pubkey)) want.onEvent(event)
      },
      onLive() {
        group.failures = 0
        retire(group)
        settle(group)
        for (const want of [...group.wants]) catchUp(want)
      },
      onEnd: reason => ended(group, reason),
    })
  }

  function filterOf(wants: ReadonlySet<Want>) {
    const authors = new Set<string>()
    for (const want of wants) for (const author of want.authors ?? []) authors.add(author)
    const areAll = [...wants].every(want => want.authors) && authors.size <= MOST
    return {
      kinds: [kind],
      '#o': [...new Set([...wants].map(({ o }) => o))],
      ...(areAll ? { authors: [...authors] } : {}),
      limit: 0,
    }
  }

  /** Ends the one that this one stands in for. */
  function retire(group: Group): void {
    const { replaces } = group
    group.replaces = undefined
    if (replaces) drop(replaces)
  }

  function drop(group: Group): void {
    groups.delete(group)
    group.stop()
    retire(group)
  }

  function settle(group: Group): void {
    if (pending !== group) return
    pending = undefined
    gatherSoon()
  }

  function ended(group: Group, reason: string): void {
    if (!groups.has(group)) return
    if (!line.isOpen) {
      for (const want of group.wants) want.live = false
      // The next connection begins with all that there are.
      retire(group)
      settle(group)
      return
    }
    const { prefix } = parseReason(reason)
    const isForNow = prefix === 'rate-limited' || prefix === 'auth-required' || prefix === 'restricted'
    if (isForNow || group.wants.size === 1) {
      later(group, () => {
        if (groups.has(group)) begin(group)
      })
      return
    }
    // Too much for this relay in one filter.
    const { replaces } = group
    most = Math.max(1, replaces?.wants.size ?? Math.ceil(group.wants.size / 2))
    group.replaces = undefined
    drop(group)
    fresh.push(...[...group.wants].filter(want => !replaces?.wants.has(want)))
    settle(group)
    gatherSoon()
  }

  function catchUp(want: Want): void {
    if (want.live || want.ended) return
    if (want.stored) {
      if (!questions.includes(want)) questions.push(want)
      askNext()
      return
    }
    want.live = true
    want.onLive()
  }

  function askNext(): void {
    while (asking < TURNS && questions.length > 0) {
      const want = questions.shift()
      if (!want || want.ended || want.live) continue
      asking += 1
      void ask(want).finally(() => {
        asking -= 1
        askNext()
      })
    }
  }

  async function ask(want: Want): Promise<void> {
    const { o, authors } = want
    const filter = { kinds: [kind], '#o': [o], ...(authors ? { authors: [...authors] } : {}) }
    const { events, complete } = await line.ask(filter, MAX_STORED, ASK_MS)
    for (const event of events) if (!want.ended) want.onEvent(event)
    if (want.ended || want.live || !line.isOpen) return
    if (complete || events.length > MAX_STORED) {
      want.failures = 0
      want.live = true
      want.onLive()
    } else later(want, () => catchUp(want))
  }

  function later(what: { failures: number }, run: () => void): void {
    const ms = Math.min(LONGEST_AGAIN_MS, AGAIN_MS * 2 ** what.failures)
    what.failures += 1
    timers.after(ms, () => line.isOpen && run(), { background: true })
  }

  function leave(want: Want): void {
    if (want.ended) return
    want.ended = true
    const those = byLog.get(want.o)
    those?.delete(want)
    if (those?.size === 0) byLog.delete(want.o)
    for (const group of [...groups]) {
      group.wants.delete(want)
      if (group.wants.size > 0) continue
      drop(group)
      settle(group)
    }
  }

  return watch => {
    const want: Want = {
      ...watch,
      onEvent: event => watch.onEvent(event),
      onLive: () => watch.onLive(),
      live: false,
      ended: false,
      failures: 0,
    }
    byLog.set(want.o, (byLog.get(want.o) ?? new Set()).add(want))
    fresh.push(want)
    gatherSoon()
    return () => leave(want)
  }
}
