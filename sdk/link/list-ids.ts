import { onAbort } from '../../platform/on-abort.ts'
import type { Timers } from '../../platform/timers.ts'
import type { NostrEvent } from '../../protocol/event.ts'
import type { FilterJson } from '../../protocol/filter.ts'
import type { EoseHints } from '../../protocol/hints.ts'
import { WIRE_LIMITS } from '../../protocol/wire-limits.ts'
import { RelayRefusedError, RelayUnreachableError } from '../errors.ts'
import type { RelayClient } from './client.ts'

const PAGE = WIRE_LIMITS.page

export interface Patience {
  readonly timers: Timers
  /** Silence of a relay that is waited out, ms. */
  readonly timeoutMs: number
  readonly signal?: AbortSignal
}

/**
 * One REQ up to its EOSE. `invalid`: events that did not verify or were not asked for; they are left out. Rejects with
 * RelayRefusedError on CLOSED, RelayUnreachableError after too long a silence.
 */
export function fetchStored(
  client: Pick<RelayClient, 'url' | 'request'>,
  filter: FilterJson,
  { timers, timeoutMs, signal }: Patience,
): Promise<{ events: NostrEvent[]; hints: EoseHints; invalid: number }> {
  return new Promise((resolve, reject) => {
    const events: NostrEvent[] = []
    const watch = () =>
      timers.after(timeoutMs, () => {
        end()
        reject(new RelayUnreachableError(client.url, `nothing came for ${timeoutMs} ms`))
      })
    let cancel = watch()
    const end = () => {
      cancel()
      stopListening?.()
      request.close()
    }
    const stopListening =
      signal &&
      onAbort(signal, () => {
        end()
        reject(signal.reason)
      })
    const request = client.request([filter], {
      onEvent(event) {
        events.push(event)
        cancel()
        cancel = watch()
      },
      onEose(hints) {
        end()
        resolve({ events, hints, invalid: request.invalid })
      },
      onClosed(why) {
        end()
        reject(new RelayRefusedError(client.url, why))
      },
    })
  })
}

/**
 * Adds the ids of all events that match, page by page back in time (NIP-67 where the relay knows it). May miss what shares a
 * second with more events than a page of that relay holds. Resolves to the number of invalid events met.
 */
export async function listIds(
  client: Pick<RelayClient, 'url' | 'request'>,
  filter: FilterJson,
  ids: Set<string>,
  patience: Patience,
): Promise<number> {
  const wanted = filter.limit ?? Number.POSITIVE_INFINITY
  let until = filter.until
  let invalid = 0
  while (ids.size < wanted) {
    const limit = Math.min(PAGE, wanted - ids.size)
    const page = await fetchStored(client, { ...filter, limit, ...(until === undefined ? {} : { until }) }, patience)
    invalid += page.invalid
    const before = ids.size
    let oldest = Number.POSITIVE_INFINITY
    for (const { id, created_at } of page.events) {
      ids.add(id)
      oldest = Math.min(oldest, created_at)
    }
    // Without the hint only an empty page proves the end: some relays cap pages far below our limit.
    if (page.hints.complete === 'finish' || page.events.length === 0) break
    until = ids.size > before ? oldest : oldest - 1
    if (until < (filter.since ?? 0)) break
  }
  return invalid
}
