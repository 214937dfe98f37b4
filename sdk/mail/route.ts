import type { Cancel } from '../../platform/timers.ts'
import { encodeEvent, type NostrEvent } from '../../protocol/event.ts'
import type { FilterJson } from '../../protocol/filter.ts'
import { MESSAGE } from '../../protocol/kinds.ts'
import type { Host, RelayStatus } from '../api.ts'
import { isRefusal } from '../health/complete.ts'
import { type Answer, askLink } from '../link/ask.ts'
import type { Authenticate } from '../link/authenticator.ts'
import { createFeed, type Dialect, type Feed, type FeedSink } from '../link/feed.ts'
import { createLine, type Line } from '../link/line.ts'
import { createLink } from '../link/link.ts'
import type { negotiateOn } from '../link/negotiate.ts'
import type { PublishOutcome } from '../link/questions.ts'
import type { Side } from '../link/reconcile.ts'
import { createInOrder } from './in-order.ts'
import { feedKey, inboxFilter } from './inbox-feed.ts'
import { createLane, type LaneOptions } from './lane.ts'
import { lazyAcknowledged } from './lazy-acknowledged.ts'
import { readMail } from './receive.ts'
import type { Sealer } from './seal.ts'
import type { FeedKey, MailBatch, MailStore, Outcome } from './store.ts'

/** Sending waits so long for the relay's dialect to be known, because an OK's seq is worth little without its epoch. */
const DIALECT_WAIT_MS = 3_000

/** For questions besides the inbox. */
const ANSWER_MS = 2_000

export interface RouteOptions extends Host {
  readonly url: string
  readonly pubkey: string
  readonly store: MailStore
  readonly sealer: Sealer
  readonly authenticate: Authenticate
  /** Records a batch in one transaction and says how many messages were new. */
  take(batch: MailBatch): number
  redate: LaneOptions['redate']
  onOutcome(outcome: Outcome): void
  onChange(): void
  /** This relay may have what we were never given: its log went back, its order has gaps, it served damaged events, or it pruned what was not fetched yet. */
  onSuspect(damaged: boolean): void
}

/** What was counted since the route was made. */
export interface RouteCounters {
  readonly received: number
  readonly new: number
  readonly bytes: number
  readonly invalid: number
  readonly gaps: number
  /** Gift wraps that hold nothing for this key. */
  readonly unreadable: number
}

/** The way of one agent's mail over one of its relays: inbox and outgoing copies on one link. */
export interface Route {
  readonly url: string
  status(): RelayStatus
  counters(): RouteCounters
  /** Asks the relay once more for what is new; `status` is `catching-up` until it has answered. */
  refresh(): void
  /** The relay still gives what was missed. */
  readonly isCatchingUp: boolean
  /** The relay is there and does not serve this agent; it is asked again now and then. */
  readonly isRefused: boolean
  /** True while the present connection, or attempt at one, may still take mail. */
  readonly mayDeliver: boolean
  /** Nothing more can go out now: what waited was taken, or the relay is not there. */
  readonly isFlushed: boolean
  kick(): void
  /** It can be asked and written to: connected, and introduced if it wanted that. */
  readonly isOpen: boolean
  /** One question besides the inbox. */
  ask(filter: FilterJson, max: number): Promise<Answer>
  publish(event: NostrEvent): Promise<PublishOutcome>
  /** The same, once the connection that is being made stands; not at all if there will be none soon. */
  publishSoon(event: NostrEvent): Promise<PublishOutcome>
  /** One side of a reconciliation (NIP-77) with this relay, by means of what only those bring along who need it. */
  negotiate(by: typeof negotiateOn): Side['negotiate']
  /** Verified events that were found missing are recorded like received ones; no position moves. `from`: messages of these senders alone. */
  take(events: readonly NostrEvent[], from?: readonly string[]): void | Promise<void>
  /** Also brings what is published to a topic and below it; `replay`: the first time with everything the relay has kept. */
  follow(topic: string, replay: boolean): void
  /** For what is no mail. */
  readonly line: Line
  close(): Promise<void>
}

