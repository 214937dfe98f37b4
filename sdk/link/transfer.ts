import { sleep, type Timers } from '../../platform/timers.ts'
import type { NostrEvent } from '../../protocol/event.ts'
import type { FilterJson } from '../../protocol/filter.ts'
import { isOutdated, parseReason } from '../../protocol/reasons.ts'
import type { PublishResult, RelayClient } from './client.ts'
import { fetchStored, type Patience } from './list-ids.ts'

/** What became of events copied from one relay to another. */
export interface Transfer {
  /** Accepted as new. */
  readonly sent: number
  /** Known there already, or a newer version of the same address is. */
  readonly duplicates: number
  readonly refused: number
  /** Served by the source with a wrong id or signature, or not asked for: not passed on. */
  readonly invalid: number
  /** Named by the source, but not served. */
  readonly unserved: number
  /** The target's words, with how often they fell. */
  readonly reasons: ReadonlyMap<string, number>
}

export interface TransferOptions extends Patience {
  onProgress?(done: number): void
}

/** Ids per REQ: their events fit what a client holds, and one round trip is spread over many. */
const CHUNK = 100
/** Waits of a relay that says `rate-limited`, ms; then its refusal counts. */
const PATIENCE_MS = [1_000, 2_000, 4_000, 8_000, 15_000] as const

/** Copies events by id, each verified before it is passed on. `filter` is what they must match besides. */
export async function transfer(
  from: RelayClient,
  to: RelayClient,
  ids: Iterable<string>,
  filter: FilterJson,
  options: TransferOptions,
): Promise<Transfer> {
  const { timers, signal, onProgress } = options
  const { limit: _limit, search: _search, ...conditions } = filter
  const all = [...ids]
  const reasons = new Map<string, number>()
  const total = { sent: 0, duplicates: 0, refused: 0, invalid: 0, unserved: 0 }
  for (let at = 0; at < all.length; at += CHUNK) {
    signal?.throwIfAborted()
    const chunk = all.slice(at, at + CHUNK)
    const { events, invalid } = await fetchStored(from, { ...conditions, ids: chunk, limit: CHUNK }, options)
    const unique = new Map(events.map(event => [event.id, event]))
    total.invalid += invalid
    total.unserved += Math.max(0, chunk.length - unique.size - invalid)
    // Oldest first, so that the versions of an address arrive in their order.
    const ordered = [...unique.values()].sort((a, b) => a.created_at - b.created_at)
    for (const { accepted, message } of await Promise.all(ordered.map(event => publish(to, event, timers, signal)))) {
      if (!accepted && isOutdated(message)) total.duplicates += 1
      else if (!accepted) {
        total.refused += 1
        reasons.set(message, (reasons.get(message) ?? 0) + 1)
      } else if (parseReason(message).prefix === 'duplicate') total.duplicates += 1
      else total.sent += 1
    }
    onProgress?.(Math.min(all.length, at + CHUNK))
  }
  return { ...total, reasons }
}

async function publish(
  to: RelayClient,
  event: NostrEvent,
  timers: Timers,
  signal?: AbortSignal,
): Promise<PublishResult> {
  for (const wait of PATIENCE_MS) {
    const result = await to.publish(event)
    if (result.accepted || parseReason(result.message).prefix !== 'rate-limited') return result
    await sleep(timers, wait, signal)
    signal?.throwIfAborted()
  }
  return to.publish(event)
}
