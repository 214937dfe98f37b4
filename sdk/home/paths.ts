import { homedir } from 'node:os'
import { basename, isAbsolute, join, resolve } from 'node:path'
import { ProfileError } from '../errors.ts'

export const DEFAULT_PROFILE = 'default'

/** The files of one home, by what they hold. */
export const homeFiles = (home: string) => ({
  key: join(home, 'key'),
  profile: join(home, 'profile.json'),
  mail: join(home, 'mail.db'),
  spool: join(home, 'spool'),
})

/** Where this user's profiles live: `$XDG_DATA_HOME/posthorn` or `~/.local/share/posthorn`. */
export function profilesRoot(env: NodeJS.ProcessEnv = process.env): string {
  const xdg = env.XDG_DATA_HOME
  // The XDG specification: a relative path is invalid and ignored.
  if (xdg !== undefined && isAbsolute(xdg)) return join(xdg, 'posthorn')
  return join(env.HOME || homedir(), '.local', 'share', 'posthorn')
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

/** Names are folder names: letters, digits, `.`, `_`, `-`, not starting with a dot or dash, at most 64. */
export function checkName(name: string): string {
  if (!/^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$/.test(name) || /^npub1/.test(name) || /^[0-9a-f]{64}$/.test(name))
    throw new ProfileError(
      'profile-name',
      `${JSON.stringify(name.slice(0, 80))} cannot name a profile; use letters, digits, dot, dash and underscore (at most 64), and nothing that looks like a key.`,
    )
  return name
}

/** A name for a home given as a folder. */
export const nameOfFolder = (home: string): string =>
  basename(home)
    .replace(/^[^A-Za-z0-9_]+/, '')
    .replace(/[^A-Za-z0-9._-]/g, '-')
    .slice(0, 64) || DEFAULT_PROFILE
