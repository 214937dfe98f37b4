import type { Clock } from '../../platform/clock.ts'
import { createPace } from '../../platform/pace.ts'
import { type Cancel, every, type Timers } from '../../platform/timers.ts'
import { loadSeldom } from '../load-seldom.ts'
import { allOf, type Destinations } from '../relays/whereabouts.ts'
import type { MailStore, Outcome, OutgoingMail } from './store.ts'

const PAGE = 100
/** Recipients who said nothing are asked after for so long; a relay that lacks its copy of a message stored elsewhere is offered it as long. */
const COPIES_KEPT_MS = 7 * 24 * 3_600_000
/** So often what is old is let go. */
const FORGET_EVERY_MS = 3_600_000
/** So often it is asked whether recipients who said nothing yet read elsewhere by now. */
const REVIEW_EVERY_MS = 600_000

export interface OutboxOptions {
  readonly store: MailStore
  readonly clock: Clock
  readonly timers: Timers
  /** Where mail to this key goes; a promise while that has to be found out. Never rejects, never empty. */
  relaysOf(recipient: string): Destinations | Promise<Destinations>
  /** Finds out anew where these read, where that is due; what it finds comes back through `readdress`. Never rejects. */
  review(recipients: readonly string[]): Promise<void>
  /** Something may wait for these relays now, and for whom. */
  onAddressed(recipients: ReadonlyMap<string, ReadonlySet<string>>): void
  /** The outcomes that changed what is told of a message. */
  onSettled(outcomes: readonly Outcome[]): void
}

/** What is sent, on its way from the store to the relays it is for: addressed, given up at its deadline, settled. */
export interface Outbox {
  /** To be called once: what no relay has taken yet is addressed anew, because relays may have changed since. */
  start(): void
  /** Something was queued; `mail` if it is known what. */
  kick(mail?: OutgoingMail): void
  /** What relays had refused waits for them again. */
  retry(mail: OutgoingMail): void
  settle(outcome: Outcome): void
  /** This recipient reads elsewhere than was known: what it has not been heard of for is taken there, too. */
  readdress(recipient: string, to: Destinations): void
  close(): void
}

