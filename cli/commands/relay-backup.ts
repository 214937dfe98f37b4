import { backupLog } from '../../relay/tools.ts'
import type { Command } from '../context.ts'
import { EXIT } from '../exit-codes.ts'
import { relayFolder } from '../relay-folder.ts'
import { escapeText } from '../text.ts'

/** `posthorn relay backup FILE`: one checked file, beside a running relay or without one. */
export const relayBackup: Command<'relay backup'> = async ({ options, operands: [file = ''], out, env, signal }) => {
  const {
    events,
    removals,
    last,
    bytes,
    file: path,
  } = await backupLog(relayFolder(options.data, env), file, { signal })
  out.result(
    `${escapeText(path)}: ${events} events, ${removals} removals, up to seq ${last}, ${bytes} bytes, checked`,
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
