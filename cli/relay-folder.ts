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
