import type { Clock } from '../../platform/clock.ts'
import { type Cancel, sleep, type Timers } from '../../platform/timers.ts'
import type { EventTemplate, NostrEvent } from '../../protocol/event.ts'
import { isRecord, own, parseJson } from '../../protocol/json.ts'
import type { Route } from '../mail/route.ts'
import type { MailStore } from '../mail/store.ts'
import { isPrivateRelay } from './addresses.ts'
import { announce } from './announce.ts'
import type { Discovery } from './discovery.ts'
import { announceable } from './lists.ts'

/** After catching up, before lists are looked at: what only fetches or sends has ended by then. */
const SETTLED_MS = 2_000
/** An agent that ends before that publishes them then, where they are new: for at most so long. */
const FINISH_MS = 2_000
/** What was found in order is looked at again after so long. */
const CHECKED_MS = 24 * 3_600_000
/** A discovery relay that did not take them is offered them again after so long. */
const AGAIN_MS = 10 * 60_000

export interface AnnouncerOptions {
  readonly routes: readonly Route[]
  readonly pubkey: string
  readonly store: MailStore
  readonly clock: Clock
  readonly timers: Timers
  /** Where the lists are published besides, and what leads there. */
  readonly discovery?: readonly string[] | undefined
  readonly discover?: (() => Promise<Discovery>) | undefined
  sign(template: EventTemplate): NostrEvent | Promise<NostrEvent>
}

/** Keeps the agent's own relay lists (10002, 10050) on its relays, so that others know where mail for it goes. */
export interface Announcer {
  /** A relay may have become live. */
  look(): void
  /** Lists that differ from those published last, or that a relay lacks, are published now; for at most `ms`. */
  finish(ms: number): Promise<void>
  close(): void
}

/** What we announced last, in a note under no key. */
interface Announced {
  readonly relays: readonly string[]
  readonly atMs: number
  /** Relays that were seen with it. */
  readonly seen: readonly string[]
}

const NOTE = 'own'

/**
 * Reads back what is there before anything is written, and writes only what differs: relays that somebody else (another client
 * of the same key) listed stay, those we announced before and no longer use go.
 */
export function createAnnouncer(options: AnnouncerOptions): Announcer {
  const { routes, store, clock, timers } = options
  /** One may have been added. */
  const ownRelays = () => announceable(routes.map(({ url }) => url))
  let cancel: Cancel = () => {}
  /** When the lists were offered to relays that may not have taken them. */
  const offered = new Map<string, number>()
  let planned = false
  let running: Promise<void> | undefined
  let closed = false

  const isLive = (route: Route) => route.isOpen && route.status().state === 'live'

  const isInOrder = () => isRecent(readAnnounced()) && isPublished()

  /** As they are now, wherever that is known. */
  function isPublished(): boolean {
    const before = readAnnounced()
    const relays = ownRelays()
    const isSeen = ({ url }: Route) => before.seen.includes(url)
    const isSame = before.relays.join() === relays.join()
    return isSame && routes.every(each => !isLive(each) || isSeen(each)) && placesFor(relays, before.seen).length === 0
  }

  function isRecent({ atMs }: Announced): boolean {
    const age = clock.now() - atMs
    return age >= 0 && age < CHECKED_MS
  }

  /** Discovery relays that lack the lists, as far as is known, and were not offered them just now. */
  function placesFor(relays: readonly string[], seen: readonly string[]): readonly string[] {
    const now = clock.monotonic()
    return (options.discovery ?? []).filter(
      url =>
        !seen.includes(url) &&
        !routes.some(route => route.url === url) &&
        now - (offered.get(url) ?? Number.NEGATIVE_INFINITY) >= AGAIN_MS &&
        // Where everybody looks, addresses of this network are of no use.
        (isPrivateRelay(url) || !relays.every(isPrivateRelay)),
    )
  }

  function readAnnounced(): Announced {
    const json = parseJson(store.relayNote(NOTE)?.text ?? '')
    const record = json.ok && isRecord(json.value) ? json.value : {}
    const urls = (field: string) => {
      const value = own(record, field)
      return Array.isArray(value) ? value.filter(url => typeof url === 'string') : []
    }
    return { relays: urls('relays'), seen: urls('seen'), atMs: store.relayNote(NOTE)?.askedMs ?? 0 }
  }

  async function announceNow(): Promise<void> {
    const before = readAnnounced()
    const relays = ownRelays()
    const told = await announce({ ...options, routes: routes.filter(isLive), relays, announced: before.relays })
    if (closed || told === undefined) return
    const isSame = before.relays.join() === relays.join() && isRecent(before)
    const seen = new Set([...(isSame ? before.seen : []), ...told])
    const keep = () =>
      store.keepRelayNote(NOTE, { text: JSON.stringify({ relays, seen: [...seen] }), askedMs: clock.now() })
    keep()
    const wanted = placesFor(relays, [...seen])
    if (wanted.length === 0) return
    const elsewhere = await options.discover?.()
    const places = elsewhere?.places().filter(({ url }) => wanted.includes(url)) ?? []
    for (const url of wanted) offered.set(url, clock.monotonic())
    // With the own relays, so that all have the same one.
    const taken = await announce({
      ...options,
      routes: [...routes.filter(isLive), ...places],
      relays,
      announced: before.relays,
    })
    if (closed || taken === undefined) return
    for (const url of taken) seen.add(url)
    keep()
  }

  function start(): Promise<void> {
    planned = false
    cancel()
    // Without a signature, say because the signer is away, the next change tries again.
    running ??= announceNow()
      .catch(() => {})
      .finally(() => {
        running = undefined
      })
    return running
  }

  return {
    look() {
      if (planned || running || closed || !routes.some(isLive) || isInOrder()) return
      planned = true
      cancel = timers.after(SETTLED_MS, () => void start(), { background: true })
    },
    async finish(ms) {
      if (closed || ms <= 0 || !routes.some(isLive) || isPublished()) return
      const over = new AbortController()
      await Promise.race([start(), sleep(timers, Math.min(ms, FINISH_MS), over.signal)])
      over.abort()
    },
    close() {
      closed = true
      cancel()
    },
  }
}
