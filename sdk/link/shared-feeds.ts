import type { Cancel } from '../../platform/timers.ts'
import type { NostrEvent } from '../../protocol/event.ts'
import { type Filter, type FilterJson, matchFilters } from '../../protocol/filter.ts'
import { backoffMs } from './backoff.ts'
import { bundleFilters } from './bundle-filters.ts'
import {
  createFeed,
  type Dialect,
  type Feed,
  type FeedOptions,
  type FeedSink,
  type ScopedCursor,
  wantedBy,
} from './feed.ts'
import { ANY_SCOPE } from './log-feed.ts'

/** So many are begun at the same time, each with a subscription of its own, */
const TURNS = 3
/** and so many go on together. */
const COHORT = 64
/** Subscriptions that may stand beside each other before all are asked for as one. */
const MOST_GROUPS = 2
/** What nobody wants any more is asked for so much longer, ms. */
const TIDY_MS = 5_000
/** Where nothing came, a position is written down this often. */
const POSITION_MS = 60_000

export interface SharedSink extends FeedSink {
  /** Before anything else, once; false: not had, to be tried again. */
  begin?(): Promise<boolean>
}

/** One standing query among those that share the line. */
export type SharedFeed = Pick<Feed, 'state' | 'mayMiss' | 'error' | 'epoch' | 'refresh' | 'stop'>

/**
 * Many standing queries at one relay, which lets a connection have few. Those that come together catch up together, from the lowest of
 * their positions; once they have, they are asked for with all that came before. Each is told what matches it, and nothing else.
 */
export interface SharedFeeds {
  add(filter: FilterJson, sink: SharedSink): SharedFeed
  /** To be called when the link opens. */
  open(): void
  /** To be called when the link is lost. */
  down(reason: string): void
}

interface Member {
  readonly filter: FilterJson
  readonly wanted: Filter
  readonly authors: ReadonlySet<string> | undefined
  readonly sink: SharedSink
  begun: boolean
  failures: number
  cancelRetry: Cancel
  /** Of the position that was recorded last, and when. */
  position: string
  positionAt: number
}

interface Group {
  readonly members: Set<Member>
  readonly feed: Feed
  /** What its members were told last. */
  told: string
}

