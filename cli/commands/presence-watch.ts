import { sleep } from '../../platform/timers.ts'
import type { Command } from '../context.ts'
import { EXIT } from '../exit-codes.ts'
import { withLookout } from '../lookout.ts'
import { watchedKeys } from '../watched-keys.ts'
import { printPresence } from './presence-show.ts'

/** `posthorn presence watch [who]…`: each change, until Ctrl-C or `--for` is over. */
export const presenceWatch: Command<'presence watch'> = context =>
  withLookout(context, async around => {
    const { options, operands, out, timers, signal } = context
    const { lookout, contacts } = around
    const pubkeys = options.all ? undefined : await watchedKeys(operands, around)
    if (pubkeys?.length === 0) {
      out.say('there are no contacts to watch; name somebody, or use --all')
      return EXIT.empty
    }
    const nameOf = (pubkey: string) => contacts.find(each => each.pubkey === pubkey)?.name
    const observation = lookout.observe(pubkeys, presence => printPresence(presence, nameOf(presence.pubkey), context))
    if (options.for === undefined) out.say('watching; Ctrl-C ends')
    await sleep(timers, options.for ?? FOREVER_MS, signal)
    observation.stop()
    return EXIT.ok
  })

/** The longest a timer can be set. */
const FOREVER_MS = 2 ** 31 - 1
