import { onAbort } from '../../platform/on-abort.ts'
import type { Timers } from '../../platform/timers.ts'
import type { NostrEvent } from '../../protocol/event.ts'
import type { FilterJson } from '../../protocol/filter.ts'
import type { EoseHints } from '../../protocol/hints.ts'
import { WIRE_LIMITS } from '../../protocol/wire-limits.ts'
import { RelayRefusedError, RelayUnreachableError } from '../errors.ts'
import type { RelayClient } from './client.ts'
import { readPlain } from './plain-pages.ts'
import { type Doubt, OVER, pageOf } from './plain-reading.ts'

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

/** What one relay listed. */
export interface Listing {
  /** Events that did not verify, or were not asked for. */
  readonly invalid: number
  /** Why it may have more than it gave, as far as that is so. */
  readonly partial: string | undefined
}

/** Adds the ids of all events that match, page by page; NIP-67 where the relay knows it. `now`: seconds since 1970. */
export async function listIds(
  client: Pick<RelayClient, 'url' | 'request'>,
  filter: FilterJson,
  ids: Set<string>,
  { now, ...patience }: Patience & { readonly now: number },
): Promise<Listing> {
  const { limit: wanted = Number.POSITIVE_INFINITY, ...conditions } = filter
  const found: NostrEvent[] = []
  let invalid = 0
  const isEnough = () => found.length >= wanted
  const end = (doubt?: Doubt): Listing => {
    // A limit is about the newest.
    found.sort((a, b) => b.created_at - a.created_at || (a.id < b.id ? -1 : 1))
    for (const { id } of found.slice(0, wanted)) ids.add(id)
    return { invalid, partial: isEnough() ? undefined : doubt?.reason }
  }
  try {
    return end(
      await readPlain(conditions, {
        now,
        limit: Math.min(PAGE, wanted),
        isOver: isEnough,
        take: events => void found.push(...events),
        async ask(question) {
          const { events, hints, invalid: more } = await fetchStored(client, question, patience)
          invalid += more
          return pageOf(events, more, hints.complete === 'finish')
        },
      }),
    )
  } catch (error) {
    if (error !== OVER) throw error
    return end()
  }
}
