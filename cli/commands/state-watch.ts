import { sleep } from '../../platform/timers.ts'
import type { Command } from '../context.ts'
import { EXIT } from '../exit-codes.ts'
import { withLookout } from '../lookout.ts'
import { contentLines, lookUp, valueText } from '../state-text.ts'
import { escapeText } from '../text.ts'

/** The longest a timer can be set. */
const FOREVER_MS = 2 ** 31 - 1

/** `posthorn state watch <who> [key]`: what is, then each change, until Ctrl-C or `--for` is over. */
export const stateWatch: Command<'state watch'> = context =>
  withLookout(context, async ({ lookout }) => {
    const { options, operands, out, timers, signal } = context
    const [who = '', only] = operands
    const view = lookout.state(who)
    const told = await view.ready(options.timeout)
    if (!told) {
      await view.close()
      return EXIT.unreachable
    }
    const show = (key: string) => {
      const value = lookUp(view.content(), key)
      const text = value === undefined ? 'removed' : valueText(value)
      out.result(`${escapeText(key)}: ${text}`, { key, value: value ?? null })
    }
    const content = view.content()
    if (only !== undefined) show(only)
    else {
      const lines = contentLines(content)
      if (lines.length > 0) out.result(lines.join('\n'), { ...content })
    }
    const stop = view.subscribe(only, ({ name }) => show(name))
    if (options.for === undefined) out.say('watching; Ctrl-C ends')
    await sleep(timers, options.for ?? FOREVER_MS, signal)
    stop()
    await view.close()
    return EXIT.ok
  })
