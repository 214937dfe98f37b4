import type { Command } from '../context.ts'
import { EXIT } from '../exit-codes.ts'
import { relayFolder } from '../relay-folder.ts'
import { logIn, runRelayTool } from '../relay-tool/index.ts'
import { escapeText } from '../text.ts'

/** `posthorn relay restore FILE`: puts a backup into a folder that no relay holds, after a check. */
export const relayRestore: Command<'relay restore'> = async context => {
  const { options, operands, out, env } = context
  const [file = ''] = operands
  const folder = relayFolder(options.data, env)
  const report = await runRelayTool({ tool: 'restore', folder, file, replace: options.force }, context, {
    from: file,
    to: logIn(folder),
  })
  if (report === undefined) return EXIT.interrupted
  const { events, removals, last, before } = report
  if (before !== undefined) out.say(`the log that was there is kept as ${escapeText(before)}`)
  out.result(`restored ${events} events and ${removals} removals, up to seq ${last}, into ${escapeText(folder)}`, {
    data: folder,
    events,
    removals,
    last,
    ...(before === undefined ? {} : { before }),
  })
  return EXIT.ok
}
