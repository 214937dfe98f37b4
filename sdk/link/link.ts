import type { Clock } from '../../platform/clock.ts'
import { type Random, randomHex } from '../../platform/random.ts'
import type { Dial, Socket } from '../../platform/socket.ts'
import type { Cancel, Timers } from '../../platform/timers.ts'
import { CLOSE } from '../../protocol/close-codes.ts'
import { byteLength, type NostrEvent } from '../../protocol/event.ts'
import type { FilterJson } from '../../protocol/filter.ts'
import { encode, parseRelayFrame, type RelayFrame } from '../../protocol/frames.ts'
import { seqOfOk } from '../../protocol/reasons.ts'
import { backoffMs, LONGEST_BACKOFF_MS } from './backoff.ts'
import type { PublishResult } from './client.ts'

export interface LinkOptions {
  readonly url: string
  readonly clock: Clock
  readonly timers: Timers
  readonly random: Random
  readonly dial: Dial
  /** False: one attempt, no second one. */
  readonly reconnect: boolean
  onOpen(): void
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

export function createLink(options: LinkOptions): Link {
  const { url, timers, random } = options
  const subscriptions = new Map<string, (frame: SubscriptionFrame) => void>()
  const publishing = new Map<
    string,
    { readonly promise: Promise<PublishOutcome>; end(outcome: PublishOutcome): void }
  >()
  const sessionTag = randomHex(random, 8)
  let socket: Socket | undefined
  let isOpen = false
  let failures = 0
  let nextSub = 0
  let bytes = 0
  let malformed = 0
  let strikes = 0
  let cancelRetry: Cancel = () => {}
  let cancelWatch: Cancel = () => {}
  let closing: (() => void) | undefined

  function dial(): void {
    let current: Socket | undefined
    const mine = () => socket !== undefined && socket === current
    current = options.dial(url, {
      onOpen() {
        if (!mine()) return
        isOpen = true
        strikes = 0
        watchSilence()
        options.onOpen()
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
    if (frame.type === 'OK') {
      const seq = seqOfOk(frame.message)
      publishing
        .get(frame.id)
        ?.end({ accepted: frame.accepted, message: frame.message, ...(seq === undefined ? {} : { seq }) })
    } else if (frame.type !== 'NOTICE' && frame.type !== 'AUTH') {
      const onFrame = subscriptions.get(frame.sub)
      if (frame.type === 'CLOSED' || frame.type === 'COUNT' || frame.type === 'NEG-ERR') subscriptions.delete(frame.sub)
      onFrame?.(frame)
    }
  }

  function strike(): void {
    strikes += 1
    if (strikes >= MAX_STRIKES) drop(`${strikes} invalid events or frames in one connection`, true)
  }

  function down(reason: string, penalty = false): void {
    socket = undefined
    isOpen = false
    cancelWatch()
    subscriptions.clear()
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
        const stop: Cancel = subscribe('REQ', [{ ids: [NOBODY], limit: 1 }], () => stop())
        cancelWatch = timers.after(SIGN_OF_LIFE_MS, () => drop('the relay went silent', false), { background: true })
      },
      { background: true },
    )
  }

  function subscribe(
    verb: 'REQ' | 'COUNT',
    filters: readonly FilterJson[],
    onFrame: (frame: SubscriptionFrame) => void,
  ): Cancel {
    nextSub += 1
    const sub = `${sessionTag}.${nextSub}`
    subscriptions.set(sub, onFrame)
    socket?.send(verb === 'REQ' ? encode.req(sub, ...filters) : encode.countReq(sub, ...filters))
    return () => {
      if (subscriptions.delete(sub) && verb === 'REQ') socket?.send(encode.close(sub))
    }
  }

  function negotiate(filter: FilterJson, message: string, onFrame: (frame: SubscriptionFrame) => void) {
    nextSub += 1
    const sub = `${sessionTag}.${nextSub}`
    subscriptions.set(sub, onFrame)
    socket?.send(encode.negOpen(sub, filter, message))
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
    if (!isOpen || !socket) return Promise.resolve({ accepted: undefined, message: 'not connected' })
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
    publishing.set(event.id, { promise, end })
    socket.send(`["EVENT",${encoded}]`)
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
      return isOpen
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
        if (isOpen) current.close(CLOSE.normal, '')
        else current.terminate()
      })
    },
  }
}
