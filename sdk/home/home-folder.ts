import { homedir, userInfo } from 'node:os'
import { ProfileError } from '../errors.ts'

/** The user's home folder. Throws ProfileError `no-home-folder` where the system knows none: a container's user without a passwd entry. */
export function homeFolder(env: Readonly<Record<string, string | undefined>> = process.env): string {
  const found = maybeHomeFolder(env)
  if (found !== undefined) return found
  throw new ProfileError(
    'no-home-folder',
    'this user has no home folder on this machine; set HOME or XDG_DATA_HOME, or name the folder with --home (for a relay: --data).',
  )
}

export function maybeHomeFolder(env: Readonly<Record<string, string | undefined>> = process.env): string | undefined {
  if (env['HOME']) return env['HOME']
  try {
    // An empty HOME is none, but homedir() takes it.
    return homedir() || userInfo().homedir || undefined
  } catch {
    return undefined
  }
}
