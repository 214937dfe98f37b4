import type { Clock } from '../../platform/clock.ts'
import type { Random } from '../../platform/random.ts'
import type { Cancel, Timers } from '../../platform/timers.ts'
import { parseEventText } from '../../protocol/event.ts'
import { isMisdated, parseReason } from '../../protocol/reasons.ts'
import { backoffMs } from '../link/backoff.ts'
import type { Link } from '../link/link.ts'
import type { PublishOutcome } from '../link/questions.ts'
import type { Redated } from './redate.ts'
import type { MailStore, Outcome, OutgoingMail } from './store.ts'

const WINDOW = 100
const OK_WAIT_MS = 5_000
/** So many messages waiting for another try say that something is wrong in general: nothing new is tried. */
const MAX_RESTING = 500
/** Refusals that another try cannot change. */
const FINAL: ReadonlySet<string> = new Set(['invalid', 'blocked', 'restricted', 'pow', 'mute', 'unsupported'])

export interface LaneOptions {
  readonly store: MailStore
  readonly link: Pick<Link, 'url' | 'isOpen' | 'publish'>
  readonly clock: Clock
  readonly timers: Timers
  readonly random: Random
  /** Of the relay's present run, if it speaks SEQ. */
  epoch(): string | undefined
  /** The relay refused it for its date, with this message. */
  redate(mail: OutgoingMail, message: string): Promise<Redated>
  onOutcome(outcome: Outcome): void
  /** `refusal` changed, or nothing is in flight any more. */
  onChange(): void
}

/** Gives one relay the copies that wait for it, unchanged and in order, until it says OK. */
export interface Lane {
  /** The relay can be sent to now. */
  open(): void
  down(): void
  /** Something may wait. */
  kick(): void
  close(): void
  /** Nothing is on its way, and nothing waits for another try. */
  readonly isIdle: boolean
  /** Why mail waits although the relay is there: it takes none from a stranger, and our AUTH failed. */
  readonly refusal: string | undefined
}

export function createLane(options: LaneOptions): Lane {
  const { store, link, clock, timers, random } = options
  const { url } = link
  const inFlight = new Set<string>()
  const resting = new Map<string, Cancel>()
  const failures = new Map<string, number>()
  let ready = false
  let closed = false
  let scanned = 0
  let pausedUntil = 0
  let refusal: string | undefined
  let cancelPause: Cancel = () => {}

  function pump(): void {
    if (!ready || closed || clock.monotonic() < pausedUntil) return
    while (inFlight.size < WINDOW && resting.size < MAX_RESTING) {
      const rows = store.waiting(url, scanned, WINDOW - inFlight.size)
      if (rows.length === 0) return
      for (const row of rows) {
        scanned = row.place
        if (!inFlight.has(row.id) && !resting.has(row.id)) send(row)
      }
    }
  }

  function send(mail: OutgoingMail): void {
    if (mail.expires !== undefined && mail.expires * 1000 <= clock.now()) {
      options.onOutcome({ id: mail.id, state: 'expired' })
      return
    }
    const event = parseEventText(mail.event)
    if (!event.ok) {
      const reason = `damaged in the outbox: ${event.error}`
      options.onOutcome({ id: mail.id, state: 'refused', relay: url, reason })
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
      if (inFlight.size === 0) options.onChange()
    })
  }

  const notKept = (error: unknown): PublishOutcome => ({ accepted: undefined, message: `not stored here: ${error}` })

  function judge(mail: OutgoingMail, { accepted, message, ...told }: PublishOutcome & { readonly seq?: number }): void {
    const { prefix } = parseReason(message)
    if (accepted || prefix === 'duplicate') {
      failures.delete(mail.id)
      refusal = undefined
      const epoch = told.seq === undefined ? undefined : options.epoch()
      const known = epoch === undefined ? {} : { epoch }
      options.onOutcome({ id: mail.id, state: 'stored', relay: url, ...told, ...known })
    } else if (accepted === false && isMisdated(message)) {
      stay(mail, message)
      void options.redate(mail, message).then(again => {
        if (again === 'final') return refuse(mail, message)
        if (again !== 'wait') return send(again)
        // The clock is still wrong: sooner or later it is right.
        if (link.isOpen) rest(mail)
      })
    } else if (accepted === false && prefix !== undefined && FINAL.has(prefix)) {
      refuse(mail, message)
    } else if (link.isOpen) {
      if (accepted === false) stay(mail, message)
      // What follows would be refused alike.
      if (prefix === 'rate-limited' || prefix === 'auth-required') pause()
      rest(mail)
      if (prefix !== 'auth-required' || refusal === message) return
      refusal = message
      options.onChange()
    }
  }

  function stay({ id }: OutgoingMail, reason: string): void {
    options.onOutcome({ id, state: 'waiting', relay: url, reason })
  }

  function refuse({ id }: OutgoingMail, reason: string): void {
    failures.delete(id)
    options.onOutcome({ id, state: 'refused', relay: url, reason })
  }

  function rest(mail: OutgoingMail): void {
    const count = (failures.get(mail.id) ?? 0) + 1
    failures.set(mail.id, count)
    const cancel = timers.after(backoffMs(count, random), () => {
      resting.delete(mail.id)
      if (!ready || closed) return
      // A receipt, a deadline or its age may have ended the wait.
      const stillWaits = store.copies(mail.id).some(copy => copy.relay === url && copy.state === 'waiting')
      if (stillWaits) send(mail)
      else {
        failures.delete(mail.id)
        pump()
        if (inFlight.size === 0) options.onChange()
      }
    })
    resting.set(mail.id, cancel)
  }

  function pause(): void {
    const ms = backoffMs(1, random)
    pausedUntil = clock.monotonic() + ms
    cancelPause()
    cancelPause = timers.after(ms, pump)
  }

  function calm(): void {
    for (const cancel of resting.values()) cancel()
    resting.clear()
    cancelPause()
    pausedUntil = 0
    scanned = 0
    refusal = undefined
  }

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
    kick: pump,
    close() {
      closed = true
      calm()
    },
    get isIdle() {
      return inFlight.size === 0 && resting.size === 0
    },
    get refusal() {
      return refusal
    },
  }
}
