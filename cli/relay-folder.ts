import { statSync } from 'node:fs'
import { isAbsolute, join, resolve } from 'node:path'
import { homeFolder } from '../sdk/home/home-folder.ts'
import type { CliHost } from './context.ts'

/**
 * Where a relay keeps its log: as named, or beside the profiles and never among them: a relay's data is public mail of others,
 * a profile holds a key.
 */
export function relayFolder(named: string | undefined, env: CliHost['env']): string {
  if (named !== undefined) return resolve(named)
  const base = env['XDG_DATA_HOME']
  // The XDG rules: a relative path is to be ignored.
  return join(
    base !== undefined && isAbsolute(base) ? base : join(homeFolder(env), '.local', 'share'),
    'posthorn-relay',
  )
}

/** The mode of a folder in which every user may put other files in place of the relay's, as `0777`; undefined where none but owner and group may. */
export function openMode(folder: string): string | undefined {
  const mode = statSync(folder).mode & 0o7777
  return process.platform !== 'win32' && (mode & 0o002) !== 0 ? mode.toString(8).padStart(4, '0') : undefined
}
