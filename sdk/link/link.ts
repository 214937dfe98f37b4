import { type Clock, seconds } from '../../platform/clock.ts'
import type { OnHostChange } from '../../platform/host-change.ts'
import type { Random } from '../../platform/random.ts'
import type { Dial, Socket } from '../../platform/socket.ts'
import type { Cancel, Timers } from '../../platform/timers.ts'
import { NORMAL_CLOSURE } from '../../protocol/close-codes.ts'
import { byteLength, type NostrEvent } from '../../protocol/event.ts'
import type { FilterJson } from '../../protocol/filter.ts'
import { parseRelayFrame } from '../../protocol/frames.ts'
import { isMisdated } from '../../protocol/reasons.ts'
import { type Authenticate, createAuthenticator } from './authenticator.ts'
import { backoffMs, LONGEST_BACKOFF_MS } from './backoff.ts'
import { createBreaker } from './breaker.ts'
import { createGreeting } from './greeting.ts'
import { createQuestions, type PublishOutcome, type SubscriptionFrame } from './questions.ts'
import { createUnasked } from './unasked.ts'

export interface LinkOptions {
  readonly url: string
  readonly clock: Clock
  readonly timers: Timers
  readonly random: Random
  readonly dial: Dial
  /** Where the host tells it: a wait is cut short, and an open connection asked for a sign of life. */
  readonly onHostChange?: OnHostChange | undefined
  /** False: one attempt, no second one. */
  readonly reconnect: boolean
  /** Answers the relay's challenge (NIP-42). Without it this end stays a stranger. */
  readonly authenticate?: Authenticate | undefined
  /** At once when challenged, before `onOpen`. Otherwise only when something is refused for want of it. */
  readonly introduce?: boolean
  /** Again on the same connection after an `onPause`. */
  onOpen(): void
  /** The relay is about to know us under a key, and to answer differently: what is subscribed must end; `onOpen` follows. */
  onPause?(): void
  /** The connection, or the attempt at one, is over; with `reconnect` the next one is already planned. */
  onDown(reason: string): void
}

/** One relay, reconnected for ever. Frames are parsed and routed here; nothing in them is trusted yet. */
export interface Link {
  readonly url: string
  readonly isOpen: boolean
  /** UTF-8 bytes received over all connections. */
  readonly bytes: number
  /** Frames that were no frames, or events without an event's shape. */
  readonly malformed: number
  /** Sends REQ (or COUNT) under a fresh id. Frames arrive until the returned function is called or the connection is lost. */
  subscribe(verb: 'REQ' | 'COUNT', filters: readonly FilterJson[], onFrame: (frame: SubscriptionFrame) => void): Cancel
  /** Sends NEG-OPEN (NIP-77) under a fresh id; NEG-MSG and NEG-ERR arrive until `close` or the connection is lost. */
  negotiate(
    filter: FilterJson,
    message: string,
    onFrame: (frame: SubscriptionFrame) => void,
  ): { send(message: string): void; close(): void }
  /** Resolves, never rejects. */
  publish(event: NostrEvent, encoded: string, timeoutMs: number): Promise<PublishOutcome>
  /** Why the relay refuses what is dated now: our clock is wrong, or its own. Until it takes something dated now. */
  readonly clockWord: string | undefined
  /** Leaves a will with the relay for this connection. Resolves, never rejects. */
  leaveWill(event: NostrEvent, timeoutMs: number): Promise<PublishOutcome>
  /** The relay proved itself worth coming back to quickly. */
  healthy(): void
  /**
   * Counts a forgery or a broken promise; five in ten seconds, or ten in one connection, drop it. `damaged`: the id of a damaged event, and
   * `answer` what brought it: questions overlap, and a relay that keeps one damaged event gives it to each. Returns whether it counted.
   */
  strike(damaged?: string, answer?: object): boolean
  /** Gives this connection up; the next comes after the usual wait, or a minute if the relay misbehaved. */
  drop(reason: string, misbehaved: boolean): void
  /** Says goodbye (1000) and stays down. Resolves when the socket is gone, at most 1 s later. */
  close(): Promise<void>
}

/** Silence after which the relay is asked for a sign of life, and how long it has for one. */
const SILENCE_MS = 45_000
const SIGN_OF_LIFE_MS = 10_000
const MAX_STRIKES = 10
const GOODBYE_MS = 1_000
/** Dated so near to our clock an event was dated by it as it is. Seconds. */
const NOW_S = 60
/** Nothing has this id: the answer is EOSE alone. */
const NOBODY = '0'.repeat(64)

