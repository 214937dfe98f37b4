import type { Cancel, Timers } from '../../platform/timers.ts'
import type { NostrEvent } from '../../protocol/event.ts'
import type { FilterJson } from '../../protocol/filter.ts'
import { encode, type RelayFrame } from '../../protocol/frames.ts'
import { kindClass } from '../../protocol/kinds.ts'
import { parseReason, seqOfOk } from '../../protocol/reasons.ts'
import type { Authenticator } from './authenticator.ts'
import type { PublishResult } from './client.ts'

/** Frames that belong to one subscription. */
export type SubscriptionFrame = Extract<RelayFrame, { readonly sub: string }>

/** What became of an EVENT frame: the relay's OK, or nothing known because the connection or the patience ended. */
export type PublishOutcome = PublishResult | { readonly accepted: undefined; readonly message: string }

export const UNREACHED: PublishOutcome = Object.freeze({ accepted: undefined, message: 'the relay was not reached' })

export interface QuestionsOptions {
  readonly timers: Timers
  readonly auth: Authenticator | undefined
  send(text: string): void
  /** Something was refused for want of AUTH, and our AUTH failed; with both reasons. */
  onStranger(message: string): void
}

/** What is asked on one link and waits for answers; the parameters are those of the link. */
export interface Questions {
  /** `fresh` false: a refusal for want of AUTH is answer enough. */
  subscribe(
    verb: 'REQ' | 'COUNT',
    filters: readonly FilterJson[],
    onFrame: (frame: SubscriptionFrame) => void,
    fresh?: boolean,
  ): Cancel
  negotiate(
    filter: FilterJson,
    message: string,
    onFrame: (frame: SubscriptionFrame) => void,
  ): { send(message: string): void; close(): void }
  publish(event: NostrEvent, encoded: string, timeoutMs: number): Promise<PublishOutcome>
  /** Leaves a will; the relay's answer is an OK, too. */
  leaveWill(event: NostrEvent, timeoutMs: number): Promise<PublishOutcome>
  /** Hands a frame to who asked for it. False: nothing did, or it has been answered already. */
  answer(frame: RelayFrame): boolean
  /** The connection is gone. */
  lose(reason: string): void
}

interface Question {
  /** Sends its first frame. */
  start(): void
  /** Not answered so far, and may be repeated. */
  fresh: boolean
}

interface Subscription extends Question {
  /** Its EOSE, its first SEQ, and a NEG-MSG for each of ours are expected; others come unasked. */
  readonly expected: Set<RelayFrame['type']>
  onFrame(frame: SubscriptionFrame): void
}

interface Publishing extends Question {
  readonly isEphemeral: boolean
  readonly promise: Promise<PublishOutcome>
  end(outcome: PublishOutcome): void
}

export function createQuestions(options: QuestionsOptions): Questions {
  const { timers, auth, send } = options
  const subscriptions = new Map<string, Subscription>()
  const publishing = new Map<string, Publishing>()
  let subs = 0
  /** Every live event carries it: short. Never the same twice, so that late frames of an ended subscription find nobody. */
  const nextSub = () => {
    subs += 1
    return subs.toString(36)
  }

  /** A refusal for want of AUTH: proves who we are and asks once more. False: this refusal stands. */
  function repeated(
    asked: Question,
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
        options.onStranger(auth.explain(message))
      }
    })
    return true
  }

  function settle(id: string, accepted: boolean, message: string): boolean {
    const asked = publishing.get(id)
    if (!asked) return false
    const still = () => publishing.get(id) === asked
    if (!accepted && repeated(asked, message, still, why => asked.end({ accepted, message: why }))) return true
    // NIP-01: no one was listening, so no one has it. An event that was to be kept was not.
    const isMute = accepted && !asked.isEphemeral && parseReason(message).prefix === 'mute'
    const seq = seqOfOk(message)
    asked.end({ accepted: accepted && !isMute, message, ...(seq === undefined ? {} : { seq }) })
    return true
  }

  function tell(frame: SubscriptionFrame): boolean {
    const { sub, type } = frame
    const asked = subscriptions.get(sub)
    if (!asked) return false
    if (frame.type === 'CLOSED' || frame.type === 'NEG-ERR') {
      const still = () => subscriptions.get(sub) === asked
      const refuse = (message: string) => {
        subscriptions.delete(sub)
        asked.onFrame({ ...frame, message })
      }
      if (!repeated(asked, frame.message, still, refuse)) refuse(frame.message)
      return true
    }
    asked.fresh = false
    if (type === 'COUNT') subscriptions.delete(sub)
    const isExpected = type === 'EVENT' || type === 'COUNT' || asked.expected.has(type)
    if (type !== 'GONE') asked.expected.delete(type)
    // Positions go on; an answer that has ended does not end again.
    if (isExpected || type !== 'EOSE') asked.onFrame(frame)
    return isExpected
  }

  function subscribe(
    verb: 'REQ' | 'COUNT',
    filters: readonly FilterJson[],
    onFrame: (frame: SubscriptionFrame) => void,
    fresh = true,
  ): Cancel {
    const sub = nextSub()
    const start = () => send(verb === 'REQ' ? encode.req(sub, ...filters) : encode.countReq(sub, ...filters))
    const expected = new Set<RelayFrame['type']>(['SEQ', 'EOSE'])
    if (filters.some(({ gone }) => gone)) expected.add('GONE')
    subscriptions.set(sub, { onFrame, start, fresh, expected })
    start()
    return () => {
      if (subscriptions.delete(sub) && verb === 'REQ') send(encode.close(sub))
    }
  }

  function negotiate(filter: FilterJson, message: string, onFrame: (frame: SubscriptionFrame) => void) {
    const sub = nextSub()
    const start = () => send(encode.negOpen(sub, filter, message))
    const expected = new Set<RelayFrame['type']>(['NEG-MSG'])
    subscriptions.set(sub, { onFrame, start, fresh: true, expected })
    start()
    return {
      send(next: string) {
        expected.add('NEG-MSG')
        if (subscriptions.has(sub)) send(encode.negMsg(sub, next))
      },
      close() {
        if (subscriptions.delete(sub)) send(encode.negClose(sub))
      },
    }
  }

  function publish(event: NostrEvent, encoded: string, timeoutMs: number): Promise<PublishOutcome> {
    return submit(event, `["EVENT",${encoded}]`, timeoutMs)
  }

  function submit(event: NostrEvent, frame: string, timeoutMs: number): Promise<PublishOutcome> {
    const running = publishing.get(event.id)
    if (running) return running.promise
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
    const start = () => send(frame)
    const isEphemeral = kindClass(event.kind) === 'ephemeral'
    publishing.set(event.id, { promise, end, start, fresh: true, isEphemeral })
    start()
    return promise
  }

  return {
    subscribe,
    negotiate,
    publish,
    leaveWill: (event, timeoutMs) => submit(event, encode.will(event), timeoutMs),
    answer(frame) {
      if (frame.type === 'OK') return settle(frame.id, frame.accepted, frame.message)
      return 'sub' in frame && tell(frame)
    },
    lose(reason) {
      subscriptions.clear()
      for (const waiting of [...publishing.values()]) waiting.end({ accepted: undefined, message: reason })
    },
  }
}