export function createOutbox(options: OutboxOptions): Outbox {
  const { store, clock, timers } = options
  const looking = new Set<string>()
  /** What was queued up to here has its relays, or is looked up: with thousands queued only what is new is looked at. */
  let seen = 0
  /** What a relay took last. */
  let taken: string | undefined
  let closed = false
  let settled: Outcome[] = []
  let cancelExpiry: Cancel = () => {}
  let nextExpiry = Number.POSITIVE_INFINITY
  const pace = createPace(clock.monotonic)

  /** Chooses relays for messages, in order for each recipient. `found`: just learned. */
  function address(
    found?: { readonly recipient: string; readonly relays: Destinations },
    again = false,
    from = again ? 0 : seen,
  ): void {
    if (closed) return
    const touched = new Map<string, Set<string>>()
    const changed: string[] = []
    let after = from
    let inTime = true
    while (inTime) {
      const rows = again ? store.queued(after, PAGE, found?.recipient) : store.unaddressed(after, PAGE)
      for (const row of rows) {
        after = row.ordinal
        const relays = row.to === found?.recipient ? found.relays : look(row.to)
        if (relays === undefined) continue
        if (store.address(row.id, relays.reads, relays.fallback, clock.now())) changed.push(row.id)
        addTo(touched, allOf(relays), row.to)
      }
      if (rows.length < PAGE) break
      inTime = pace.take()
    }
    // With thousands queued the rest has its turn later.
    if (!inTime) void pace.next().then(() => address(found, again, after))
    seen = Math.max(seen, after)
    tellOf(changed)
    if (touched.size > 0) options.onAddressed(touched)
  }

  /** Where a recipient reads became known: that decides again what its relays' answers come to. */
  function tellOf(ids: readonly string[]): void {
    const outcomes = ids.flatMap((id): Outcome[] => {
      const delivery = store.delivery(id)
      return delivery?.state === 'stored' || delivery?.state === 'refused' ? [{ id, ...delivery }] : []
    })
    if (ids.length > 0) options.onSettled(outcomes)
  }

  function look(recipient: string): Destinations | undefined {
    if (looking.has(recipient)) return undefined
    const relays = options.relaysOf(recipient)
    if (!(relays instanceof Promise)) return relays
    looking.add(recipient)
    relays.then(found => {
      looking.delete(recipient)
      address({ recipient, relays: found }, true)
    })
    return undefined
  }

  /** Outcomes that arrive together are written together: one sync instead of a hundred. */
  function settle(outcome: Outcome): void {
    settled.push(outcome)
    if (settled.length > 1) return
    queueMicrotask(write)
  }

  function write(): void {
    const outcomes = settled
    settled = []
    if (outcomes.length === 0) return
    const changed = new Set(store.settle(outcomes, clock.now()))
    const telling = outcomes.filter(({ id, state }) => store.delivery(id)?.state === state && changed.delete(id))
    const isFirst = taken === undefined
    taken = outcomes.findLast(({ state }) => state === 'stored')?.id ?? taken
    if (isFirst && taken !== undefined) forget()
    options.onSettled(telling)
  }

  /** As long as a step says that more is to be done, in turns of the event loop; what one settled is written before the next. */
  async function steps(step: () => unknown): Promise<void> {
    while (!closed && step()) await (pace.take() || pace.next())
  }

  /** Deadlines hold while offline too. */
  function expire(): void {
    const now = clock.now()
    nextExpiry = Number.POSITIVE_INFINITY
    void steps(() => {
      const rows = store.expiring(PAGE)
      for (const { id, expires = 0 } of rows) {
        if (expires * 1000 > now) return expireAt(expires * 1000)
        settle({ id, state: 'expired' })
      }
      return rows.length
    })
  }

  function expireAt(ms: number): void {
    if (closed || ms >= nextExpiry) return
    nextExpiry = ms
    cancelExpiry()
    cancelExpiry = timers.after(ms - clock.now(), expire, { background: true })
  }

  /** What cannot be done now, as on a disk that takes nothing or in a page that is offline, is done the next time. */
  function forget(): void {
    const reason = 'undeliverable: no relay where its recipient reads took it for 7 days'
    const giveUp = (id: string) => settle({ id, state: 'undeliverable', reason })
    loadSeldom()

      .then(seldom =>
        seldom.forget({ store, clock, taken, steps, giveUp, copiesKeptMs: COPIES_KEPT_MS, everyMs: FORGET_EVERY_MS }),
      )
      .catch(() => {})
  }

  expire()
  forget()
  const cancelForget = every(timers, FORGET_EVERY_MS, forget)
  const sinceMs = () => clock.now() - COPIES_KEPT_MS
  const review = () => void options.review(store.awaiting(sinceMs()))
  const cancelReview = every(timers, REVIEW_EVERY_MS, review)
  return {
    start() {
      address(undefined, true)
      review()
    },
    kick(mail) {
      if (mail?.expires !== undefined) expireAt(mail.expires * 1000)
      address()
    },
    retry({ id, to, expires }) {
      if (expires !== undefined) expireAt(expires * 1000)
      // Where that has to be found out first, `address` comes to it later.
      const found = look(to)
      if (found) store.address(id, found.reads, found.fallback, clock.now())
      const waiting = store.copies(id).flatMap(({ relay, state }) => (state === 'waiting' ? [relay] : []))
      options.onAddressed(addTo(new Map(), waiting, to))
    },
    settle,
    readdress(recipient, to) {
      let after = 0
      void steps(() => {
        const rows = store.awaitingFrom(recipient, after, PAGE)
        tellOf(
          rows.flatMap(({ id, ordinal, settledMs }) => {
            after = ordinal
            const isRecent = settledMs === undefined || settledMs > sinceMs()
            return isRecent && store.address(id, to.reads, to.fallback, clock.now()) ? [id] : []
          }),
        )
        options.onAddressed(addTo(new Map(), allOf(to), recipient))
        return rows.length
      })
    },
    close() {
      write()
      closed = true
      cancelExpiry()
      cancelForget()
      cancelReview()
    },
  }
}

function addTo(touched: Map<string, Set<string>>, relays: readonly string[], recipient: string): typeof touched {
  for (const relay of relays) touched.set(relay, (touched.get(relay) ?? new Set()).add(recipient))
  return touched
}
