import type { FilterJson } from '../../protocol/filter.ts'
import { bytesToHex, hexToBytes } from '../../protocol/hex.ts'
import {
  type Bound,
  compareBounds,
  decodeMessage,
  END,
  FINGERPRINT_BYTES,
  ID_BYTES,
  MessageWriter,
  type Range,
  START,
} from '../../protocol/negentropy/index.ts'
import { parseReason } from '../../protocol/reasons.ts'
import { RelayRefusedError } from '../errors.ts'
import type { Negotiation, RelayClient } from './client.ts'
import { listIds, type Patience } from './list-ids.ts'

/** What each of two relays lacks of the other. */
export interface Difference {
  /** Ids that only the first has. */
  readonly first: ReadonlySet<string>
  readonly second: ReadonlySet<string>
  /** `paging`: at least one of them does not speak NIP-77 for this filter, so whole events were listed on both. */
  readonly by: 'negentropy' | 'paging'
  /** Events that did not verify, or were not asked for, while paging. */
  readonly invalid: number
  /** Relays that may have more than they listed while paging, and why. */
  readonly partial: readonly { readonly url: string; readonly reason: string }[]
}

/** One of two that are compared: a relay, or what we hold ourselves. */
export type Side = Pick<RelayClient, 'url' | 'negotiate' | 'request'>

export interface ReconcileOptions extends Patience {
  /** Seconds; where a search for smaller windows of time ends. */
  readonly now: number
  /** More ids than this from one side are not believed. Default 5,000,000. */
  readonly maxIds?: number
  /** Told after each exchange: ids known so far to be on one side only. */
  onProgress?(known: number): void
}

/** A relay that never agrees is given up; at 60 KB a message that is 600 MB. */
const MAX_ROUNDS = 10_000
const MAX_IDS = 5_000_000

/**
 * Finds what two relays lack of each other, without holding either's events: the relays answer each other's negentropy messages
 * (NIP-77) through us, and we read along. Where a relay has too much for one reconciliation, time is halved; where one does not
 * speak it, both are paged through by created_at. May name an id that both have (a copy then is a duplicate), never misses one.
 */
export async function reconcile(
  first: Side,
  second: Side,
  filter: FilterJson,
  options: ReconcileOptions,
): Promise<Difference> {
  const onFirst = new Set<string>()
  const onSecond = new Set<string>()
  let by: Difference['by'] = 'negentropy'
  let invalid = 0
  const partial = new Map<string, string>()
  const windows: FilterJson[] = [filter]
  for (let window = windows.pop(); window !== undefined; window = windows.pop()) {
    options.signal?.throwIfAborted()
    const sides = [new Set<string>(), new Set<string>()] as const
    try {
      await negotiate([first, second], window, sides, options, onFirst.size + onSecond.size)
    } catch (error) {
      if (!(error instanceof RelayRefusedError)) throw error
      const { prefix } = parseReason(error.reason)
      if (prefix === 'auth-required' || prefix === 'restricted') throw error
      const halves = prefix === 'blocked' ? halve(window, options.now) : undefined
      if (halves !== undefined) {
        windows.push(...halves)
        continue
      }
      by = 'paging'
      for (const side of sides) side.clear()
      for (const [index, client] of [first, second].entries()) {
        const listing = await listIds(client, window, sides[index] ?? new Set(), options)
        invalid += listing.invalid
        if (listing.partial !== undefined) partial.set(client.url, listing.partial)
      }
    }
    for (const id of sides[0]) if (!sides[1].has(id)) onFirst.add(id)
    for (const id of sides[1]) if (!sides[0].has(id)) onSecond.add(id)
  }
  return {
    first: onFirst,
    second: onSecond,
    by,
    invalid,
    partial: [...partial].map(([url, reason]) => ({ url, reason })),
  }
}

/** Two windows of time in place of one; undefined if it cannot be cut. A limit counts over the whole. */
function halve(filter: FilterJson, now: number): FilterJson[] | undefined {
  const { since = 0, until } = filter
  const middle = Math.floor((since + (until ?? now)) / 2)
  if (filter.limit !== undefined || middle < since || middle >= (until ?? now)) return undefined
  return [
    { ...filter, since, until: middle },
    { ...filter, since: middle + 1 },
  ]
}

interface Listed {
  readonly lower: Bound
  readonly upper: Bound
}

/** Carries messages to and fro until nothing is left to tell; fills the ids that either side listed. */
async function negotiate(
  clients: readonly [Side, Side],
  filter: FilterJson,
  sides: readonly [Set<string>, Set<string>],
  { signal, onProgress, maxIds = MAX_IDS }: ReconcileOptions,
  before: number,
): Promise<void> {
  const sessions: readonly [Negotiation, Negotiation] = [clients[0].negotiate(filter), clients[1].negotiate(filter)]
  try {
    // No set has this fingerprint, so the first side tells how it looks.
    const opening = new MessageWriter()
    opening.add({ mode: 'fingerprint', upper: END, fingerprint: new Uint8Array(FINGERPRINT_BYTES) })
    let message: Uint8Array | undefined = opening.finish()
    let listed: Listed[] = []
    for (let round = 0; message !== undefined; round += 1) {
      signal?.throwIfAborted()
      const turn = round % 2 === 0 ? 0 : 1
      const { url } = clients[turn]
      const answer = decodeMessage(hexToBytes(await sessions[turn].ask(bytesToHex(message))))
      if (!answer.ok || round > MAX_ROUNDS || sides[turn].size > maxIds)
        throw new RelayRefusedError(url, 'error: its reconciliation (NIP-77) does not come to an end')
      const next = forward(answer.value, listed, sides[turn])
      message = next.message
      listed = next.listed
      onProgress?.(before + Math.abs(sides[0].size - sides[1].size))
    }
  } finally {
    for (const session of sessions) session.close()
  }
}

/** What the other side must see of an answer: all but the lists that only answer its own. Undefined if nothing is left. */
function forward(
  ranges: readonly Range[],
  asked: readonly Listed[],
  ids: Set<string>,
): { message: Uint8Array | undefined; listed: Listed[] } {
  const out = new MessageWriter()
  const listed: Listed[] = []
  let lower = START
  let skipped: Bound | undefined
  for (const range of ranges) {
    const { upper } = range
    let settled = range.mode === 'skip'
    if (range.mode === 'ids') {
      for (let at = 0; at < range.ids.length; at += ID_BYTES) ids.add(bytesToHex(range.ids.subarray(at, at + ID_BYTES)))
      settled = asked.some(one => compareBounds(one.lower, lower) <= 0 && compareBounds(upper, one.upper) <= 0)
      if (!settled) listed.push({ lower, upper })
    }
    if (settled) skipped = upper
    else {
      if (skipped !== undefined) out.add({ mode: 'skip', upper: skipped })
      skipped = undefined
      out.add(range)
    }
    lower = upper
  }
  return { message: out.isEmpty ? undefined : out.finish(), listed }
}
