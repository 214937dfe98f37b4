/** The machine-readable words of OK and CLOSED: NIP-01's set, NIP-42's `auth-required`, NIP-01's example `unsupported`, NIP-77's `closed`, and ours on OK true: `seq`, `will`. */
export const REASON_PREFIXES = [
  'duplicate',
  'pow',
  'blocked',
  'rate-limited',
  'invalid',
  'restricted',
  'mute',
  'error',
  'auth-required',
  'unsupported',
  'closed',
  'seq',
  'will',
] as const
export type ReasonPrefix = (typeof REASON_PREFIXES)[number]

/** Builds `prefix: text`. */
export const reason = (prefix: ReasonPrefix, text: string): string => `${prefix}: ${text}`

export interface Reason {
  /** The word before the colon, or undefined if there is none. */
  readonly prefix: string | undefined
  readonly text: string
}

export function parseReason(message: string): Reason {
  const match = /^([a-z-]+):\s*/.exec(message)
  return match ? { prefix: match[1], text: message.slice(match[0].length) } : { prefix: undefined, text: message }
}

/** Reasons that a client acts on by their text; everything else is for people. */
export const REASONS = {
  stored: (seq: number) => reason('seq', String(seq)),
  duplicate: (seq: number) => reason('duplicate', `seq ${seq}`),
  /** A newer (or same-second, lower-id) version of this address is kept. The author re-makes the event above it. */
  outdated: reason('invalid', 'outdated, a newer version of this address is stored'),
  deleted: reason('blocked', 'deleted by its author'),
  vanished: reason('blocked', 'its author has vanished from this relay'),
  banned: reason('blocked', 'banned from this relay'),
  expired: reason('invalid', 'expired'),
  unheard: reason('mute', 'nobody was listening'),
  forged: reason('invalid', 'the signature does not fit the event'),
  willHeld: reason('will', 'held'),
  willDropped: reason('will', 'dropped'),
  cursorUnknown: (common: number) => reason('invalid', `cursor-unknown common:${common}`),
  behind: reason('error', 'behind, this relay has not reached your cursor yet; try again'),
  /** After the EOSE of a search: everything was told, nothing follows. */
  noSearch: reason('unsupported', 'this relay has no search'),
  searched: reason('unsupported', 'a search is answered once and is not live; ask again'),
  newEpoch: reason('error', 'new-epoch, subscribe again from your cursor'),
  tooSlow: reason('error', 'too slow, resume from your cursor'),
} as const

/** The seq an OK true told, from `seq: n` or `duplicate: seq n`; undefined on a relay without SEQ. */
export function seqOfOk(message: string): number | undefined {
  const match = /^(?:seq: |duplicate: seq )(\d{1,16})$/.exec(message)
  const seq = Number(match?.[1])
  return Number.isSafeInteger(seq) && seq > 0 ? seq : undefined
}

export const isOutdated = (message: string): boolean => message.startsWith('invalid: outdated')

/** Refused for its date. Each relay has its own words for it: ours, strfry's, khatru's, nostr-rs-relay's, and NIP-01's example. */
export const isMisdated = (message: string): boolean =>
  /^invalid:.*(created_at|in the future|too late|too early|far off)/i.test(message)

/** Of such a refusal: the date is ahead of the relay's clock, in the words of those that say which way it is off. */
export const isAhead = (message: string): boolean => /in the future|too late/i.test(message)

/** The common position of a `cursor-unknown`, or undefined for any other reason. */
export function commonOfCursorUnknown(message: string): number | undefined {
  const match = /^invalid: cursor-unknown common:(\d{1,16})$/.exec(message)
  const common = Number(match?.[1])
  return Number.isSafeInteger(common) ? common : undefined
}
