import type { Clock } from '../../platform/clock.ts'
import { type Random, randomHex } from '../../platform/random.ts'
import type { Dial, Socket } from '../../platform/socket.ts'
import type { Cancel, Timers } from '../../platform/timers.ts'
import { CLOSE } from '../../protocol/close-codes.ts'
import { byteLength, type NostrEvent } from '../../protocol/event.ts'
import type { FilterJson } from '../../protocol/filter.ts'
import { encode, parseRelayFrame, type RelayFrame } from '../../protocol/frames.ts'
import { parseReason, seqOfOk } from '../../protocol/reasons.ts'
import { type Authenticate, createAuthenticator } from './authenticator.ts'
import { backoffMs, LONGEST_BACKOFF_MS } from './backoff.ts'
import type { PublishResult } from './client.ts'
import { createGreeting } from './greeting.ts'

export interface LinkOptions {
  readonly url: string
  readonly clock: Clock
  readonly timers: Timers
  readonly random: Random
  readonly dial: Dial
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

/** Frames that belong to one subscription. */
export type SubscriptionFrame = Extract<RelayFrame, { readonly sub: string }>

/** What became of an EVENT frame: the relay's OK, or nothing known because the connection or the patience ended. */
export type PublishOutcome = PublishResult | { readonly accepted: undefined; readonly message: string }

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
  /** The relay proved itself worth coming back to quickly. */
  healthy(): void
  /** Counts a forgery or a broken promise; ten in one connection drop it. */
  strike(): void
  /** Gives this connection up; the next comes after the usual wait, or the longest one if the relay misbehaved. */
  drop(reason: string, misbehaved: boolean): void
  /** Says goodbye (1000) and stays down. Resolves when the socket is gone, at most 1 s later. */
  close(): Promise<void>
}

/** Silence after which the relay is asked for a sign of life, and how long it has for one. */
const SILENCE_MS = 45_000
const SIGN_OF_LIFE_MS = 10_000
const MAX_STRIKES = 10
const GOODBYE_MS = 1_000
/** Nothing has this id: the answer is EOSE alone. */
const NOBODY = '0'.repeat(64)

interface Subscription {
  onFrame(frame: SubscriptionFrame): void
  /** Sends its first frame. */
  start(): void
  /** Not answered so far, and may be repeated. */
  fresh: boolean
}

interface Publishing {
  readonly promise: Promise<PublishOutcome>
  end(outcome: PublishOutcome): void
  start(): void
  fresh: boolean
}

