import { type Random, randomHex } from '../platform/random.ts'
import { type NostrEvent, tagValue } from '../protocol/event.ts'
import { AUTH } from '../protocol/kinds.ts'
import { reason } from '../protocol/reasons.ts'
import { normalizeRelayUrl } from '../protocol/url.ts'

/** An AUTH event may be this far from the relay's clock (NIP-42: about ten minutes). */
const WINDOW_S = 600
/** 128 bits: not to be guessed, never used for a second connection. */
const CHALLENGE_CHARS = 32

export const createChallenge = (random: Random): string => randomHex(random, CHALLENGE_CHARS)

/** What one connection's AUTH has to say. `urls`: the relay's own, normalised, from configuration and never from headers. */
export interface AuthTerms {
  readonly challenge: string
  readonly urls: ReadonlySet<string>
  /** Seconds. */
  readonly now: number
}

/** NIP-42, all but the signature: the reason of a refusal, or undefined. */
export function refuseAuth(event: NostrEvent, { challenge, urls, now }: AuthTerms): string | undefined {
  const invalid = (text: string) => reason('invalid', text)
  if (event.kind !== AUTH) return invalid(`AUTH is kind ${AUTH}`)
  if (Math.abs(event.created_at - now) > WINDOW_S)
    return invalid(`created_at is more than ${WINDOW_S} s off; check your clock`)
  if (tagValue(event, 'challenge') !== challenge)
    return invalid('the challenge is not the one this connection was sent')
  const relay = normalizeRelayUrl(tagValue(event, 'relay') ?? '')
  // The only protection against a hostile relay passing another relay's challenge on.
  if (relay === undefined || !urls.has(relay)) return invalid('the relay tag names another relay')
  return undefined
}
