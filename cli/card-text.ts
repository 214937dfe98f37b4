import { type AgentCard, npubOf } from '../sdk/index.ts'
import type { Paint } from './output.ts'
import { escapeLine } from './text.ts'

/** A card as a page. All of it is what its agent says of itself. */
export function cardPage(card: AgentCard, pubkey: string, paint: Paint): string {
  const fact = (name: string, value: string) => `  ${paint.dim(name.padEnd(8))} ${value}`
  return [
    paint.bold(escapeLine(card.name, 80)),
    fact('npub', npubOf(pubkey)),
    ...(card.description === '' ? [] : [fact('is', escapeLine(card.description, 400))]),
    fact('version', escapeLine(card.version, 40)),
    ...card.skills.map(skill => fact('skill', skillText(skill))),
    ...card.supportedInterfaces.map(({ url, protocolBinding }) =>
      fact('at', `${escapeLine(url, 120)}  ${paint.dim(escapeLine(protocolBinding, 40))}`),
    ),
    ...(card.documentationUrl === undefined ? [] : [fact('docs', escapeLine(card.documentationUrl, 200))]),
  ].join('\n')
}

function skillText({ id, description, tags }: AgentCard['skills'][number]): string {
  const tagged = tags.length === 0 ? '' : `  [${tags.map(tag => escapeLine(tag, 30)).join(', ')}]`
  return `${escapeLine(id, 40)}${description === '' ? '' : `: ${escapeLine(description, 160)}`}${tagged}`
}
