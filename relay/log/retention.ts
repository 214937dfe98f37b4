import type { NostrEvent } from '../../protocol/event.ts'
import { reason } from '../../protocol/reasons.ts'
import type { Floor } from './floors.ts'

/** How long events are kept. Of all rules the first that names an event's kind and author decides; none = for ever. */
export interface RetentionRule {
  /** Default: every kind. */
  readonly kinds?: readonly number[]
  /** Public keys, 64 hex. Default: everyone. */
  readonly authors?: readonly string[]
  /** Seconds since created_at; of removals, since the removal. Older events are refused, too. Default: any age. */
  readonly maxAgeS?: number
  /** Of the events this rule decides on, the latest to arrive are kept, this many. Default: any number. */
  readonly maxCount?: number
}

/** Gift wraps are dated back on purpose (NIP-59): by up to two days, from where their age counts. */
export const BACKDATED: ReadonlySet<number> = new Set([1059, 21_059])
const BACKDATED_BY_S = 172_800

type Dated = Pick<NostrEvent, 'kind' | 'pubkey' | 'created_at'>

/** The rule that decides on an event. */
export const ruleOf = (rules: readonly RetentionRule[], { kind, pubkey }: Omit<Dated, 'created_at'>) =>
  rules.find(
    ({ kinds, authors }) =>
      (kinds === undefined || kinds.includes(kind)) && (authors === undefined || authors.includes(pubkey)),
  )

/** By its own age; `now` in seconds. */
export const isTooOld = (rule: RetentionRule | undefined, { kind, created_at }: Omit<Dated, 'pubkey'>, now: number) =>
  rule?.maxAgeS !== undefined && created_at + (BACKDATED.has(kind) ? BACKDATED_BY_S : 0) < now - rule.maxAgeS

/** What retention would take away again is not let in. The reason of a refusal, or undefined. */
export const refuseTooOld = (rules: readonly RetentionRule[], event: Dated, now: number): string | undefined =>
  isTooOld(ruleOf(rules, event), event, now)
    ? reason('invalid', 'created_at is older than this relay keeps such events')
    : undefined

/** Throws a TypeError that says what is wrong with a rule. */
export function requireRules(rules: readonly RetentionRule[]): readonly RetentionRule[] {
  for (const { maxAgeS, maxCount, kinds, authors } of rules) {
    if (maxAgeS !== undefined && !(maxAgeS > 0))
      throw new TypeError('retention: maxAgeS is a number of seconds above 0')
    if (maxCount !== undefined && !(Number.isSafeInteger(maxCount) && maxCount >= 0))
      throw new TypeError('retention: maxCount is a whole number')
    if (kinds?.some(kind => !Number.isSafeInteger(kind) || kind < 0 || kind > 65_535) === true)
      throw new TypeError('retention: kinds holds something other than kinds')
    if (authors?.some(author => !/^[0-9a-f]{64}$/.test(author)) === true)
      throw new TypeError('retention: authors are public keys, 64 lowercase hex characters')
  }
  return rules
}

/** A look for what one rule takes, newest first. */
export interface PruneRequest {
  readonly rules: readonly RetentionRule[]
  /** Index of the rule. */
  readonly rule: number
  readonly part: Floor['part']
  /** Seconds. */
  readonly now: number
  /** Where the last page ended; absent on the first. */
  readonly from?: { readonly below: number; readonly kept: number }
}

export interface PrunePage {
  /** Seqs; each was looked at itself, not by an index. */
  readonly victims: readonly number[]
  /** Seqs of rows that are not what was stored. */
  readonly damaged: readonly number[]
  readonly next: PruneRequest['from'] | undefined
}

/** Takes found victims, raising the floors of their kinds in the same transaction. */
export type PruneOrder = Pick<PruneRequest, 'rules' | 'rule' | 'part' | 'now'> & { readonly seqs: readonly number[] }

/** A row that is to be pruned is not what was stored, so nothing is pruned: what is damaged may be the reason for pruning. */
export class PruneRefusedError extends Error {
  override readonly name = 'PruneRefusedError'
  readonly code = 'damaged-log'
  readonly seqs: readonly number[]
  constructor(seqs: readonly number[]) {
    super(`nothing was pruned: the log is damaged at seq ${seqs.join(', ')}. See: posthorn relay check`)
    this.seqs = seqs
  }
}
