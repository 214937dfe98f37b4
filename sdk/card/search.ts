import type { Cancel, Timers } from '../../platform/timers.ts'
import type { NostrEvent } from '../../protocol/event.ts'
import type { FilterJson } from '../../protocol/filter.ts'
import { AGENT_CARD, supersedes } from '../../protocol/kinds.ts'
import type { Line } from '../link/line.ts'
import type { Lines } from '../link/lines.ts'
import type { Discovery } from '../relays/discovery.ts'
import { findCards } from './find.ts'
import { type FoundCard, foundOf } from './found.ts'
import { parseCard } from './shape.ts'

export interface CardQuery {
  readonly skill?: string
  readonly text?: string
  /** Default 100. */
  readonly limit?: number
  /** ms, default 5,000; what came until then is the answer. */
  readonly timeoutMs?: number
}

/** Finding the cards of others. */
export interface CardSearch {
  /** Another agent's, from the connected relays, else from those where others are looked for. */
  get(who: string): Promise<FoundCard | undefined>
  /** Cards at the connected relays: `skill` is an id or tag of a skill, `text` words that all occur. Newest first, one per agent. */
  find(query?: CardQuery): Promise<readonly FoundCard[]>
}

export interface CardSearchOptions {
  readonly lines: Lines
  readonly timers: Timers
  resolve(who: string): string
  /** Where others are looked for, if they are anywhere but at the lines. */
  readonly discover?: (() => Promise<Discovery>) | undefined
}

interface Collected {
  /** The newest card of each author. */
  readonly cards: ReadonlyMap<string, NostrEvent>
  /** Every relay told all it had. */
  readonly complete: boolean
}

/** Asks lines for cards, at most `ms`. */
export type Collect = (from: readonly Line[], filter: FilterJson, ms?: number) => Promise<Collected>

const PATIENCE_MS = 5_000
/** Cards held while a search runs; a relay that has more is asked more narrowly. */
const MAX_FOUND = 2_000

export function createCardSearch({
  lines,
  timers,
  resolve,
  discover,
}: CardSearchOptions): CardSearch & { collect: Collect } {
  /** The newest card of each author; resolves when every relay has told what it has, or time is over. */
  function collect(from: readonly Line[], filter: FilterJson, ms = PATIENCE_MS): Promise<Collected> {
    const found = new Map<string, NostrEvent>()
    let told = 0
    const open = from.filter(line => line.isOpen)
    return new Promise(resolve => {
      let left = open.length
      const stops: Cancel[] = []
      const end = () => {
        cancel()
        for (const stop of stops) stop()
        resolve({ cards: found, complete: told === from.length })
      }
      const cancel = timers.after(left === 0 ? 0 : ms, end)
      for (const line of open) {
        let over = false
        const done = () => {
          if (over) return
          over = true
          left -= 1
          if (left === 0) end()
        }
        stops.push(
          line.watch([filter], {
            onEvent(event) {
              const before = found.get(event.pubkey)
              if (before ? !supersedes(event, before) : found.size >= MAX_FOUND) return
              if (parseCard(event.content).ok) found.set(event.pubkey, event)
            },
            onLive() {
              told += 1
              done()
            },
            onEnd: done,
          }),
        )
      }
    })
  }

  /** The newest that the relays have where others are looked for. */
  async function elsewhere(filter: FilterJson): Promise<NostrEvent | undefined> {
    const events = (await (await discover?.())?.find(filter)) ?? []
    return events
      .filter(({ content }) => parseCard(content).ok)
      .reduce<NostrEvent | undefined>((best, event) => (best && !supersedes(event, best) ? best : event), undefined)
  }

  return {
    collect,
    async get(who) {
      const author = resolve(who)
      const filter = { kinds: [AGENT_CARD], authors: [author], limit: 1 }
      const card = (await collect(lines.all, filter)).cards.get(author)
      return foundOf(card ?? (await elsewhere(filter)))
    },
    find: query => findCards(collect, lines, query),
  }
}
