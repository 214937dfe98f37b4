import type { AgentCard } from './shape.ts'

/** What a card can be found by: ids and tags of its skills, lowercase. */
export const skillTags = (card: AgentCard): string[] =>
  [...new Set(card.skills.flatMap(({ id, tags }) => [id, ...tags]).map(tag => tag.toLowerCase()))]
    .filter(tag => tag !== '' && tag.length <= 128)
    .slice(0, 100)

/** True if every word of the query stands somewhere in the card. */
export function mentions(card: AgentCard, query: string): boolean {
  const all = [
    card.name,
    card.description,
    ...card.skills.flatMap(each => [each.id, each.name, each.description, ...each.tags]),
  ]
    .join('\n')
    .toLowerCase()
  return query
    .toLowerCase()
    .split(/\s+/)
    .every(word => all.includes(word))
}
