import { isEpoch } from './cursor.ts'
import { encodeEvent, type NostrEvent, parseEvent } from './event.ts'
import { type Filter, type FilterJson, parseFilter } from './filter.ts'
import { isHex, isHex64 } from './hex.ts'
import { type EoseHints, parseHints } from './hints.ts'
import { isCount, isRecord, own, parseJson } from './json.ts'
import type { Limits } from './limits.ts'
import { type ReasonPrefix, reason } from './reasons.ts'
import { fail, ok, type Result } from './result.ts'

/** What a client may say. */
export type ClientFrame =
  | { readonly type: 'EVENT'; readonly event: NostrEvent }
  | { readonly type: 'REQ'; readonly sub: string; readonly filters: readonly Filter[] }
  | { readonly type: 'COUNT'; readonly sub: string; readonly filters: readonly Filter[] }
  | { readonly type: 'CLOSE'; readonly sub: string }
  | { readonly type: 'AUTH'; readonly event: NostrEvent }
  /** Null takes back the will of this connection. */
  | { readonly type: 'WILL'; readonly event: NostrEvent | null }
  | { readonly type: 'NEG-OPEN'; readonly sub: string; readonly filter: Filter; readonly message: string }
  | { readonly type: 'NEG-MSG'; readonly sub: string; readonly message: string }
  | { readonly type: 'NEG-CLOSE'; readonly sub: string }

/** A refusal, addressed as well as the bytes allow: by event id (OK false), by subscription (CLOSED, NEG-ERR), else to nobody (NOTICE). */
export interface FrameError {
  readonly to: { readonly ok: string } | { readonly closed: string } | { readonly neg: string } | undefined
  readonly reason: string
}

/** Reads one text frame of a client. Never throws. `text` must already be within `frameBytes`. */
export function parseClientFrame(text: string, limits: Limits): Result<ClientFrame, FrameError> {
  const json = parseJson(text)
  if (!json.ok || !Array.isArray(json.value)) return refuse(undefined, 'invalid', 'a frame is a JSON array')
  const frame: unknown[] = json.value
  switch (frame[0]) {
    case 'EVENT':
    case 'AUTH':
      return parseSigned(frame[0], frame)
    case 'WILL':
      return frame[1] === null ? ok({ type: 'WILL', event: null }) : parseSigned('WILL', frame)
    case 'NEG-OPEN':
    case 'NEG-MSG':
    case 'NEG-CLOSE':
      return parseNegentropy(frame[0], frame, limits)
    case 'REQ':
    case 'COUNT':
      return parseQuery(frame[0], frame, limits)
    case 'CLOSE': {
      const sub = frame[1]
      return isSubscriptionId(sub, limits)
        ? ok({ type: 'CLOSE', sub })
        : refuse(undefined, 'invalid', 'CLOSE needs a subscription id')
    }
    default:
      return refuse(
        undefined,
        'unsupported',
        'unknown frame; this relay reads EVENT, REQ, COUNT, CLOSE, AUTH, WILL and NEG-OPEN',
      )
  }
}

function parseSigned(type: 'EVENT' | 'AUTH' | 'WILL', frame: unknown[]): Result<ClientFrame, FrameError> {
  const event = parseEvent(frame[1])
  if (event.ok) return ok({ type, event: event.value })
  const id = isRecord(frame[1]) ? own(frame[1], 'id') : undefined
  return refuse(isHex64(id) ? { ok: id } : undefined, 'invalid', event.error)
}

/** NIP-77. Its subscription ids are a namespace of their own. */
function parseNegentropy(
  type: 'NEG-OPEN' | 'NEG-MSG' | 'NEG-CLOSE',
  frame: unknown[],
  limits: Limits,
): Result<ClientFrame, FrameError> {
  const sub = frame[1]
  if (!isSubscriptionId(sub, limits)) {
    const to = typeof sub === 'string' && sub !== '' ? { neg: sub } : undefined
    return refuse(to, 'invalid', `a subscription id is 1 to ${limits.subscriptionIdChars} characters`)
  }
  if (type === 'NEG-CLOSE') return ok({ type, sub })
  const message = frame[type === 'NEG-OPEN' ? 3 : 2]
  if (typeof message !== 'string' || message.length % 2 !== 0 || !/^[0-9a-f]+$/.test(message))
    return refuse({ neg: sub }, 'invalid', `the message of ${type} is hex`)
  if (type === 'NEG-MSG') return ok({ type, sub, message })
  const filter = parseFilter(frame[2], limits)
  if (!filter.ok) return refuse({ neg: sub }, filter.error.prefix, filter.error.text)
  return ok({ type, sub, filter: filter.value, message })
}

