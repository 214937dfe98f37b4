import { type NostrEvent, tagValues } from '../../protocol/event.ts'
import { isHex64 } from '../../protocol/hex.ts'
import { addressOf, DELETION, GIFT_WRAP, kindClass, supersedes, VANISH } from '../../protocol/kinds.ts'
import { REASONS } from '../../protocol/reasons.ts'
import type { Outcome } from './store.ts'

/** What the rules need to know and to change; memory and SQLite provide it inside their transaction. */
export interface LogState {
  seqOf(id: string): number | undefined
  /** A stored event by id. */
  find(id: string): NostrEvent | undefined
  /** The stored event at an address. */
  holder(address: string): NostrEvent | undefined
  /** The newest version ever accepted at an address, stored or not. */
  mark(address: string): Pick<NostrEvent, 'created_at' | 'id'> | undefined
  /** True if this author asked for this id to be deleted, before or after it came. */
  isDeleted(id: string, author: string): boolean
  /** Versions at this address up to and including this created_at are deleted. */
  deletedUpTo(address: string): number | undefined
  /** Everything by this author up to and including this created_at has vanished, and must not come back. */
  vanishedUpTo(author: string): number | undefined
  /** Gives the next seq. */
  put(event: NostrEvent, address: string | undefined): number
  /** Gives the removal its own seq. */
  remove(event: NostrEvent, address: string | undefined, cause: 'deleted' | 'replaced'): void
  setMark(address: string, version: Pick<NostrEvent, 'created_at' | 'id'>): void
  setDeleted(id: string, author: string): void
  setDeletedUpTo(address: string, created_at: number): void
  /** Whether {@link vanish} would find anything. */
  concerns(author: string, upTo: number): boolean
  /** Drops, without a trace of tags or content, what {@link vanishes} says; one removal for all, with its own seq. */
  vanish(author: string, upTo: number): void
}

/** NIP-62: the author's own events (deletion requests too, other requests to vanish not), and gift wraps addressed to it. */
export const vanishes = (event: NostrEvent, author: string, upTo: number): boolean =>
  event.created_at <= upTo &&
  event.kind !== VANISH &&
  (event.pubkey === author || (event.kind === GIFT_WRAP && tagValues(event, 'p').includes(author)))

/**
 * The deterministic half of admission: what one verified event does to the log, by the log alone (no clock, no policy),
 * so that any copy of the log comes to the same state. NIP-01 replacement, NIP-09 deletion, NIP-62 vanishing.
 */
export function apply(state: LogState, event: NostrEvent): Outcome {
  const known = state.seqOf(event.id)
  if (known !== undefined) return { status: 'duplicate', seq: known }
  if (isDeleted(state, event)) return refused(REASONS.deleted)
  if (hasVanished(state, event)) return refused(REASONS.vanished)
  // A stranger's key costs nothing to make: what there is nothing to do for leaves nothing behind.
  if (event.kind === VANISH && !state.concerns(event.pubkey, event.created_at)) return { status: 'unneeded' }
  const address = addressOf(event)
  if (address !== undefined) {
    const upTo = state.deletedUpTo(address)
    if (upTo !== undefined && event.created_at <= upTo) return refused(REASONS.deleted)
    const mark = state.mark(address)
    if (mark !== undefined && !supersedes(event, mark)) return refused(REASONS.outdated)
  }
  const before = address === undefined ? undefined : state.holder(address)
  // An address holds one event: the old one leaves first, its removal is logged after the new one's seq.
  const seq = state.put(event, address)
  if (address !== undefined) state.setMark(address, event)
  if (before !== undefined) state.remove(before, address, 'replaced')
  if (event.kind === DELETION) applyDeletion(state, event)
  if (event.kind === VANISH) state.vanish(event.pubkey, event.created_at)
  return { status: 'stored', seq }
}

function isDeleted(state: LogState, event: NostrEvent): boolean {
  const keys = event.kind === GIFT_WRAP ? [event.pubkey, ...tagValues(event, 'p')] : [event.pubkey]
  return keys.some(key => mayDelete(key, event) && state.isDeleted(event.id, key))
}

function hasVanished(state: LogState, event: NostrEvent): boolean {
  const parties = event.kind === GIFT_WRAP ? [event.pubkey, ...tagValues(event, 'p')] : [event.pubkey]
  return parties.some(party => vanishes(event, party, state.vanishedUpTo(party) ?? -1))
}

/** Only the author's own events, never another kind 5; targets that have not come yet are remembered. */
function applyDeletion(state: LogState, deletion: NostrEvent): void {
  for (const [name, value] of deletion.tags) {
    if (value === undefined) continue
    if (name === 'e' && isHex64(value)) {
      state.setDeleted(value, deletion.pubkey)
      const target = state.find(value)
      if (target !== undefined && mayDelete(deletion.pubkey, target)) removeNamed(state, target, deletion)
    } else if (name === 'a') {
      const address = ownAddress(value, deletion.pubkey)
      if (address === undefined) continue
      const upTo = state.deletedUpTo(address)
      if (upTo === undefined || upTo < deletion.created_at) state.setDeletedUpTo(address, deletion.created_at)
      const target = state.holder(address)
      if (target !== undefined && target.created_at <= deletion.created_at) state.remove(target, address, 'deleted')
    }
  }
}

/**
 * What was there before the deletion does not come back. But a version dated after it (its author's clock was ahead) holds the address no
 * longer: its author may go on with dates that are right.
 */
function removeNamed(state: LogState, target: NostrEvent, deletion: NostrEvent): void {
  const address = addressOf(target)
  state.remove(target, address, 'deleted')
  if (address === undefined || target.created_at <= deletion.created_at) return
  if (state.mark(address)?.id === target.id) state.setMark(address, deletion)
}

/** The author; of a gift wrap, whose author is a throwaway key, the recipient. Kind 5 and 62 cannot be undone. */
const mayDelete = (key: string, target: NostrEvent): boolean =>
  target.kind !== DELETION &&
  target.kind !== VANISH &&
  (target.pubkey === key || (target.kind === GIFT_WRAP && tagValues(target, 'p').includes(key)))

/** The address of an `a` tag if it is of a replaceable or addressable kind and of this author. */
export function ownAddress(value: string, author: string): string | undefined {
  const match = /^(\d{1,5}):([0-9a-f]{64}):([\s\S]*)$/.exec(value)
  if (match === null || match[2] !== author) return undefined
  const kind = Number(match[1])
  const d = match[3] ?? ''
  switch (kindClass(kind)) {
    case 'replaceable':
      return d === '' ? `${kind}:${author}:` : undefined
    case 'addressable':
      return `${kind}:${author}:${d}`
    default:
      return undefined
  }
}

const refused = (reason: string): Outcome => ({ status: 'refused', reason })
