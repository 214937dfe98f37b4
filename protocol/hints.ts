import { isEpoch } from './cursor.ts'

/**
 * WebSocket subprotocol (RFC 6455 §1.9) by which a client shows that it reads EOSE hints. A client that neither chose it nor sent
 * `since_seq` gets the EOSE of NIP-01, two elements long.
 */
export const SEQ_SUBPROTOCOL = 'nostr-seq'

/** What EOSE tells beyond its subscription id: NIP-67's `finish`/`more`, and SEQ's position. */
export interface EoseHints {
  /** Undefined on a relay without NIP-67: completeness unknown. */
  readonly complete?: 'finish' | 'more'
  /** The stored part covers the log up to here. */
  readonly seq?: number
  readonly epoch?: string
  /** Hash of the keys and access generation this answer was decided for. */
  readonly scope?: string
  /** Lowest seq from which nothing of the asked kinds was pruned. */
  readonly floor?: number
  /** The filter names kinds that these keys may not read; says nothing about data. */
  readonly withheld?: boolean
}

export function encodeHints(hints: EoseHints): string[] {
  const out: string[] = []
  if (hints.complete !== undefined) out.push(hints.complete)
  if (hints.seq !== undefined) out.push(`seq:${hints.seq}`)
  if (hints.epoch !== undefined) out.push(`epoch:${hints.epoch}`)
  if (hints.scope !== undefined) out.push(`scope:${hints.scope}`)
  if (hints.floor !== undefined) out.push(`floor:${hints.floor}`)
  if (hints.withheld === true) out.push('withheld')
  return out
}

/** Unknown or malformed hints are as if absent (NIP-67). */
export function parseHints(value: unknown): EoseHints {
  const hints: { -readonly [K in keyof EoseHints]: EoseHints[K] } = {}
  if (!Array.isArray(value)) return hints
  for (const hint of value) {
    if (typeof hint !== 'string') continue
    if (hint === 'finish' || hint === 'more') hints.complete = hint
    else if (hint === 'withheld') hints.withheld = true
    else if (/^seq:\d{1,16}$/.test(hint)) setCount(hints, 'seq', hint.slice(4))
    else if (/^floor:\d{1,16}$/.test(hint)) setCount(hints, 'floor', hint.slice(6))
    else if (hint.startsWith('epoch:') && isEpoch(hint.slice(6))) hints.epoch = hint.slice(6)
    else if (/^scope:[0-9a-f]{1,64}$/.test(hint)) hints.scope = hint.slice(6)
  }
  return hints
}

function setCount(hints: { seq?: number; floor?: number }, name: 'seq' | 'floor', digits: string): void {
  const value = Number(digits)
  if (Number.isSafeInteger(value)) hints[name] = value
}
