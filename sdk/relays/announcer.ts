import type { Clock } from '../../platform/clock.ts'
import type { Cancel, Timers } from '../../platform/timers.ts'
import type { EventTemplate, NostrEvent } from '../../protocol/event.ts'
import { isRecord, own, parseJson } from '../../protocol/json.ts'
import type { Route } from '../mail/route.ts'
import type { MailStore } from '../mail/store.ts'
import { announce } from './announce.ts'
import { announceable } from './lists.ts'

/** After catching up, before lists are looked at: commands that only fetch or send are over by then. */
const SETTLED_MS = 2_000
/** What was found in order is looked at again after so long. */
const CHECKED_MS = 24 * 3_600_000

export interface AnnouncerOptions {
  readonly routes: readonly Route[]
  readonly pubkey: string
  readonly store: MailStore
  readonly clock: Clock
  readonly timers: Timers
  sign(template: EventTemplate): NostrEvent | Promise<NostrEvent>
}

/** Keeps the agent's own relay lists (10002, 10050) on its relays, so that others know where mail for it goes. */
export interface Announcer {
  /** A relay may have become live. */
  look(): void
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
  let planned = false
  let running = false
  let closed = false

  const isLive = (route: Route) => route.isOpen && route.status().state === 'live'

  function isInOrder(): boolean {
    const { relays: before, atMs, seen } = readAnnounced()
    const age = clock.now() - atMs
    const fresh = age >= 0 && age < CHECKED_MS && before.join() === ownRelays().join()
    return fresh && routes.every(route => !isLive(route) || seen.includes(route.url))
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
    const seen = new Set([...(before.relays.join() === relays.join() ? before.seen : []), ...told])
    store.keepRelayNote(NOTE, { text: JSON.stringify({ relays, seen: [...seen] }), askedMs: clock.now() })
  }

  return {
    look() {
      if (planned || running || closed || !routes.some(isLive) || isInOrder()) return
      planned = true
      cancel = timers.after(
        SETTLED_MS,
        () => {
          planned = false
          running = true
          // Without a signature, say because the signer is away, the next change tries again.
          announceNow()
            .catch(() => {})
            .finally(() => {
              running = false
            })
        },
        { background: true },
      )
    },
    close() {
      closed = true
      cancel()
    },
  }
}
