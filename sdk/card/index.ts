import { type Clock, seconds } from '../../platform/clock.ts'
import type { Timers } from '../../platform/timers.ts'
import { encodeEvent, type NostrEvent } from '../../protocol/event.ts'
import { AGENT_CARD, supersedes } from '../../protocol/kinds.ts'
import { CardError } from '../errors.ts'
import type { Signer } from '../identity/signer.ts'
import type { Line } from '../link/line.ts'
import type { Lines } from '../link/lines.ts'
import type { Shelf } from '../shelf.ts'
import { CARD_SHELF, type CardDraft, checkDraft, keptCard } from './kept.ts'
import { type CardSearch, createCardSearch } from './search.ts'
import { type AgentCard, CARD_VERSION, parseCard, skillTags } from './shape.ts'

export type { FoundCard } from './found.ts'
export type { CardDraft } from './kept.ts'
export type { CardQuery } from './search.ts'

export interface AgentCards extends CardSearch {
  /** This agent's card. */
  readonly own: AgentCard | undefined
  /** Replaces it: kept here, and published to every relay as it is reached. Rejects with CardError. */
  set(draft: CardDraft): Promise<AgentCard>
}

export interface CardsOptions {
  readonly name: string
  readonly lines: Lines
  readonly signer: Signer
  readonly clock: Clock
  readonly timers: Timers
  readonly shelf: Shelf
  /** Publish a minimal card where there is none yet. */
  readonly present: boolean
  resolve(who: string): string
}

export function createCards(options: CardsOptions): AgentCards & { close(): void } {
  const { lines, signer, clock, shelf } = options
  const search = createCardSearch(options)
  let mine = keptCard(shelf, signer.pubkey)?.event
  const unfollow = lines.each(line => line.follow({ onOpen: () => void arrive(line).catch(() => {}) }))

  /** At each connection: whichever is newer, ours or the relay's, is then known to both. */
  async function arrive(line: Line): Promise<void> {
    if (!mine && !options.present) return
    const known = await search.collect([line], { kinds: [AGENT_CARD], authors: [signer.pubkey], limit: 1 })
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
    shelf.write(CARD_SHELF, encodeEvent(event))
  }

  async function sign(draft: CardDraft): Promise<NostrEvent> {
    const before = mine && parseCard(mine.content)
    const owner = { name: options.name, pubkey: signer.pubkey, relays: lines.all.map(({ url }) => url) }
    const card = checkDraft(owner, before?.ok ? before.value : undefined, draft)
    return signer.sign({
      kind: AGENT_CARD,
      created_at: Math.max(seconds(clock), (mine?.created_at ?? 0) + 1),
      tags: [['v', CARD_VERSION], ...skillTags(card).map(tag => ['t', tag])],
      content: JSON.stringify(card),
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
      await Promise.all(lines.all.filter(line => line.isOpen).map(line => line.publish(event)))
      const card = parseCard(event.content)
      if (!card.ok) throw new CardError(card.error)
      return card.value
    },
    get: search.get,
    find: search.find,
    close() {
      unfollow()
    },
  }
}
