import { AGENT_CARD } from '../../protocol/kinds.ts'
import type { Lines } from '../link/lines.ts'
import { type FoundCard, foundOf } from './found.ts'
import type { CardQuery, Collect } from './search.ts'
import { mentions, skillTags } from './words.ts'

const PAGE = 500

/** Cards at the connected relays that fit the query, newest first, one per agent. */
export async function findCards(
  collect: Collect,
  lines: Lines,
  { skill, text = '', limit = 100, timeoutMs }: CardQuery = {},
): Promise<readonly FoundCard[]> {
  const tag = skill?.toLowerCase()
  const filter = { kinds: [AGENT_CARD], limit: PAGE, ...(tag === undefined ? {} : { '#t': [tag] }) }
  const { cards } = await collect(lines.all, filter, timeoutMs)
  const found = [...cards.values()]
    .sort((a, b) => b.created_at - a.created_at || (a.id < b.id ? -1 : 1))
    .flatMap(event => foundOf(event) ?? [])
    .filter(({ card }) => tag === undefined || skillTags(card).includes(tag))
    .filter(({ card }) => text.trim() === '' || mentions(card, text.trim()))
  return found.slice(0, limit)
}