export function createLink(options: LinkOptions): Link {
  const { url, timers, random, authenticate } = options
  const auth =
    authenticate &&
    createAuthenticator({
      ...options,
      authenticate,
      send: frame => socket?.send(frame),
      onAuthenticated: () => greeting.authenticated(),
    })
  const questions = createQuestions({ timers, auth, send: text => socket?.send(text), onStranger: renewLater })
  const greeting = createGreeting({
    timers,
    auth: options.introduce ? auth : undefined,
    onStart: () => options.onOpen(),
    onPause: () => options.onPause?.(),
  })
  let socket: Socket | undefined
  let failures = 0
  let bytes = 0
  let malformed = 0
  let strikes = 0
  /** Damaged events of this connection, and the answer that brought each last. */
  const damagedIn = new Map<string | undefined, object>()
  const breaker = createBreaker(options.clock)
  const isTooMuch = createUnasked(options.clock)
  let cancelRetry: Cancel = () => {}
  let cancelWatch: Cancel = () => {}
  let cancelRenewal: Cancel | undefined
  let closing: (() => void) | undefined
  /** The wait for the next attempt is a penalty, which nothing shortens. */
  let penalised = false
  let clockWord: string | undefined
  const stopWatchingHost = options.reconnect ? options.onHostChange?.(reconsider) : undefined

  function reconsider(): void {
    if (closing) return
    if (greeting.isStarted) askForLife()
    else if (!socket && !penalised) {
      cancelRetry()
      dial()
    }
  }

  function dial(): void {
    let current: Socket | undefined
    strikes = 0
    damagedIn.clear()
    auth?.reset()
    const mine = () => socket !== undefined && socket === current
    current = options.dial(url, {
      onOpen() {
        if (!mine()) return
        watchSilence()
        greeting.open()
      },
      onText(text) {
        if (!mine()) return
        bytes += byteLength(text)
        watchSilence()
        receive(text)
      },
      onClose(code, reason) {
        if (mine()) down(reason || `closed with ${code}`)
      },
    })
    socket = current
  }

  /** A failed AUTH is not repeated on its connection. The next has a challenge of its own, and our clock may be right by then. */
  function renewLater(message: string): void {
    if (!options.reconnect || cancelRenewal) return
    const again = () => {
      cancelRenewal = undefined
      if (!auth?.isAuthenticated) drop(message, false)
    }
    cancelRenewal = timers.after(LONGEST_BACKOFF_MS, again, { background: true })
  }

  function receive(text: string): void {
    const parsed = parseRelayFrame(text)
    if (!parsed.ok) {
      // Frame types we do not know are other people's extensions.
      if (parsed.error.startsWith('unknown frame')) return charge(text)
      malformed += 1
      strike()
      return
    }
    const frame = parsed.value
    if (frame.type === 'AUTH') {
      charge(text)
      if (auth?.challenge(frame.challenge) === false) strike()
      else greeting.challenged()
    } else if (frame.type !== 'OK' || !auth?.onOk(frame.id, frame.accepted, frame.message)) {
      if (!questions.answer(frame)) charge(text)
    }
  }

  /** For what nothing asked for. */
  function charge(text: string): void {
    if (isTooMuch(text.length)) strike()
  }

  function strike(damaged?: string, answer?: object): boolean {
    if (!socket) return false
    if (answer) {
      const before = damagedIn.get(damaged) ?? answer
      damagedIn.set(damaged, answer)
      if (before !== answer) return false
    }
    strikes += 1
    if (breaker.failure() || strikes >= MAX_STRIKES) drop(`${strikes} invalid events or frames`, true)
    return true
  }

  function down(reason: string, penalty = false): void {
    socket = undefined
    cancelWatch()
    cancelRenewal?.()
    cancelRenewal = undefined
    greeting.end()
    // A relay that hangs up on a stranger is better understood by why our AUTH failed.
    const told = auth?.explain(reason) ?? reason
    questions.lose(told)
    auth?.reset()
    if (closing) {
      closing()
      return
    }
    failures += 1
    if (options.reconnect) {
      penalised = penalty
      if (penalty) breaker.trip()
      const wait = penalty ? breaker.waitMs : backoffMs(failures, random)
      cancelRetry = timers.after(wait, dial)
    }
    options.onDown(told)
  }

  function watchSilence(): void {
    cancelWatch()
    cancelWatch = timers.after(SILENCE_MS, askForLife, { background: true })
  }

  function askForLife(): void {
    cancelWatch()
    // A refusal is a sign of life too, and no reason to tell who asks.
    const stop: Cancel = questions.subscribe('REQ', [{ ids: [NOBODY], limit: 1 }], () => stop(), false)
    cancelWatch = timers.after(SIGN_OF_LIFE_MS, () => drop('the relay went silent', false), { background: true })
  }

  function drop(reason: string, misbehaved: boolean): void {
    const current = socket
    if (!current || closing) return
    down(reason, misbehaved)
    current.terminate()
  }

  dial()
  return {
    url,
    get isOpen() {
      return greeting.isStarted
    },
    get bytes() {
      return bytes
    },
    get malformed() {
      return malformed
    },
    subscribe: (verb, filters, onFrame) => questions.subscribe(verb, filters, onFrame),
    negotiate: questions.negotiate,
    async publish(event, encoded, timeoutMs) {
      if (!greeting.isStarted) return { accepted: undefined, message: 'not connected' }
      const outcome = await questions.publish(event, encoded, timeoutMs)
      // What was dated long ago says nothing of the clock.
      if (Math.abs(event.created_at - seconds(options.clock)) > NOW_S) return outcome
      if (outcome.accepted) clockWord = undefined
      else if (outcome.accepted === false && isMisdated(outcome.message)) clockWord = outcome.message
      return outcome
    },
    get clockWord() {
      return clockWord
    },
    leaveWill: async (event, timeoutMs) =>
      greeting.isStarted ? questions.leaveWill(event, timeoutMs) : { accepted: undefined, message: 'not connected' },
    healthy() {
      failures = 0
      breaker.success()
    },
    strike,
    drop,
    close() {
      stopWatchingHost?.()
      cancelRetry()
      cancelWatch()
      cancelRenewal?.()
      const opened = greeting.isConnected
      greeting.end()
      const current = socket
      if (closing || !current) {
        closing ??= () => {}
        return Promise.resolve()
      }
      return new Promise(resolve => {
        const cancel = timers.after(GOODBYE_MS, () => {
          current.terminate()
          resolve()
        })
        closing = () => {
          cancel()
          resolve()
        }
        if (opened) current.close(NORMAL_CLOSURE, '')
        else current.terminate()
      })
    },
  }
}
