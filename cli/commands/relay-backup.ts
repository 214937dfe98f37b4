import { backupLog } from '../../relay/tools.ts'
import type { Command } from '../context.ts'
import { EXIT } from '../exit-codes.ts'
import { startProgress } from '../progress.ts'
import { relayFolder } from '../relay-folder.ts'
import { escapeText } from '../text.ts'

/** `posthorn relay backup FILE`: one checked file, beside a running relay or without one. */
export const relayBackup: Command<'relay backup'> = async context => {
  const { options, operands, out, env, signal } = context
  const [file = ''] = operands
  const progress = startProgress(context)
  const {
    events,
    removals,
    last,
    bytes,
    file: path,
  } = await backupLog(relayFolder(options.data, env), file, {
    signal,
    onProgress: (seq, last) => progress.at('checking the copy', seq, last),
  }).finally(progress.end)
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