export function createRoute(options: RouteOptions): Route {
  const { url, store, timers } = options
  const filter = inboxFilter(options.pubkey)
  const keyFor = (wanted: FilterJson, dialect: Dialect): FeedKey => feedKey(url, wanted, dialect)
  const keyOf = (dialect: Dialect): FeedKey => keyFor(filter, dialect)
  const topics = new Map<string, Feed>()
  const feeds = () => [feed, ...topics.values()]
  let added = 0
  let laneOpen = false
  let hopeful = true
  let closed = false
  /** The link takes requests. */
  let mayAsk = false
  let unreadable = 0
  let faults = 0
  const losing = new Set<() => void>()
  const inOrder = createInOrder()
  let cancelWait: Cancel = () => {}

  const link = createLink({
    ...options,
    reconnect: true,
    // A relay that asks is told at once: what it keeps for the agent's eyes alone is then part of the inbox.
    introduce: true,
    onOpen() {
      hopeful = true
      cancelWait()
      cancelWait = timers.after(DIALECT_WAIT_MS, openLane)
      mayAsk = true
      for (const each of feeds()) each.open()
      line.opened()
    },
    onPause() {
      cancelWait()
      acknowledged.stop()
      mayAsk = false
      line.lost('error: the relay is about to know us by another key')
      for (const each of feeds()) each.pause()
    },
    onDown(reason) {
      for (const lose of [...losing]) lose()
      hopeful = false
      cancelWait()
      acknowledged.stop()
      laneOpen = false
      lane.down()
      mayAsk = false
      for (const each of feeds()) each.down(reason)
      line.lost(`error: ${reason}`)
    },
  })

  const line = createLine(link, options)

  const feed = createFeed({
    ...options,
    link,
    filters: [filter],
    positions: dialect => store.positions(keyOf(dialect)),
    record: recordFor(filter),
    onLost: () => options.onSuspect(false),
    onChange() {
      // A position passes what came damaged too: under that id there may be mail.
      const { gaps, invalid } = feed.counters
      if (gaps + invalid > faults) options.onSuspect(true)
      faults = gaps + invalid
      if (feed.dialectKnown && feed.epoch !== undefined) acknowledged.check(feed.epoch)
      if (feed.dialectKnown || isRefusal(feed.error)) openLane()
      options.onChange()
    },
  })

  function recordFor(wanted: FilterJson, from?: readonly string[]): FeedSink['record'] {
    return (dialect, events, position) =>
      inOrder(readMail(events, { ...options, relay: url }), ({ unreadable: more, ...opened }) => {
        if (closed) return
        unreadable += more
        added += options.take({
          feed: keyFor(wanted, dialect),
          ...opened,
          ...(from ? { mail: opened.mail.filter(mail => from.includes(mail.from)) } : {}),
          nowMs: options.clock.now(),
          ...(position ? { position } : {}),
        })
      })
  }

  function feedOf(topic: string, replay: boolean): Feed {
    const wanted: FilterJson = { kinds: [MESSAGE], '#T': [topic] }
    return createFeed({
      ...options,
      link,
      filters: [wanted],
      positions(dialect) {
        const own = store.positions(keyFor(wanted, dialect))
        // A new subscription begins where the inbox stands: what came while the agent slept is news, what came before is not.
        return own.length > 0 || replay ? own : store.positions(keyOf(dialect))
      },
      record: recordFor(wanted),
      // The inbox looks after what a relay has lost.
      onLost() {},
      onChange: options.onChange,
    })
  }

  const lane = createLane({ ...options, link, epoch: () => feed.epoch })
  const acknowledged = lazyAcknowledged({
    ...options,
    link,
    filter,
    onLost() {
      if (laneOpen) lane.open()
    },
  })

  function openLane(): void {
    if (laneOpen || !link.isOpen) return
    laneOpen = true
    cancelWait()
    lane.open()
  }

  /** Until the line is open, or is not going to be. */
  function opening(): Promise<void> {
    return new Promise(resolve => {
      const end = () => {
        cancel()
        stop()
        losing.delete(end)
        resolve()
      }
      const cancel = timers.after(DIALECT_WAIT_MS, end)
      const stop = line.follow({ onOpen: () => queueMicrotask(end) })
      losing.add(end)
    })
  }

  return {
    url,
    status() {
      const [position] = store.positions(keyOf('log'))
      const error = feed.error ?? lane.refusal
      return {
        url,
        state: worst(feeds().map(({ state }) => state)),
        received: feed.counters.received,
        ...feed.progress,
        ...(position === undefined || feed.mayMiss ? {} : { position: position.seq }),
        ...(error === undefined ? {} : { error }),
        ...(link.clockWord === undefined ? {} : { clock: link.clockWord }),
        mayMiss: feed.mayMiss,
        ...(feed.counters.partial === undefined ? {} : { partial: feed.counters.partial }),
      }
    },
    counters: () => ({
      received: feed.counters.receivedEver,
      new: added,
      bytes: link.bytes,
      invalid: feed.counters.invalid + link.malformed,
      gaps: feed.counters.gaps,
      unreadable,
    }),
    refresh() {
      for (const each of feeds()) each.refresh()
    },
    get isCatchingUp() {
      return feeds().some(({ state, error }) => state === 'catching-up' && error === undefined)
    },
    get isRefused() {
      return feed.state === 'catching-up' && isRefusal(feed.error)
    },
    get mayDeliver() {
      return hopeful
    },
    get isFlushed() {
      return !hopeful || (lane.isIdle && store.waiting(url, 0, 1).length === 0)
    },
    kick: () => lane.kick(),
    get isOpen() {
      return laneOpen
    },
    ask: (filter, max) => askLink(link, filter, { ...options, timeoutMs: ANSWER_MS, max }),
    publish: event => link.publish(event, encodeEvent(event), ANSWER_MS),
    async publishSoon(event) {
      if (!line.isOpen && hopeful && !closed) await opening()
      return line.publish(event)
    },
    negotiate: by => window => by(link, window, { timers, timeoutMs: ANSWER_MS * 5, losing }),
    take: (events, from) =>
      recordFor(filter, from)(
        'log',
        events.map(event => ({ event })),
        undefined,
      ),
    line,
    follow(topic, replay) {
      if (topics.has(topic)) return
      const added = feedOf(topic, replay)
      topics.set(topic, added)
      if (mayAsk) added.open()
    },
    async close() {
      for (const lose of [...losing]) lose()
      cancelWait()
      acknowledged.stop()
      lane.close()
      for (const each of feeds()) each.stop()
      line.lost('error: closed')
      closed = true
      await link.close()
    },
  }
}

const worst = (states: readonly Feed['state'][]): Feed['state'] =>
  (['offline', 'catching-up'] as const).find(state => states.includes(state)) ?? 'live'
