import type { Clock } from '../../platform/clock.ts'
import type { Random } from '../../platform/random.ts'
import type { Cancel, Timers } from '../../platform/timers.ts'
import { parseEvent } from '../../protocol/event.ts'
import { parseJson } from '../../protocol/json.ts'
import { parseReason } from '../../protocol/reasons.ts'
import { backoffMs } from '../link/backoff.ts'
import type { Link } from '../link/link.ts'
import type { PublishOutcome } from '../link/questions.ts'
import type { MailStore, Outcome, OutgoingMail } from './store.ts'

const WINDOW = 100
const OK_WAIT_MS = 5_000
/** So many messages waiting for another try say that something is wrong in general: nothing new is tried. */
const MAX_RESTING = 500
/** Refusals that another try cannot change. */
const FINAL: ReadonlySet<string> = new Set(['invalid', 'blocked', 'restricted', 'pow', 'mute', 'unsupported'])

export interface OutboxOptions {
  readonly store: MailStore
  readonly link: Link
  readonly clock: Clock
  readonly timers: Timers
  readonly random: Random
  /** Of the relay's present run, if it speaks SEQ. */
  epoch(): string | undefined
  onSettled(outcomes: readonly Outcome[]): void
}

/** Sends what the store has queued, unchanged and in order, until the relay says OK. */
export interface Outbox {
  /** The relay can be sent to now. */
  open(): void
  down(): void
  /** Something was queued; `mail` if it is known what. */
  kick(mail?: OutgoingMail): void
  close(): void
  /** Why mail waits although the relay is there: it takes none from a stranger, and our AUTH failed. */
  readonly refusal: string | undefined
}

export function createOutbox(options: OutboxOptions): Outbox {
  const { store, link, clock, timers, random } = options
  const inFlight = new Set<string>()
  const resting = new Map<string, Cancel>()
  const failures = new Map<string, number>()
  let ready = false
  let closed = false
  let scanned = 0
  let settled: Outcome[] = []
  let pausedUntil = 0
  let refusal: string | undefined
  let cancelPause: Cancel = () => {}
  let cancelExpiry: Cancel = () => {}

  function pump(): void {
    if (!ready || closed || clock.monotonic() < pausedUntil) return
    while (inFlight.size < WINDOW && resting.size < MAX_RESTING) {
      const rows = store.queued(scanned, WINDOW - inFlight.size)
      if (rows.length === 0) return
      for (const row of rows) {
        scanned = row.ordinal
        if (!inFlight.has(row.id) && !resting.has(row.id)) send(row)
      }
    }
  }

  function send(mail: OutgoingMail): void {
    if (mail.expires !== undefined && mail.expires * 1000 <= clock.now()) {
      settle({ id: mail.id, state: 'expired' })
      return
    }
    const json = parseJson(mail.event)
    const event = json.ok ? parseEvent(json.value) : json
    if (!event.ok) {
      settle({ id: mail.id, state: 'refused', relay: '', reason: `damaged in the outbox: ${event.error}` })
      return
    }
    inFlight.add(mail.id)
    const publish = () => link.publish(event.value, mail.event, OK_WAIT_MS)
    // Not before it is kept: a tab that is closed now must find it in its outbox again.
    const sent = store.durable ? store.durable().then(publish, notKept) : publish()
    sent.then(outcome => {
      inFlight.delete(mail.id)
      if (!closed) judge(mail, outcome)
      pump()
    })
  }

  const notKept = (error: unknown): PublishOutcome => ({ accepted: undefined, message: `not stored here: ${error}` })

  function judge(mail: OutgoingMail, { accepted, message, ...told }: PublishOutcome & { readonly seq?: number }): void {
    const { prefix } = parseReason(message)
    if (accepted || prefix === 'duplicate') {
      failures.delete(mail.id)
      refusal = undefined
      const epoch = told.seq === undefined ? undefined : options.epoch()
      settle({ id: mail.id, state: 'stored', relay: link.url, ...told, ...(epoch === undefined ? {} : { epoch }) })
    } else if (accepted === false && prefix !== undefined && FINAL.has(prefix)) {
      failures.delete(mail.id)
      settle({ id: mail.id, state: 'refused', relay: link.url, reason: message })
    } else if (link.isOpen) {
      // What follows would be refused alike.
      if (prefix === 'rate-limited' || prefix === 'auth-required') pause()
      rest(mail)
      if (prefix !== 'auth-required' || refusal === message) return
      refusal = message
      options.onSettled([])
    }
  }

  function rest(mail: OutgoingMail): void {
    const count = (failures.get(mail.id) ?? 0) + 1
    failures.set(mail.id, count)
    const cancel = timers.after(backoffMs(count, random), () => {
      resting.delete(mail.id)
      if (ready && !closed) send(mail)
    })
    resting.set(mail.id, cancel)
  }

  function pause(): void {
    const ms = backoffMs(1, random)
    pausedUntil = clock.monotonic() + ms
    cancelPause()
    cancelPause = timers.after(ms, pump)
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
    store.settle(outcomes)
    options.onSettled(outcomes)
  }

  /** Deadlines hold while offline too. */
  function expire(): void {
    cancelExpiry()
    if (closed) return
    const now = clock.now()
    let next = Number.POSITIVE_INFINITY
    let after = 0
    for (;;) {
      const rows = store.queued(after, WINDOW)
      for (const row of rows) {
        after = row.ordinal
        if (row.expires === undefined || inFlight.has(row.id)) continue
        if (row.expires * 1000 <= now) settle({ id: row.id, state: 'expired' })
        else next = Math.min(next, row.expires * 1000 - now)
      }
      if (rows.length < WINDOW) break
    }
    if (next < Number.POSITIVE_INFINITY) cancelExpiry = timers.after(next, expire, { background: true })
  }

  function calm(): void {
    for (const cancel of resting.values()) cancel()
    resting.clear()
    cancelPause()
    pausedUntil = 0
    scanned = 0
    refusal = undefined
  }

  expire()
  return {
    open() {
      ready = true
      calm()
      pump()
    },
    down() {
      ready = false
      calm()
    },
    kick(mail) {
      if (mail?.expires !== undefined) expire()
      pump()
    },
    close() {
      write()
      closed = true
      calm()
      cancelExpiry()
    },
    get refusal() {
      return refusal
    },
  }
}