function parseQuery(type: 'REQ' | 'COUNT', frame: unknown[], limits: Limits): Result<ClientFrame, FrameError> {
  const sub = frame[1]
  if (!isSubscriptionId(sub, limits)) {
    // A readable id, however long, still gets its CLOSED: NOTICE is nothing a client can act on.
    const to = typeof sub === 'string' && sub !== '' ? { closed: sub } : undefined
    return refuse(to, 'invalid', `a subscription id is 1 to ${limits.subscriptionIdChars} characters`)
  }
  const to = { closed: sub }
  if (frame.length < 3) return refuse(to, 'invalid', `${type} needs at least one filter`)
  if (frame.length - 2 > limits.filters) return refuse(to, 'invalid', `more than ${limits.filters} filters`)
  const filters: Filter[] = []
  for (const value of frame.slice(2)) {
    const filter = parseFilter(value, limits)
    if (!filter.ok) return refuse(to, filter.error.prefix, filter.error.text)
    filters.push(filter.value)
  }
  return ok({ type, sub, filters })
}

const isSubscriptionId = (value: unknown, limits: Limits): value is string =>
  typeof value === 'string' && value.length > 0 && value.length <= limits.subscriptionIdChars && value.isWellFormed()

const refuse = (to: FrameError['to'], prefix: ReasonPrefix, text: string): { ok: false; error: FrameError } =>
  fail({ to, reason: reason(prefix, text) })

/** Why an event went: `deleted` by its author (NIP-09), `replaced` by a newer version, `vanished` with its author (NIP-62). */
export type GoneCause = 'deleted' | 'replaced' | 'vanished'

/** What a relay may say. `event` is shape-checked only: verify before you trust. */
export type RelayFrame =
  | { readonly type: 'EVENT'; readonly sub: string; readonly event: NostrEvent; readonly seq?: number }
  | { readonly type: 'OK'; readonly id: string; readonly accepted: boolean; readonly message: string }
  | { readonly type: 'EOSE'; readonly sub: string; readonly hints: EoseHints }
  | { readonly type: 'CLOSED'; readonly sub: string; readonly message: string }
  | { readonly type: 'NOTICE'; readonly message: string }
  | { readonly type: 'AUTH'; readonly challenge: string }
  | { readonly type: 'NEG-MSG'; readonly sub: string; readonly message: string }
  | { readonly type: 'NEG-ERR'; readonly sub: string; readonly message: string }
  | { readonly type: 'COUNT'; readonly sub: string; readonly count: number; readonly hll?: string }
  | { readonly type: 'SEQ'; readonly sub: string; readonly seq: number; readonly epoch: string }
  | {
      readonly type: 'GONE'
      readonly sub: string
      readonly seq: number
      readonly target: string
      readonly cause: GoneCause
    }

