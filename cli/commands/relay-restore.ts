import { restoreLog } from '../../relay/tools.ts'
import type { Command } from '../context.ts'
import { EXIT } from '../exit-codes.ts'
import { startProgress } from '../progress.ts'
import { relayFolder } from '../relay-folder.ts'
import { escapeText } from '../text.ts'

/** `posthorn relay restore FILE`: puts a backup into a folder that no relay holds, after a check. */
export const relayRestore: Command<'relay restore'> = async context => {
  const { options, operands, out, env, signal } = context
  const [file = ''] = operands
  const progress = startProgress(context)
  const folder = relayFolder(options.data, env)
  const { events, removals, last, before } = await restoreLog(file, folder, {
    replace: options.force,
    signal,
    onProgress: (seq, last) => progress.at('checking the copy', seq, last),
  }).finally(progress.end)
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
