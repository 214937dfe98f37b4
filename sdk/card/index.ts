import { seconds } from '../../platform/clock.ts'
import type { Cancel } from '../../platform/timers.ts'
import { encodeEvent, type NostrEvent } from '../../protocol/event.ts'
import { AGENT_CARD, supersedes } from '../../protocol/kinds.ts'
import { isMisdated, isOutdated } from '../../protocol/reasons.ts'
import { CardError } from '../errors.ts'
import type { Line } from '../link/line.ts'
import type { RelayAnswer } from '../link/relay-answer.ts'
import { dateOf, horizonOf, removalOf } from '../misdated.ts'
import { keepAnswers, keptAnswers } from './answers.ts'
import { type CardDraft, checkDraft } from './draft.ts'
import { keptCard } from './kept.ts'
import { CARD_SHELF } from './kept-event.ts'
import { createCardSearch } from './search.ts'
import { CARD_VERSION, parseCard } from './shape.ts'
import type { AgentCards, CardsOptions } from './types.ts'
import { skillTags } from './words.ts'

export type { CardDraft } from './draft.ts'
export type { FoundCard } from './found.ts'
export type { CardQuery } from './search.ts'
export type { AgentCards } from './types.ts'

/** A relay that does not take the card for its date is asked again so much later, ms. */
const AGAIN_MS = 30_000

const templateOf = ({ kind, tags, content }: NostrEvent) => ({ kind, tags, content })

export function createCards(options: CardsOptions): AgentCards & { close(): void } {
  const { lines, signer, clock, shelf } = options
  const search = createCardSearch(options)
  let mine = keptCard(shelf, signer.pubkey)?.event
  let kept = keptAnswers(shelf)
  let again: Cancel | undefined
  const unfollow = lines.each(line => line.follow({ onOpen: () => void arrive(line).catch(() => {}) }))

  /** At each connection: whichever is newer, ours or the relay's, is then known to both. */
  async function arrive(line: Line): Promise<void> {
    if (!mine && !options.present) return
    const known = await search.collect([line], { kinds: [AGENT_CARD], authors: [signer.pubkey], limit: 1 })
    // What another program of this key may have set is not overwritten unseen.
    if (!known.complete) return
    const theirs = known.cards.get(signer.pubkey)
    const isAhead = (event: NostrEvent) => event.created_at > horizonOf(clock)
    if (theirs && (!mine || (supersedes(theirs, mine) && !isAhead(theirs)))) keep(theirs)
    // By a clock that was ahead: no relay takes it, or what comes after it.
    if (theirs && isAhead(theirs)) await line.publish(await signer.sign(removalOf([theirs], clock)))
    if (mine && isAhead(mine)) keep(await signer.sign({ ...templateOf(mine), created_at: seconds(clock) }))
    if (!mine && options.present) {
      const first = await sign({})
      // Unless one was set meanwhile.
      if (!mine) keep(first)
    }
    if (mine && theirs?.id !== mine.id) await publish(mine, line)
    else if (mine) note(mine, { relay: line.url, accepted: true, message: '' })
  }

  async function publish(event: NostrEvent, line: Line): Promise<void> {
    const { accepted, message } = await line.publish(event)
    note(event, { relay: line.url, accepted, message })
    if (accepted !== false || !(isMisdated(message) || isOutdated(message)) || again) return
    again = options.timers.after(
      AGAIN_MS,
      () => {
        again = undefined
        if (line.isOpen) void arrive(line).catch(() => {})
      },
      { background: true },
    )
  }

  /** Of the newest card alone. */
  function note(event: NostrEvent, answer: RelayAnswer): void {
    if (event.id !== mine?.id) return
    const before = kept?.id === event.id ? kept.answers : []
    const same = before.find(({ relay }) => relay === answer.relay)
    if (same && same.accepted === answer.accepted && same.message === answer.message) return
    kept = { id: event.id, answers: [...before.filter(({ relay }) => relay !== answer.relay), answer] }
    keepAnswers(shelf, kept)
  }

  function keep(event: NostrEvent): void {
    mine = event
    // First: a card without answers would be taken for one of an earlier version.
    kept = { id: event.id, answers: [] }
    keepAnswers(shelf, kept)
    shelf.write(CARD_SHELF, encodeEvent(event))
  }

  async function sign(draft: CardDraft): Promise<NostrEvent> {
    const before = mine && parseCard(mine.content)
    const owner = { name: options.name, pubkey: signer.pubkey, relays: lines.all.map(({ url }) => url) }
    const card = checkDraft(owner, before?.ok ? before.value : undefined, draft)
    return signer.sign({
      kind: AGENT_CARD,
      created_at: Math.max(seconds(clock), dateOf(mine?.created_at ?? 0, clock) + 1),
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
      await Promise.all(lines.all.filter(line => line.isOpen).map(line => publish(event, line)))
      const card = parseCard(event.content)
      if (!card.ok) throw new CardError(card.error)
      return card.value
    },
    answers: async () => (kept !== undefined && kept.id === mine?.id ? kept.answers : []),
    get: search.get,
    find: search.find,
    close() {
      again?.()
      unfollow()
    },
  }
}
