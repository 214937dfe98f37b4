import { encodeEvent, exceedsBytes, expirationOf, type NostrEvent, tagValues } from '../protocol/event.ts'
import { isRecord, parseJson } from '../protocol/json.ts'
import { AUTH, HTTP_AUTH, kindClass, VANISH } from '../protocol/kinds.ts'
import type { Limits } from '../protocol/limits.ts'
import { REASONS, reason } from '../protocol/reasons.ts'
import { normalizeRelayUrl } from '../protocol/url.ts'
import { BACKDATED, type RetentionRule, refuseTooOld } from './log/retention.ts'
import type { ChargePolicy, Sender, WritePolicy } from './policy/policy.ts'
import { weightOf } from './policy/rates.ts'

export type { Sender } from './policy/policy.ts'

const REPOSTS: ReadonlySet<number> = new Set([6, 16])

export interface GateTerms {
  readonly limits: Limits
  /** The relay's own URLs, normalised; empty = AUTH is not offered. */
  readonly urls: ReadonlySet<string>
  /** Seconds. */
  readonly now: number
  /** Charges the attempt, whatever becomes of it. */
  readonly charge?: ChargePolicy
  /** What this relay demands beyond the protocol. */
  readonly refuseWrite: WritePolicy
  /** What is pruned is not let in again. */
  readonly retention: readonly RetentionRule[]
}

/**
 * The half of admission that depends on now, on the sender and on policy; asked before the signature is checked, so it must
 * not trust the claimed author. Returns the reason of a refusal, or undefined.
 */
export function gate(event: NostrEvent, sender: Sender, terms: GateTerms): string | undefined {
  const { limits, urls, now } = terms
  return (
    terms.charge?.(sender, weightOf(event)) ??
    refuseSize(event, limits) ??
    refuseTime(event, limits, now) ??
    refuseTooOld(terms.retention, event, now) ??
    refuseProtected(event, sender, urls) ??
    refuseKind(event, urls) ??
    terms.refuseWrite(event, sender, now)
  )
}

const invalid = (text: string) => reason('invalid', text)

function refuseSize(event: NostrEvent, limits: Limits): string | undefined {
  if (event.tags.length > limits.tags) return invalid(`more than ${limits.tags} tags`)
  for (const tag of event.tags)
    for (const value of tag)
      if (exceedsBytes(value, limits.tagValueBytes))
        return invalid(`a tag value is longer than ${limits.tagValueBytes} bytes`)
  if (exceedsBytes(event.content, limits.contentBytes))
    return invalid(`content is longer than ${limits.contentBytes} bytes`)
  if (exceedsBytes(encodeEvent(event), limits.eventBytes))
    return invalid(`the event is longer than ${limits.eventBytes} bytes`)
  return undefined
}

function refuseTime(event: NostrEvent, limits: Limits, now: number): string | undefined {
  if (event.created_at > now + limits.createdAtFuture)
    return invalid(`created_at is more than ${limits.createdAtFuture} s in the future; check your clock`)
  if (event.created_at < now - limits.createdAtPast && !BACKDATED.has(event.kind))
    return invalid(`created_at is more than ${limits.createdAtPast} s in the past`)
  const expires = expirationOf(event)
  if (expires === undefined && tagValues(event, 'expiration').length > 0)
    return invalid('the expiration tag is not a time in seconds')
  // An expiration does not affect ephemeral events (NIP-40).
  if (expires !== undefined && expires <= now && kindClass(event.kind) !== 'ephemeral') return REASONS.expired
  return undefined
}

/** NIP-70: protected events come from their authenticated author or not at all, and not inside somebody's repost either. */
function refuseProtected(event: NostrEvent, { keys }: Sender, urls: ReadonlySet<string>): string | undefined {
  if (isProtected(event.tags) && !keys.includes(event.pubkey)) {
    if (urls.size === 0) return reason('blocked', 'protected events need AUTH, which this relay does not offer')
    return keys.length === 0
      ? reason('auth-required', 'a protected event is published by its author only')
      : reason('restricted', 'a protected event is published by its author only')
  }
  if (REPOSTS.has(event.kind) && embedsProtected(event.content))
    return reason('blocked', 'a repost must not embed a protected event')
  return undefined
}

const isProtected = (tags: readonly unknown[]): boolean => tags.some(tag => Array.isArray(tag) && tag[0] === '-')

function embedsProtected(content: string): boolean {
  const json = parseJson(content)
  return json.ok && isRecord(json.value) && Array.isArray(json.value['tags']) && isProtected(json.value['tags'])
}

function refuseKind(event: NostrEvent, urls: ReadonlySet<string>): string | undefined {
  if (event.kind === AUTH) return invalid(`kind ${AUTH} is not published; send it in an AUTH frame`)
  // Passed on, it would be a token in other people's hands.
  if (event.kind === HTTP_AUTH) return invalid(`kind ${HTTP_AUTH} is not published; send it in an Authorization header`)
  if (event.kind === VANISH && !namesUs(event, urls)) return invalid('this request to vanish names other relays only')
  return undefined
}

/** NIP-62. */
const namesUs = (event: NostrEvent, urls: ReadonlySet<string>): boolean =>
  tagValues(event, 'relay').some(url => url === 'ALL_RELAYS' || urls.has(normalizeRelayUrl(url) ?? ''))
