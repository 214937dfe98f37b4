import { seconds } from '../../platform/clock.ts'
import { cardBeside, npubOf } from '../../sdk/index.ts'
import { cardPage } from '../card-text.ts'
import type { Command } from '../context.ts'
import { EXIT } from '../exit-codes.ts'
import { withLookout } from '../lookout.ts'
import { chosenProfile } from '../profile.ts'
import { ago } from '../text.ts'

/** `posthorn card show [who]`: one's own from the home, another's from the relays. */
export const cardShow: Command<'card show'> = async context => {
  const { options, operands, out, env, clock } = context
  const [who] = operands
  if (who === undefined) {
    const { home, pubkey } = chosenProfile(options, env)
    const { own } = cardBeside(home)
    if (own === undefined) {
      out.say('no card yet: the first start of the agent makes one, or posthorn card set')
      return EXIT.empty
    }
    out.result(cardPage(own, pubkey, out.paint), { npub: npubOf(pubkey), pubkey, card: own })
    return EXIT.ok
  }
  return withLookout(context, async ({ lookout, find }) => {
    const found = await lookout.cards.get(await find(who))
    if (found === undefined) {
      out.say('there is no card of theirs at these relays')
      return EXIT.empty
    }
    const { npub, pubkey, card, at } = found
    out.result(cardPage(card, pubkey, out.paint), { npub, pubkey, at, card })
    out.say(`published ${ago(at, seconds(clock))}; their own words`)
    return EXIT.ok
  })
}
