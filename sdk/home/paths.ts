import { existsSync } from 'node:fs'
import { basename, isAbsolute, join, resolve } from 'node:path'
import { checkName, DEFAULT_PROFILE } from '../profile-name.ts'
import { homeFolder } from './home-folder.ts'

export { checkName, DEFAULT_PROFILE }

/** The files of one home, by what they hold. */
export const homeFiles = (home: string) => ({
  key: join(home, 'key'),
  profile: join(home, 'profile.json'),
  mail: join(home, 'mail.db'),
  state: join(home, 'state.db'),
  spool: join(home, 'spool'),
  relaysInUse: join(home, 'relays-in-use.json'),
})

/** An agent of this home has started before: its mail.db was complete by then. */
export const hasRun = (home: string): boolean => existsSync(join(home, 'session.json'))

/** Where this user's profiles live: `$XDG_DATA_HOME/posthorn` or `~/.local/share/posthorn`. */
export function profilesRoot(env: NodeJS.ProcessEnv = process.env): string {
  const xdg = env.XDG_DATA_HOME
  // The XDG specification: a relative path is invalid and ignored.
  if (xdg !== undefined && isAbsolute(xdg)) return join(xdg, 'posthorn')
  return join(homeFolder(env), '.local', 'share', 'posthorn')
}

export interface HomeChoice {
  /** Profile name. */
  readonly as?: string | undefined
  /** The folder itself; wins over everything. */
  readonly home?: string | undefined
  readonly env?: NodeJS.ProcessEnv
}

/** The folder of a profile: `home`, else `$POSTHORN_HOME` unless a name is given, else root/name. */
export function profileHome({ as, home, env = process.env }: HomeChoice = {}): string {
  if (home !== undefined) return resolve(home)
  const fromEnv = env.POSTHORN_HOME
  if (as === undefined && fromEnv) return resolve(fromEnv)
  return join(profilesRoot(env), checkName(as ?? DEFAULT_PROFILE))
}

/** A name for a home given as a folder. */
export const nameOfFolder = (home: string): string =>
  basename(home)
    .replace(/^[^A-Za-z0-9_]+/, '')
    .replace(/[^A-Za-z0-9._-]/g, '-')
    .slice(0, 64) || DEFAULT_PROFILE
