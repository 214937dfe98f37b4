import type { NostrEvent } from '../../protocol/event.ts'
import type { FilterJson } from '../../protocol/filter.ts'
import type { DiscoveryStatus, Host } from '../api.ts'
import type { Answer } from '../link/ask.ts'
import type { Authenticate } from '../link/authenticator.ts'
import type { PublishOutcome } from '../link/questions.ts'
import { createErrand, type Errand } from './errand.ts'
import { LIST_KINDS } from './lists.ts'

/** Mail to somebody of whom the agent's own relays know nothing waits so long for these. What comes later is used as well. */
const WAIT_MS = 4_000
/** Lists taken from one answer: two are asked for. */
const MAX_ANSWERS = 20

export interface DiscoveryOptions extends Pick<Host, 'clock' | 'timers' | 'random' | 'verifier' | 'dial'> {
  /** Normalised, at most four. */
  readonly discovery?: readonly string[] | undefined
  /** The agent's own relays, which are asked anyway; one may be added. */
  readonly own: readonly string[]
  readonly authenticate?: Authenticate | undefined
  /** Verified lists of that key. */
  onFound(pubkey: string, lists: readonly NostrEvent[]): void
  /** What `statuses` says changed. */
  onChange(): void
}

/** A relay as it is needed to publish relay lists. */
export interface Place {
  readonly url: string
  ask(filter: FilterJson, max: number): Promise<Answer>
  publish(event: NostrEvent): Promise<PublishOutcome>
}

/**
 * Relays where relay lists and cards are looked for, and the own lists are published; nothing else. Connected to when they are needed,
 * hung up soon after. Loaded when first needed.
 */
export interface Discovery {
  /** Relay lists of that key. Resolves once all have answered, after four seconds at the latest; never rejects. */
  ask(pubkey: string): Promise<{ readonly events: readonly NostrEvent[]; readonly complete: boolean }>
  /** Events of any kind; the same way. */
  find(filter: FilterJson): Promise<readonly NostrEvent[]>
  /** Where the own lists may be published. */
  places(): readonly Place[]
  statuses(): readonly DiscoveryStatus[]
  close(): Promise<void>
}

export function createDiscovery({ own, ...options }: DiscoveryOptions): Discovery {
  const { timers } = options
  const errands = (options.discovery ?? []).map(url => createErrand(url, options))
  /** Relays that let something wait too long: nothing else waits for them until they have answered that. */
  const overdue = new Set<Errand>()
  const others = (): readonly Errand[] => errands.filter(({ url }) => !own.includes(url))

  function all(filter: FilterJson, onEvents: (events: readonly NostrEvent[]) => void): Promise<boolean> {
    const asked = others()
    const prompt = asked.filter(errand => !overdue.has(errand))
    const answers = asked.map(async errand => {
      const { events, complete } = await errand.ask(filter, MAX_ANSWERS)
      overdue.delete(errand)
      pending.delete(errand)
      if (events.length > 0) onEvents(events)
      return complete
    })
    const pending = new Set(prompt)
    return new Promise(resolve => {
      const late = () => {
        for (const errand of pending) overdue.add(errand)
        resolve(false)
      }
      const cancel = timers.after(WAIT_MS, late)
      const awaited = answers.filter((_, index) => prompt.includes(asked[index] as Errand))
      void Promise.all(awaited).then(complete => {
        cancel()
        resolve(prompt.length === asked.length && complete.every(Boolean))
      })
    })
  }

  return {
    async ask(pubkey) {
      const found: NostrEvent[] = []
      const complete = await all({ kinds: [...LIST_KINDS], authors: [pubkey] }, events => {
        found.push(...events)
        options.onFound(pubkey, events)
      })
      return { events: [...found], complete }
    },
    async find(filter) {
      const found: NostrEvent[] = []
      await all(filter, events => void found.push(...events))
      return [...found]
    },
    places: others,
    statuses: () => errands.map(({ url, error }) => Object.freeze({ url, ...(error === undefined ? {} : { error }) })),
    async close() {
      await Promise.all(errands.map(errand => errand.close()))
    },
  }
}