export function createSharedFeeds(options: Omit<FeedOptions, keyof FeedSink | 'filters'>): SharedFeeds {
  const { clock, timers, random } = options
  const members = new Set<Member>()
  /** To catch up, in the order in which they came. */
  let waiting: Member[] = []
  let groups: Group[] = []
  /** Catching up: the next ones wait until it is live, or has failed. */
  let cohort: readonly Group[] | undefined
  let isBeginning = false
  /** These stand until the cohort is live, so that nothing is late. */
  let replaced: readonly Group[] = []
  let turns = TURNS
  let cancelTidying: Cancel | undefined
  let isOpen = false
  let downReason: string | undefined
  /** Which connection this is. */
  let run = 0

  async function next(): Promise<void> {
    if (!isOpen || cohort || isBeginning || waiting.length === 0) return
    const mine = run
    isBeginning = true
    const ready: Member[] = []
    const chosen = waiting.splice(0, COHORT)
    const begin = async () => {
      for (let member = chosen.shift(); member && run === mine; member = chosen.shift())
        if (await isBegun(member)) ready.push(member)
        else if (run === mine) postpone(member)
    }
    await Promise.all(Array.from({ length: turns }, begin))
    if (run !== mine) return
    isBeginning = false
    // Who stands nowhere yet would have the others begin at the start, too.
    const present = ready.filter(member => members.has(member))
    const placed = present.filter(({ sink }) => sink.positions('log').length > 0)
    const fresh = present.filter(member => !placed.includes(member))
    cohort = [...ask(placed), ...ask(fresh)]
    settle()
  }

  async function isBegun(member: Member): Promise<boolean> {
    if (!member.begun && members.has(member)) member.begun = (await member.sink.begin?.()) ?? true
    return member.begun || !members.has(member)
  }

  /** A relay that does not answer has perhaps too much to answer at once. */
  function postpone(member: Member): void {
    turns = 1
    member.failures += 1
    const again = () => {
      waiting.push(member)
      void next()
    }
    member.cancelRetry = timers.after(backoffMs(member.failures, random), again, { background: true })
  }

  function ask(of: readonly Member[]): Group[] {
    const opened = bundleFilters(of.map(member => ({ filter: member.filter, of: member }))).map(bundle => {
      const group: Group = { members: new Set(bundle.of), feed: feedOf(bundle.filters, () => group), told: '' }
      return group
    })
    groups.push(...opened)
    for (const { feed } of opened) feed.open()
    return opened
  }

  function feedOf(filters: readonly FilterJson[], group: () => Group): Feed {
    return createFeed({
      ...options,
      filters,
      positions: dialect => commonPositions([...group().members].map(({ sink }) => sink.positions(dialect))),
      async record(dialect, events, position) {
        const told = [...group().members].map(member => {
          const own = events.filter(({ event }) => matches(member, event))
          return own.length > 0 || isDue(member, position) ? keep(member, dialect, own, position) : undefined
        })
        await Promise.all(told)
      },
      onLost() {
        for (const { sink } of group().members) sink.onLost()
      },
      onChange() {
        const { feed, members: of, told } = group()
        const now = `${feed.state} ${feed.mayMiss} ${feed.error}`
        if (now === told) return
        group().told = now
        // Not within its own call, which may have more to say.
        if (cohort) timers.after(0, settle)
        for (const { sink } of [...of]) sink.onChange()
      },
    })
  }

  /** Looks at what has become of those that were asked for. */
  function settle(): void {
    if (!cohort || cohort.some(({ feed }) => feed.state !== 'live' && feed.error === undefined)) return
    const failed = cohort.filter(({ feed }) => feed.state !== 'live')
    const old = replaced
    cohort = undefined
    replaced = []
    for (const group of old) end(group)
    if (failed.length > 0) {
      // Perhaps there was no room beside what is gone now, or beside the others.
      turns = 1
      if (old.length > 0) for (const { feed } of failed) feed.refresh()
      else if (groups.length > failed.length) {
        const all = everybody()
        for (const group of [...groups]) end(group)
        if (all.length > 0) cohort = ask(all)
      }
    }
    if (waiting.length > 0) void next()
    else if (groups.length > MOST_GROUPS) regroup()
  }

  const everybody = () => groups.flatMap(({ members: of }) => [...of])

  /** Asks for all of them as one. */
  function regroup(): void {
    if (cohort || isBeginning) return
    for (const group of [...groups]) if (group.members.size === 0) end(group)
    if (groups.length === 0) return
    replaced = [...groups]
    cohort = ask(everybody())
  }

  function end(group: Group): void {
    group.feed.stop()
    groups = groups.filter(each => each !== group)
    // Nobody has to wait for it any more.
    cohort = cohort?.filter(each => each !== group)
  }

  const nameOf = (position: ScopedCursor) => `${position.epoch} ${position.scope}`

  /** Those who got nothing have their position moved from time to time, and whenever it is told of another run. */
  const isDue = (member: Member, position: ScopedCursor | undefined) =>
    position !== undefined &&
    (member.position !== nameOf(position) || clock.monotonic() - member.positionAt >= POSITION_MS)

  function keep(
    member: Member,
    dialect: Dialect,
    events: Parameters<FeedSink['record']>[1],
    position: ScopedCursor | undefined,
  ): void | Promise<void> {
    if (position) {
      member.position = nameOf(position)
      member.positionAt = clock.monotonic()
    }
    return member.sink.record(dialect, events, position)
  }

  /** The one that serves it, or is about to. */
  const groupOf = (member: Member): Group | undefined => {
    const of = groups.filter(group => group.members.has(member))
    return of.find(({ feed }) => feed.state === 'live') ?? of.at(-1)
  }

  function stopAll(): void {
    for (const { feed } of groups) feed.stop()
    for (const { cancelRetry } of members) cancelRetry()
    cancelTidying?.()
    cancelTidying = undefined
    groups = []
    waiting = []
    cohort = undefined
    isBeginning = false
    replaced = []
    run += 1
  }

  /** What nobody wants any more is not asked for any longer. */
  function tidy(): void {
    cancelTidying ??= timers.after(
      TIDY_MS,
      () => {
        cancelTidying = undefined
        for (const group of [...groups]) if (group.members.size === 0) end(group)
        settle()
        regroup()
      },
      { background: true },
    )
  }

  return {
    add(filter, sink) {
      const member: Member = {
        filter,
        wanted: wantedBy(filter),
        authors: filter.authors && new Set(filter.authors),
        sink,
        begun: false,
        failures: 0,
        cancelRetry: () => {},
        position: '',
        positionAt: 0,
      }
      members.add(member)
      if (isOpen) {
        waiting.push(member)
        void next()
      }
      return {
        get state() {
          if (!isOpen) return 'offline'
          return groupOf(member)?.feed.state === 'live' ? 'live' : 'catching-up'
        },
        get mayMiss() {
          return groupOf(member)?.feed.mayMiss ?? false
        },
        get error() {
          return isOpen ? groupOf(member)?.feed.error : downReason
        },
        get epoch() {
          return groupOf(member)?.feed.epoch
        },
        refresh() {
          for (const group of [...groups]) if (group.members.has(member)) group.feed.refresh()
        },
        stop() {
          if (!members.delete(member)) return
          member.cancelRetry()
          waiting = waiting.filter(each => each !== member)
          for (const group of groups) if (group.members.delete(member)) tidy()
        },
      }
    },
    open() {
      stopAll()
      isOpen = true
      turns = TURNS
      // Whoever stands where most do goes on with them; the others have more to catch up with.
      const begun = [...members].filter(member => member.begun)
      const at = mostCommon(begun.map(({ sink }) => sink.positions('log')[0]))
      const together = begun.filter(({ sink }) => {
        const [position] = sink.positions('log')
        return position !== undefined && nameOf(position) === at
      })
      waiting = [...members].filter(member => !together.includes(member))
      if (together.length > 0) cohort = ask(together)
      void next()
    },
    down(reason) {
      stopAll()
      isOpen = false
      downReason = reason
      for (const { sink } of [...members]) sink.onChange()
    },
  }

  function mostCommon(positions: readonly (ScopedCursor | undefined)[]): string | undefined {
    const counts = new Map<string, number>()
    for (const position of positions)
      if (position && position.scope !== ANY_SCOPE)
        counts.set(nameOf(position), (counts.get(nameOf(position)) ?? 0) + 1)
    return [...counts].sort(([, a], [, b]) => b - a)[0]?.[0]
  }
}

const matches = ({ authors, wanted }: Member, event: NostrEvent): boolean =>
  authors?.has(event.pubkey) !== false && matchFilters([wanted], event)

/** Positions that all of them have reached, of each run and scope the lowest; those good under any scope count for all of their run. */
function commonPositions(all: readonly (readonly ScopedCursor[])[]): ScopedCursor[] {
  const [first = [], ...others] = all
  return first.flatMap(position => {
    const { epoch } = position
    let { seq, scope } = position
    for (const positions of others) {
      const same = positions.find(
        each => each.epoch === epoch && (each.scope === scope || each.scope === ANY_SCOPE || scope === ANY_SCOPE),
      )
      if (!same) return []
      seq = Math.min(seq, same.seq)
      if (same.scope === ANY_SCOPE) scope = ANY_SCOPE
    }
    return [{ epoch, seq, scope }]
  })
}