/** Reads one text frame of a relay. Never throws. Unknown frame types fail with the type named; a client ignores them. */
export function parseRelayFrame(text: string): Result<RelayFrame> {
  const json = parseJson(text)
  if (!json.ok || !Array.isArray(json.value)) return fail('a frame is a JSON array')
  const [type, first, second, third, fourth] = json.value as unknown[]
  // Only a string has a name to tell: String() throws on some objects and overflows on deep arrays.
  const name = typeof type === 'string' ? type.slice(0, 16) : 'of no type'
  if (typeof first !== 'string') return fail(`frame ${name} without its id`)
  switch (type) {
    case 'EVENT': {
      const event = parseEvent(second)
      if (!event.ok) return event
      return ok({ type, sub: first, event: event.value, ...(isCount(third) && third > 0 ? { seq: third } : {}) })
    }
    case 'OK':
      if (typeof second !== 'boolean') return fail('OK without true or false')
      return ok({ type, id: first, accepted: second, message: typeof third === 'string' ? third : '' })
    case 'EOSE':
      return ok({ type, sub: first, hints: parseHints(second) })
    case 'CLOSED':
      return ok({ type, sub: first, message: typeof second === 'string' ? second : '' })
    case 'NOTICE':
      return ok({ type, message: first })
    case 'AUTH':
      return ok({ type, challenge: first })
    case 'NEG-MSG':
    case 'NEG-ERR':
      return ok({ type, sub: first, message: typeof second === 'string' ? second : '' })
    case 'COUNT': {
      const count = isRecord(second) ? own(second, 'count') : undefined
      if (!isCount(count)) return fail('COUNT without a count')
      const hll = isRecord(second) ? own(second, 'hll') : undefined
      return ok({ type, sub: first, count, ...(isHex(hll, 512) ? { hll } : {}) })
    }
    case 'SEQ':
      return isCount(second) && isEpoch(third)
        ? ok({ type, sub: first, seq: second, epoch: third })
        : fail('SEQ without seq and epoch')
    case 'GONE':
      return isCount(second) &&
        isHex64(third) &&
        (fourth === 'deleted' || fourth === 'replaced' || fourth === 'vanished')
        ? ok({ type, sub: first, seq: second, target: third, cause: fourth })
        : fail('GONE without seq, id and cause')
    default:
      return fail(`unknown frame ${name}`)
  }
}

/** Frames as text, ready to send. `event` parameters that are strings are {@link encodeEvent} output, passed through untouched. */
export const encode = {
  publish: (event: NostrEvent): string => `["EVENT",${encodeEvent(event)}]`,
  req: (sub: string, ...filters: FilterJson[]): string => JSON.stringify(['REQ', sub, ...filters]),
  countReq: (sub: string, ...filters: FilterJson[]): string => JSON.stringify(['COUNT', sub, ...filters]),
  close: (sub: string): string => JSON.stringify(['CLOSE', sub]),
  event: (subJson: string, eventJson: string, seq?: number): string =>
    seq === undefined ? `["EVENT",${subJson},${eventJson}]` : `["EVENT",${subJson},${eventJson},${seq}]`,
  /** An EVENT frame is this, the event's text, and {@link eventTail}. */
  eventHead: (sub: string): string => `["EVENT",${JSON.stringify(sub)},`,
  eventTail: (seq?: number): string => (seq === undefined ? ']' : `,${seq}]`),
  ok: (id: string, accepted: boolean, message: string): string => JSON.stringify(['OK', id, accepted, message]),
  /** Without hints ({@link encodeHints}) it is the EOSE of NIP-01, two elements long. */
  eose: (sub: string, hints?: readonly string[]): string =>
    JSON.stringify(hints ? ['EOSE', sub, hints] : ['EOSE', sub]),
  closed: (sub: string, message: string): string => JSON.stringify(['CLOSED', sub, message]),
  challenge: (challenge: string): string => JSON.stringify(['AUTH', challenge]),
  auth: (event: NostrEvent): string => `["AUTH",${encodeEvent(event)}]`,
  will: (event: NostrEvent | null): string => `["WILL",${event === null ? 'null' : encodeEvent(event)}]`,
  negOpen: (sub: string, filter: FilterJson, message: string): string =>
    JSON.stringify(['NEG-OPEN', sub, filter, message]),
  negMsg: (sub: string, message: string): string => JSON.stringify(['NEG-MSG', sub, message]),
  negClose: (sub: string): string => JSON.stringify(['NEG-CLOSE', sub]),
  /** `cap`: how many records a reconciliation may have, told with `blocked` (NIP-77). */
  negErr: (sub: string, message: string, cap?: number): string =>
    JSON.stringify(cap === undefined ? ['NEG-ERR', sub, message] : ['NEG-ERR', sub, message, cap]),
  notice: (message: string): string => JSON.stringify(['NOTICE', message]),
  /** `hll`: NIP-45's registers, for filters that define them. */
  count: (sub: string, count: number, hll?: string): string =>
    JSON.stringify(['COUNT', sub, hll === undefined ? { count } : { count, hll }]),
  seq: (sub: string, seq: number, epoch: string): string => JSON.stringify(['SEQ', sub, seq, epoch]),
  gone: (sub: string, seq: number, target: string, cause: GoneCause): string =>
    JSON.stringify(['GONE', sub, seq, target, cause]),
} as const
