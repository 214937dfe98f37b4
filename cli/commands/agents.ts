import { seconds } from '../../platform/clock.ts'
import type { FoundCard, Presence } from '../../sdk/index.ts'
import type { Command } from '../context.ts'
import { EXIT } from '../exit-codes.ts'
import { currentPresence } from '../look-at-presence.ts'
import { withLookout } from '../lookout.ts'
import type { Paint } from '../output.ts'
import { doingText, presenceFields, stateText, whoText } from '../presence-text.ts'
import { escapeLine } from '../text.ts'

interface Agent extends FoundCard {
  /** What this profile calls it. */
  readonly contact: string | undefined
  readonly presence: Presence | undefined
}

/** `posthorn agents`: cards at the relays, with who is awake. */
export const agents: Command<'agents'> = context =>
  withLookout(context, async ({ lookout, contacts }) => {
    const { options, out, clock } = context
    const cards = await lookout.cards.find({
      limit: options.limit,
      timeoutMs: options.timeout,
      ...(options.skill === undefined ? {} : { skill: options.skill }),
      ...(options.text === undefined ? {} : { text: options.text }),
    })
    const presence = await currentPresence(
      lookout,
      cards.map(({ pubkey }) => pubkey),
      context,
    )
    const found = cards
      .map(
        (card): Agent => ({
          ...card,
          contact: contacts.find(({ pubkey }) => pubkey === card.pubkey)?.name,
          presence: presence(card.pubkey),
        }),
      )
      .filter(agent => !options.awake || isAwake(agent))
      .sort((a, b) => Number(isAwake(b)) - Number(isAwake(a)) || Number(!a.contact) - Number(!b.contact))
    for (const agent of found)
      out.result(agentText(agent, seconds(clock), out.paint), {
        npub: agent.npub,
        pubkey: agent.pubkey,
        ...(agent.contact === undefined ? {} : { contact: agent.contact }),
        at: agent.at,
        card: agent.card,
        presence: agent.presence === undefined ? null : presenceFields(agent.presence, agent.contact),
      })
    if (found.length > 0) return EXIT.ok
    out.say(
      cards.length > 0 ? 'no agent of these is awake' : 'no card fits; an agent publishes its card at its first start',
    )
    return EXIT.empty
  })

const isAwake = ({ presence }: Agent): boolean => presence?.state === 'online' || presence?.state === 'suspect'

const SKILLS_SHOWN = 8

function agentText({ card, pubkey, contact, presence }: Agent, now: number, paint: Paint): string {
  const doing = presence === undefined ? '' : doingText(presence, now)
  const skills = card.skills.slice(0, SKILLS_SHOWN).map(({ id }) => escapeLine(id, 30))
  const more = card.skills.length > SKILLS_SHOWN ? [`and ${card.skills.length - SKILLS_SHOWN} more`] : []
  return [
    `${paint.bold(whoText(pubkey, contact, card.name))}  ${presence === undefined ? paint.dim('no presence published') : stateText(presence.state, paint)}${doing === '' ? '' : `  ${doing}`}`,
    ...(card.description === '' ? [] : [`  “${escapeLine(card.description, 160)}”`]),
    ...(skills.length === 0 ? [] : [`  skills  ${[...skills, ...more].join(', ')}`]),
  ].join('\n')
}
