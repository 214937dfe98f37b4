import { setPriority } from 'node:os'
import { backupLog } from './backup.ts'

/**
 * Body of the process that makes one scheduled backup (`node … FOLDER FILE`). A process, because SQLite copies in one call that no thread
 * could be called back from; with the relay gone it ends what it does, and what has its name then is complete and checked.
 */
const [directory = '', target = ''] = process.argv.slice(2)
const tell = (message: unknown) => {
  if (process.connected) process.send?.(message, () => process.disconnect())
}
try {
  // Mail first.
  setPriority(10)
} catch {
  // Not everywhere allowed, and no reason to have no backup.
}
try {
  const { file, events, last, bytes } = await backupLog(directory, target)
  tell({ made: { file, events, last, bytes } })
} catch (error) {
  const { message, code } = error as Error & { readonly code?: unknown }
  tell({ failed: { message, code } })
}
