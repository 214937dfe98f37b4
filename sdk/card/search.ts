import type { Cancel, Timers } from '../../platform/timers.ts'
import type { NostrEvent } from '../../protocol/event.ts'
import type { FilterJson } from '../../protocol/filter.ts'
import { AGENT_CARD, supersedes } from '../../protocol/kinds.ts'
import type { Line } from '../link/line.ts'
import type { Lines } from '../link/lines.ts'
import { npubOf } from '../sending/recipient.ts'
import { type AgentCard, mentions, parseCard, skillTags } from './shape.ts'

/** A card as it was found: verified, its author's word. */
export interface FoundCard {
  /** 64 hex. */
  readonly pubkey: string
  readonly npub: string
  readonly card: AgentCard
  /** The author's clock, seconds since 1970. */
  readonly at: number
}

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
  /** Another agent's, from the connected relays. */
  get(who: string): Promise<FoundCard | undefined>
  /** Cards at the connected relays: `skill` is an id or tag of a skill, `text` words that all occur. Newest first, one per agent. */
  find(query?: CardQuery): Promise<readonly FoundCard[]>
}

export interface CardSearchOptions {
  readonly lines: Lines
  readonly timers: Timers
  resolve(who: string): string
}

interface Collected {
  /** The newest card of each author. */
  readonly cards: ReadonlyMap<string, NostrEvent>
  /** Every relay told all it had. */
  readonly complete: boolean
}

const PATIENCE_MS = 5_000
/** Cards held while a search runs; a relay that has more is asked more narrowly. */
const MAX_FOUND = 2_000
const PAGE = 500

export function createCardSearch({ lines, timers, resolve }: CardSearchOptions): CardSearch & {
  collect(from: readonly Line[], filter: FilterJson, ms?: number): Promise<Collected>
} {
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

  return {
    collect,
    async get(who) {
      const author = resolve(who)
      const found = await collect(lines.all, { kinds: [AGENT_CARD], authors: [author], limit: 1 })
      return foundOf(found.cards.get(author))
    },
    async find({ skill, text = '', limit = 100, timeoutMs = PATIENCE_MS } = {}) {
      const tag = skill?.toLowerCase()
      const filter = { kinds: [AGENT_CARD], limit: PAGE, ...(tag === undefined ? {} : { '#t': [tag] }) }
      const { cards } = await collect(lines.all, filter, timeoutMs)
      const found = [...cards.values()]
        .sort((a, b) => b.created_at - a.created_at || (a.id < b.id ? -1 : 1))
        .flatMap(event => foundOf(event) ?? [])
        .filter(({ card }) => tag === undefined || skillTags(card).includes(tag))
        .filter(({ card }) => text.trim() === '' || mentions(card, text.trim()))
      return found.slice(0, limit)
    },
  }
}

function foundOf(event: NostrEvent | undefined): FoundCard | undefined {
  const card = event && parseCard(event.content)
  if (!event || !card?.ok) return undefined
  return Object.freeze({ pubkey: event.pubkey, npub: npubOf(event.pubkey), card: card.value, at: event.created_at })
}
