import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { LOG_FILE } from './store.ts'

/** Sizes in bytes of the files that a log in `directory` consists of, by name; what is not there is left out. */
export async function logFileSizes(directory: string): Promise<Record<string, number>> {
  const sizes: Record<string, number> = {}
  for (const name of [LOG_FILE, `${LOG_FILE}-wal`, `${LOG_FILE}-shm`]) {
    const found = await stat(join(directory, name)).catch(() => undefined)
    if (found !== undefined) sizes[name] = found.size
  }
  return sizes
}
