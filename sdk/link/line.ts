import type { Clock } from '../../platform/clock.ts'
import type { Random } from '../../platform/random.ts'
import type { Cancel, Timers } from '../../platform/timers.ts'
import type { Verifier } from '../../platform/verifier.ts'
import { encodeEvent, type NostrEvent } from '../../protocol/event.ts'
import { type Filter, type FilterJson, parseFilter } from '../../protocol/filter.ts'
import { WIRE_LIMITS } from '../../protocol/wire-limits.ts'
import { type Answer, askLink } from './ask.ts'
import { createFramePump } from './frame-pump.ts'
import type { Link } from './link.ts'
import type { PublishOutcome } from './questions.ts'
import type { createSharedFeeds, SharedFeeds } from './shared-feeds.ts'

export interface WatchHandlers {
  /** Verified, and asked for. */
  onEvent(event: NostrEvent): void
  /** Everything stored was told; from here on it is live. */
  onLive?(): void
  /** The relay ended it, or the connection is lost; on the next connection it is asked again. */
  onEnd?(reason: string): void
}

export interface LineListener {
  /** At each connection, once the relay knows our key if it asked; at once if there is one. */
  onOpen(): void
  onDown?(): void
}

/** What an agent says and asks at one of its relays beside its mail. Nothing of it is queued: it is about now. */
export interface Line {
  readonly url: string
  readonly isOpen: boolean
  /** Resolves, never rejects. */
  publish(event: NostrEvent): Promise<PublishOutcome>
  /** Leaves a will (docs/protocol.md, "Wills"). Resolves, never rejects. */
  leaveWill(event: NostrEvent): Promise<PublishOutcome>
  /** Asks now and again on every connection, until cancelled. */
  watch(filters: readonly FilterJson[], handlers: WatchHandlers): Cancel
  /** One question, now; never rejects. */
  ask(filter: FilterJson, max: number, timeoutMs: number): Promise<Answer>
  /**
   * Standing queries in log order, resumed on every connection until they are stopped. However many there are, they take few of the
   * connection's subscriptions. `create` makes them when they are first asked for: a page that needs none does not load it.
   */
  feeds(create: typeof createSharedFeeds): SharedFeeds
  follow(listener: LineListener): Cancel
  /** One subscription on this connection, its frames as they come; ends with it. */
  readonly subscribe: Link['subscribe']
}

/** A line, and what its link tells it. */
export interface LineEnd extends Line {
  opened(): void
  lost(reason: string): void
}

const OK_WAIT_MS = 5_000

export interface LineOptions {
  readonly verifier: Verifier
  readonly clock: Clock
  readonly timers: Timers
  readonly random: Random
}

export function createLine(link: Link, options: LineOptions): LineEnd {
  const { verifier } = options
  const listeners = new Set<LineListener>()
  const watches = new Set<{ start(): void; stop(reason: string): void }>()
  let feeds: SharedFeeds | undefined
  let isOpen = false

  return {
    url: link.url,
    get isOpen() {
      return isOpen
    },
    subscribe: link.subscribe,
    publish: event => link.publish(event, encodeEvent(event), OK_WAIT_MS),
    leaveWill: event => link.leaveWill(event, OK_WAIT_MS),
    watch(filters, handlers) {
      const wanted = filters.map(readable)
      let stop: Cancel = () => {}
      const watch = {
        start() {
          stop()
          const pump = createFramePump({
            verifier,
            wanted,
            onEvents(events) {
              for (const { event, valid } of events) {
                if (valid) handlers.onEvent(event)
                else link.strike(event.id, pump)
              }
            },
            onFrame(frame) {
              if (frame.type === 'EOSE') handlers.onLive?.()
              else if (frame.type === 'CLOSED') watch.stop(frame.message)
            },
            onOverflow: () => watch.stop('error: the relay sends faster than events can be verified'),
            onError: error => watch.stop(`error: events could not be taken: ${String(error)}`),
          })
          const cancel = link.subscribe('REQ', filters, frame => pump.push(frame))
          stop = () => {
            stop = () => {}
            pump.stop()
            cancel()
          }
        },
        stop(reason: string) {
          stop()
          handlers.onEnd?.(reason)
        },
      }
      watches.add(watch)
      if (isOpen) watch.start()
      return () => {
        if (watches.delete(watch)) stop()
      }
    },
    ask: async (filter, max, timeoutMs) =>
      isOpen ? askLink(link, filter, { ...options, max, timeoutMs }) : { events: [], invalid: 0, complete: false },
    feeds(create) {
      if (feeds) return feeds
      feeds = create({ ...options, link })
      if (isOpen) feeds.open()
      return feeds
    },
    follow(listener) {
      listeners.add(listener)
      if (isOpen) listener.onOpen()
      return () => void listeners.delete(listener)
    },
    opened() {
      isOpen = true
      for (const watch of [...watches]) watch.start()
      feeds?.open()
      for (const listener of [...listeners]) listener.onOpen()
    },
    lost(reason) {
      if (!isOpen) return
      isOpen = false
      for (const watch of [...watches]) watch.stop(reason)
      feeds?.down(reason)
      for (const listener of [...listeners]) listener.onDown?.()
    },
  }
}

function readable(filter: FilterJson): Filter {
  const parsed = parseFilter(filter, WIRE_LIMITS)
  if (!parsed.ok) throw new TypeError(`not a filter: ${parsed.error.text}`)
  return parsed.value
}
