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

  /** `behind`: not all of it could be read, so what is not there may be. */
  function show(content: StateContent, behind = false) {
    if (key !== undefined) {
      const value = lookUp(content, key)
      if (value === undefined) {
        out.say(behind ? 'it is not known whether there is such a key' : 'there is no such key')
        return behind ? EXIT.unreachable : EXIT.empty
      }
      out.result(valueText(value), { key, value })
      return EXIT.ok
    }
    const lines = contentLines(content)
    if (lines.length > 0) {
      out.result(lines.join('\n'), { ...content })
      return EXIT.ok
    }
    out.say(behind ? 'it is not known whether there is anything in it' : 'there is nothing in it')
    return behind ? EXIT.unreachable : EXIT.empty
  }

  if (options.of === undefined) {
    // The private one lies here in clear, as mail does: both are as private as the key beside them.
    const { home } = chosenProfile(options, env)
    return show(stateBeside(home, { private: options.private }).entries())
  }
  return withLookout(context, async ({ lookout, find }) => {
    const view = lookout.state(await find(options.of ?? ''))
    const isTold = await view.ready(options.timeout)
    const { behind, error } = view.status
    const exit = show(view.content(), behind)
    if (behind)
      out.say(
        `something of it is missing at these relays; this is what there is${error === undefined ? '' : `. ${error}`}`,
      )
    await view.close()
    return isTold ? exit : EXIT.unreachable
  })
}
