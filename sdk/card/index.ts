import { type Clock, seconds } from '../../platform/clock.ts'
import type { Cancel, Timers } from '../../platform/timers.ts'
import { encodeEvent, type NostrEvent, parseEvent } from '../../protocol/event.ts'
import type { FilterJson } from '../../protocol/filter.ts'
import { parseJson } from '../../protocol/json.ts'
import { AGENT_CARD, supersedes } from '../../protocol/kinds.ts'
import { verifyEvent } from '../../protocol/signature.ts'
import { CardError } from '../errors.ts'
import type { Signer } from '../identity/signer.ts'
import type { Line } from '../link/line.ts'
import { npubOf } from '../recipient.ts'
import type { Shelf } from '../shelf.ts'
import { type AgentCard, CARD_VERSION, mentions, parseCard, skillTags } from './shape.ts'

/** A card as it was found: verified, its author's word. */
export interface FoundCard {
  /** 64 hex. */
  readonly pubkey: string
  readonly npub: string
  readonly card: AgentCard
  /** The author's clock, seconds since 1970. */
  readonly at: number
}

/** What may be left out when setting a card: it is filled in from what is known. */
export type CardDraft = Partial<AgentCard>

export interface AgentCards {
  /** This agent's card. */
  readonly own: AgentCard | undefined
  /** Replaces it: kept here, and published to every relay as it is reached. Rejects with CardError. */
  set(draft: CardDraft): Promise<AgentCard>
  /** Another agent's, from the connected relays. */
  get(who: string): Promise<FoundCard | undefined>
  /** Cards at the connected relays: `skill` is an id or tag of a skill, `text` words that all occur. Newest first, one per agent. */
  find(query?: CardQuery): Promise<readonly FoundCard[]>
}

export interface CardQuery {
  readonly skill?: string
  readonly text?: string
  /** Default 100. */
  readonly limit?: number
  /** ms, default 5,000; what came until then is the answer. */
  readonly timeoutMs?: number
}

export interface CardsOptions {
  readonly name: string
  readonly lines: readonly Line[]
  readonly signer: Signer
  readonly clock: Clock
  readonly timers: Timers
  readonly shelf: Shelf
  /** Publish a minimal card where there is none yet. */
  readonly present: boolean
  resolve(who: string): string
}

interface Collected {
  /** The newest card of each author. */
  readonly cards: ReadonlyMap<string, NostrEvent>
  /** Every relay told all it had. */
  readonly complete: boolean
}

/** How messages of this protocol are named among A2A's protocol bindings. */
export const NOSTR_BINDING = 'urn:nostr:kind:4700'
const SHELF = 'card'
const PATIENCE_MS = 5_000
/** Cards held while a search runs; a relay that has more is asked more narrowly. */
const MAX_FOUND = 2_000
const PAGE = 500

export function createCards(options: CardsOptions): AgentCards & { close(): void } {
  const { lines, signer, clock, timers, shelf } = options
  let mine = keptOf(shelf, signer.pubkey)
  const unfollow = lines.map(line => line.follow({ onOpen: () => void arrive(line).catch(() => {}) }))

  /** At each connection: whichever is newer, ours or the relay's, is then known to both. */
  async function arrive(line: Line): Promise<void> {
    if (!mine && !options.present) return
    const known = await collect([line], { kinds: [AGENT_CARD], authors: [signer.pubkey], limit: 1 }, PATIENCE_MS)
    // What another program of this key may have set is not overwritten unseen.
    if (!known.complete) return
    const theirs = known.cards.get(signer.pubkey)
    if (theirs && (!mine || supersedes(theirs, mine))) keep(theirs)
    if (!mine && options.present) {
      const first = await sign({})
      // Unless one was set meanwhile.
      if (!mine) keep(first)
    }
    if (mine && theirs?.id !== mine.id) await line.publish(mine)
  }

  function keep(event: NostrEvent): void {
    mine = event
    shelf.write(SHELF, encodeEvent(event))
  }

  async function sign(draft: CardDraft): Promise<NostrEvent> {
    const before = mine && parseCard(mine.content)
    const content = JSON.stringify({ ...minimal(options), ...(before?.ok ? before.value : {}), ...draft })
    const card = parseCard(content)
    if (!card.ok) throw new CardError(`${card.error}.`)
    return signer.sign({
      kind: AGENT_CARD,
      created_at: Math.max(seconds(clock), (mine?.created_at ?? 0) + 1),
      tags: [['v', CARD_VERSION], ...skillTags(card.value).map(tag => ['t', tag])],
      content: JSON.stringify(card.value),
    })
  }

  /** The newest card of each author; resolves when every relay has told what it has, or time is over. */
  function collect(from: readonly Line[], filter: FilterJson, ms: number): Promise<Collected> {
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
    get own() {
      const card = mine && parseCard(mine.content)
      return card?.ok ? card.value : undefined
    },
    async set(draft) {
      const event = await sign(draft)
      keep(event)
      await Promise.all(lines.filter(line => line.isOpen).map(line => line.publish(event)))
      const card = parseCard(event.content)
      if (!card.ok) throw new CardError(card.error)
      return card.value
    },
    async get(who) {
      const author = options.resolve(who)
      const found = await collect(lines, { kinds: [AGENT_CARD], authors: [author], limit: 1 }, PATIENCE_MS)
      return foundOf(found.cards.get(author))
    },
    async find({ skill, text = '', limit = 100, timeoutMs = PATIENCE_MS } = {}) {
      const tag = skill?.toLowerCase()
      const filter = { kinds: [AGENT_CARD], limit: PAGE, ...(tag === undefined ? {} : { '#t': [tag] }) }
      const { cards } = await collect(lines, filter, timeoutMs)
      const found = [...cards.values()]
        .sort((a, b) => b.created_at - a.created_at || (a.id < b.id ? -1 : 1))
        .flatMap(event => foundOf(event) ?? [])
        .filter(({ card }) => tag === undefined || skillTags(card).includes(tag))
        .filter(({ card }) => text.trim() === '' || mentions(card, text.trim()))
      return found.slice(0, limit)
    },
    close() {
      for (const stop of unfollow) stop()
    },
  }
}

function foundOf(event: NostrEvent | undefined): FoundCard | undefined {
  const card = event && parseCard(event.content)
  if (!event || !card?.ok) return undefined
  return Object.freeze({ pubkey: event.pubkey, npub: npubOf(event.pubkey), card: card.value, at: event.created_at })
}

const minimal = ({ name, signer, lines }: CardsOptions): AgentCard => ({
  name,
  description: '',
  version: '1',
  supportedInterfaces: lines.map(line => ({
    url: line.url,
    protocolBinding: NOSTR_BINDING,
    protocolVersion: '1',
    tenant: npubOf(signer.pubkey),
  })),
  capabilities: {},
  defaultInputModes: ['text/plain'],
  defaultOutputModes: ['text/plain'],
  skills: [],
})

function keptOf(shelf: Shelf, pubkey: string): NostrEvent | undefined {
  const json = parseJson(shelf.read(SHELF) ?? '')
  const event = json.ok ? parseEvent(json.value) : json
  if (!event.ok || event.value.pubkey !== pubkey || event.value.kind !== AGENT_CARD) return undefined
  return verifyEvent(event.value) ? event.value : undefined
}
