import { type StateContent, stateBeside } from '../../sdk/index.ts'
import type { Command } from '../context.ts'
import { EXIT } from '../exit-codes.ts'
import { withLookout } from '../lookout.ts'
import { chosenProfile } from '../profile.ts'
import { contentLines, lookUp, valueText } from '../state-text.ts'

/** `posthorn state get [key]`: one's own from the home, another's from the relays. */
export const stateGet: Command<'state get'> = async context => {
  const { options, operands, out, env } = context
  const [key] = operands

  function show(content: StateContent) {
    if (key !== undefined) {
      const value = lookUp(content, key)
      if (value === undefined) {
        out.say('there is no such key')
        return EXIT.empty
      }
      out.result(valueText(value), { key, value })
      return EXIT.ok
    }
    const lines = contentLines(content)
    if (lines.length === 0) out.say('there is nothing in it')
    else out.result(lines.join('\n'), { ...content })
    return lines.length === 0 ? EXIT.empty : EXIT.ok
  }

  if (options.of === undefined) {
    // The private one lies here in clear, as mail does: both are as private as the key beside them.
    const { home } = chosenProfile(options, env)
    return show(stateBeside(home, { private: options.private }).entries())
  }
  return withLookout(context, async ({ lookout, find }) => {
    const view = lookout.state(await find(options.of ?? ''))
    const isTold = await view.ready(options.timeout)
    const exit = show(view.content())
    const { behind, error } = view.status
    if (behind)
      out.say(
        `something of it is missing at these relays; this is what there is${error === undefined ? '' : `. ${error}`}`,
      )
    await view.close()
    return isTold ? exit : EXIT.unreachable
  })
}
