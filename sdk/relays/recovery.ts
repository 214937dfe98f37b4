import { type Clock, seconds } from '../../platform/clock.ts'
import type { Timers } from '../../platform/timers.ts'
import type { NostrEvent } from '../../protocol/event.ts'
import type { FilterJson } from '../../protocol/filter.ts'
import { GIFT_WRAP, MESSAGE } from '../../protocol/kinds.ts'
import { readPlain } from '../link/plain-pages.ts'
import { OVER } from '../link/plain-reading.ts'
import type { Route } from '../mail/route.ts'
import type { MailStore, Stranger } from '../mail/store.ts'
import { plainRoute } from './plain-route.ts'

/** Events that are held at once: what is in them is recorded oldest first. */
const ROUND = 2_000
/** Per relay and filter; beyond that it stays dropped. */
const MAX_FETCHED = 10_000
/** A relay that gave no whole answer is asked again after so long. */
const AGAIN_MS = 60_000

export interface RecoveryOptions {
  readonly routes: readonly Route[]
  readonly pubkey: string
  readonly store: MailStore
  readonly clock: Clock
  readonly timers: Timers
  /** What is to be asked for may have been. */
  onDone(): void
}

/** Brings back what was dropped of strangers who are accepted by now: relays have it still. Loaded when first needed. */
export interface Recovery {
  accepted(): void
  /** A relay can be asked, perhaps. */
  look(): void
  /** A relay that can be asked has not answered yet. */
  readonly isBusy: boolean
  close(): void
}

export function createRecovery({ routes, pubkey, store, clock, timers, onDone }: RecoveryOptions): Recovery {
  /** Relays that gave everything, by key. */
  const answered = new Map<string, Set<string>>()
  let running = false
  let again = false
  let closed = false
  let cancel = () => {}

  /** Keys of whom something is still to be fetched. */
  let owed = owedNow()

  function owedNow(): readonly string[] {
    const isOwed = ({ verdict, dropped }: Stranger) => verdict === 'accepted' && dropped > 0
    return store.judged('accepted').length === 0
      ? []
      : store.strangers().flatMap(each => (isOwed(each) ? [each.pubkey] : []))
  }

  const lacking = (route: Route, keys: readonly string[]) => keys.filter(key => !answered.get(key)?.has(route.url))

  async function recover(): Promise<void> {
    do {
      again = false
      const keys = owed
      await Promise.all(
        routes.map(async route => {
          const wanted = lacking(route, keys)
          if (!route.isOpen || wanted.length === 0 || !(await fetchAll(route, wanted))) return
          for (const key of wanted) answered.set(key, (answered.get(key) ?? new Set()).add(route.url))
        }),
      )
      if (closed) return
      for (const key of keys) {
        if (routes.some(route => lacking(route, [key]).length > 0)) continue
        answered.delete(key)
        store.recovered(key)
      }
      owed = owedNow()
    } while (again)
  }

  /** Also wraps, whose senders only show when they are opened. */
  async function fetchAll(route: Route, keys: readonly string[]): Promise<boolean> {
    const direct: FilterJson = { kinds: [MESSAGE], authors: [...keys], '#p': [pubkey] }
    const wrapped: FilterJson = { kinds: [GIFT_WRAP], '#p': [pubkey] }
    return (await fetchOf(route, direct, keys)) && (await fetchOf(route, wrapped, keys))
  }

  async function fetchOf(route: Route, filter: FilterJson, keys: readonly string[]): Promise<boolean> {
    let found: NostrEvent[] = []
    let total = 0
    const record = async () => {
      const events = found.toSorted((a, b) => a.created_at - b.created_at)
      found = []
      if (events.length > 0) await route.take(events, keys)
    }
    const source = plainRoute(route, {
      now: seconds(clock),
      isOver: () => closed || total >= MAX_FETCHED,
      take(events) {
        found.push(...events)
        total += events.length
        return found.length >= ROUND ? record() : undefined
      },
    })
    try {
      await readPlain(filter, source)
    } catch (error) {
      if (closed || error !== OVER) return false
    }
    await record()
    return true
  }

  function look(): void {
    if (running || closed) return
    if (!routes.some(route => route.isOpen && lacking(route, owed).length > 0)) return
    running = true
    recover()
      .catch(() => {})
      .finally(() => {
        running = false
        onDone()
        cancel()
        if (!closed && owed.length > 0) cancel = timers.after(AGAIN_MS, look, { background: true })
      })
  }

  return {
    accepted() {
      owed = owedNow()
      again = running
      look()
    },
    look,
    get isBusy() {
      return running
    },
    close() {
      closed = true
      cancel()
    },
  }
}
