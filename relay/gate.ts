import { byteLength, encodeEvent, expirationOf, type NostrEvent } from '../protocol/event.ts'
import { kindClass } from '../protocol/kinds.ts'
import type { Limits } from '../protocol/limits.ts'
import { REASONS, reason } from '../protocol/reasons.ts'

/** Gift wraps are dated back on purpose (NIP-59), so the past limit is not for them. */
const BACKDATED: ReadonlySet<number> = new Set([1059, 21_059])

/**
 * The half of admission that depends on now and on policy; asked before the signature is checked, so it must not trust
 * the claimed author. Returns the reason of a refusal, or undefined. `now` in seconds.
 */
export function gate(event: NostrEvent, limits: Limits, now: number): string | undefined {
  const invalid = (text: string) => reason('invalid', text)
  if (event.tags.length > limits.tags) return invalid(`more than ${limits.tags} tags`)
  for (const tag of event.tags)
    for (const value of tag)
      if (value.length > limits.tagValueBytes || byteLength(value) > limits.tagValueBytes)
        return invalid(`a tag value is longer than ${limits.tagValueBytes} bytes`)
  if (byteLength(event.content) > limits.contentBytes)
    return invalid(`content is longer than ${limits.contentBytes} bytes`)
  if (byteLength(encodeEvent(event)) > limits.eventBytes)
    return invalid(`the event is longer than ${limits.eventBytes} bytes`)
  if (event.created_at > now + limits.createdAtFuture)
    return invalid(`created_at is more than ${limits.createdAtFuture} s in the future; check your clock`)
  if (event.created_at < now - limits.createdAtPast && !BACKDATED.has(event.kind))
    return invalid(`created_at is more than ${limits.createdAtPast} s in the past`)
  const expires = expirationOf(event)
  // An expiration does not affect ephemeral events (NIP-40).
  if (expires !== undefined && expires <= now && kindClass(event.kind) !== 'ephemeral') return REASONS.expired
  return undefined
}
