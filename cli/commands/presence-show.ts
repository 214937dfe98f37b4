import { seconds } from '../../platform/clock.ts'
import type { Presence } from '../../sdk/index.ts'
import type { Command, Context } from '../context.ts'
import { EXIT } from '../exit-codes.ts'
import { currentPresence } from '../look-at-presence.ts'
import { withLookout } from '../lookout.ts'
import { doingText, presenceFields, stateText, whoText } from '../presence-text.ts'
import { watchedKeys } from '../watched-keys.ts'

/** `posthorn presence show [who]…`. */
export const presenceShow: Command<'presence show'> = context =>
  withLookout(context, async around => {
    const { lookout, contacts } = around
    const pubkeys = await watchedKeys(context.operands, around)
    const presence = await currentPresence(lookout, pubkeys, context)
    const known = pubkeys.flatMap(pubkey => presence(pubkey) ?? [])
    const nameOf = (pubkey: string) => contacts.find(each => each.pubkey === pubkey)?.name
    for (const each of known) printPresence(each, nameOf(each.pubkey), context)
    if (known.length > 0) return EXIT.ok
    context.out.say('nothing is known of them at these relays')
    return EXIT.empty
  })

export function printPresence(
  presence: Presence,
  name: string | undefined,
  { out, clock }: Pick<Context<'presence show'>, 'out' | 'clock'>,
): void {
  const doing = doingText(presence, seconds(clock))
  const who = whoText(presence.pubkey, name).padEnd(18)
  out.result(
    `${who}  ${stateText(presence.state, out.paint)}${doing === '' ? '' : `  ${doing}`}`,
    presenceFields(presence, name),
  )
}
