import type { Command } from '../context.ts'
import { EXIT } from '../exit-codes.ts'
import { relayFolder } from '../relay-folder.ts'
import { logIn, runRelayTool } from '../relay-tool/index.ts'
import { bytesText, escapeText } from '../text.ts'

/** `posthorn relay backup FILE`: one checked file, beside a running relay or without one. */
export const relayBackup: Command<'relay backup'> = async context => {
  const { options, operands, out, env } = context
  const [file = ''] = operands
  const folder = relayFolder(options.data, env)
  const report = await runRelayTool({ tool: 'backup', folder, file }, context, { from: logIn(folder), to: file })
  if (report === undefined) return EXIT.interrupted
  const { events, removals, last, bytes, file: path } = report
  out.result(
    `${escapeText(path)}: ${events} events, ${removals} removals, up to seq ${last}, ${bytesText(bytes)}, checked`,
    {
      file: path,
      events,
      removals,
      last,
      bytes,
    },
  )
  return EXIT.ok
}