export function createLink(options: LinkOptions): Link {
  const { url, timers, random, authenticate } = options
  const subscriptions = new Map<string, Subscription>()
  const publishing = new Map<string, Publishing>()
  const auth =
    authenticate &&
    createAuthenticator({
      ...options,
      authenticate,
      send: frame => socket?.send(frame),
      onAuthenticated: () => greeting.authenticated(),
    })
  const greeting = createGreeting({
    timers,
    auth: options.introduce ? auth : undefined,
    onStart: () => options.onOpen(),
    onPause: () => options.onPause?.(),
  })
  const sessionTag = randomHex(random, 8)
  let socket: Socket | undefined
  let failures = 0
  let nextSub = 0
  let bytes = 0
  let malformed = 0
  let strikes = 0
  let cancelRetry: Cancel = () => {}
  let cancelWatch: Cancel = () => {}
  let cancelRenewal: Cancel | undefined
  let closing: (() => void) | undefined

  function dial(): void {
    let current: Socket | undefined
    strikes = 0
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

  /** A refusal for want of AUTH: proves who we are and asks once more. False: this refusal stands. */
  function repeated<T extends Subscription | Publishing>(
    asked: T,
    message: string,
    still: () => boolean,
    refuse: (message: string) => void,
  ): boolean {
    if (!auth || !asked.fresh || parseReason(message).prefix !== 'auth-required') return false
    asked.fresh = false
    auth.prove().then(authenticated => {
      if (!still()) return
      if (authenticated) asked.start()
      else {
        refuse(auth.explain(message))
        renewLater(auth.explain(message))
      }
    })
    return true
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
      if (parsed.error.startsWith('unknown frame')) return
      malformed += 1
      strike()
      return
    }
    const frame = parsed.value
    if (frame.type === 'AUTH') {
      if (auth?.challenge(frame.challenge) === false) strike()
      else greeting.challenged()
    } else if (frame.type === 'OK') {
      if (!auth?.onOk(frame.id, frame.accepted, frame.message)) settle(frame.id, frame.accepted, frame.message)
    } else if (frame.type !== 'NOTICE') route(frame)
  }

  function settle(id: string, accepted: boolean, message: string): void {
    const asked = publishing.get(id)
    if (!asked) return
    const still = () => publishing.get(id) === asked
    if (!accepted && repeated(asked, message, still, why => asked.end({ accepted, message: why }))) return
    const seq = seqOfOk(message)
    asked.end({ accepted, message, ...(seq === undefined ? {} : { seq }) })
  }

  function route(frame: SubscriptionFrame): void {
    const { sub } = frame
    const asked = subscriptions.get(sub)
    if (!asked) return
    if (frame.type === 'CLOSED' || frame.type === 'NEG-ERR') {
      const still = () => subscriptions.get(sub) === asked
      const refuse = (message: string) => {
        subscriptions.delete(sub)
        asked.onFrame({ ...frame, message })
      }
      if (!repeated(asked, frame.message, still, refuse)) refuse(frame.message)
      return
    }
    asked.fresh = false
    if (frame.type === 'COUNT') subscriptions.delete(sub)
    asked.onFrame(frame)
  }

  function strike(): void {
    strikes += 1
    if (strikes >= MAX_STRIKES) drop(`${strikes} invalid events or frames in one connection`, true)
  }

  function down(reason: string, penalty = false): void {
    socket = undefined
    cancelWatch()
    cancelRenewal?.()
    cancelRenewal = undefined
    greeting.end()
    subscriptions.clear()
    auth?.reset()
    for (const waiting of [...publishing.values()]) waiting.end({ accepted: undefined, message: reason })
    if (closing) {
      closing()
      return
    }
    failures += 1
    if (options.reconnect) {
      const wait = penalty ? LONGEST_BACKOFF_MS : backoffMs(failures, random)
      cancelRetry = timers.after(wait, dial)
    }
    options.onDown(reason)
  }

  function watchSilence(): void {
    cancelWatch()
    cancelWatch = timers.after(
      SILENCE_MS,
      () => {
        // A refusal is a sign of life too, and no reason to tell who asks.
        const stop: Cancel = subscribe('REQ', [{ ids: [NOBODY], limit: 1 }], () => stop(), false)
        cancelWatch = timers.after(SIGN_OF_LIFE_MS, () => drop('the relay went silent', false), { background: true })
      },
      { background: true },
    )
  }

  function subscribe(
    verb: 'REQ' | 'COUNT',
    filters: readonly FilterJson[],
    onFrame: (frame: SubscriptionFrame) => void,
    fresh = true,
  ): Cancel {
    nextSub += 1
    const sub = `${sessionTag}.${nextSub}`
    const start = () => socket?.send(verb === 'REQ' ? encode.req(sub, ...filters) : encode.countReq(sub, ...filters))
    subscriptions.set(sub, { onFrame, start, fresh })
    start()
    return () => {
      if (subscriptions.delete(sub) && verb === 'REQ') socket?.send(encode.close(sub))
    }
  }

  function negotiate(filter: FilterJson, message: string, onFrame: (frame: SubscriptionFrame) => void) {
    nextSub += 1
    const sub = `${sessionTag}.${nextSub}`
    const start = () => socket?.send(encode.negOpen(sub, filter, message))
    subscriptions.set(sub, { onFrame, start, fresh: true })
    start()
    return {
      send(next: string) {
        if (subscriptions.has(sub)) socket?.send(encode.negMsg(sub, next))
      },
      close() {
        if (subscriptions.delete(sub)) socket?.send(encode.negClose(sub))
      },
    }
  }

  function publish(event: NostrEvent, encoded: string, timeoutMs: number): Promise<PublishOutcome> {
    const running = publishing.get(event.id)
    if (running) return running.promise
    if (!greeting.isStarted || !socket) return Promise.resolve({ accepted: undefined, message: 'not connected' })
    let end: (outcome: PublishOutcome) => void = () => {}
    const promise = new Promise<PublishOutcome>(resolve => {
      const cancel = timers.after(timeoutMs, () =>
        end({ accepted: undefined, message: `no OK within ${timeoutMs} ms` }),
      )
      end = outcome => {
        cancel()
        publishing.delete(event.id)
        resolve(outcome)
      }
    })
    const start = () => socket?.send(`["EVENT",${encoded}]`)
    publishing.set(event.id, { promise, end, start, fresh: true })
    start()
    return promise
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
    subscribe,
    negotiate,
    publish,
    healthy() {
      failures = 0
    },
    strike,
    drop,
    close() {
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
        if (opened) current.close(CLOSE.normal, '')
        else current.terminate()
      })
    },
  }
}
