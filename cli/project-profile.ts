import { createHash } from 'node:crypto'
import { existsSync, realpathSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { maybeHomeFolder } from '../sdk/home/home-folder.ts'
import {
  createProfile,
  DEFAULT_PROFILE,
  type Profile,
  ProfileError,
  profileHome,
  profilesRoot,
  readProfile,
} from '../sdk/index.ts'
import { chosenHome, type ProfileOptions } from './profile.ts'

type Env = Readonly<Record<string, string | undefined>>

export interface ProjectOptions extends ProfileOptions {
  /** `--dir`: the project, instead of the folder a command runs in. */
  readonly dir?: string | undefined
}

/** The project that a folder belongs to: the nearest one above with a `.git`, else the folder itself. Never a home directory. */
export function projectFolder(dir: string): string {
  const from = realpathSync(resolve(dir))
  const home = maybeHomeFolder()
  for (let folder = from; folder !== home && dirname(folder) !== folder; folder = dirname(folder))
    if (existsSync(join(folder, '.git'))) return folder
  return from
}

const NAME_CHARS = 40
const HASH_CHARS = 6

/** Each project has a profile of its own: readable, and another one for each folder of the same name. */
export function projectProfileName(folder: string): string {
  const readable = basename(folder)
    .replace(/[^A-Za-z0-9._-]+/g, '-')
    .replace(/^[^A-Za-z0-9]+/, '')
    .slice(0, NAME_CHARS)
  return `${readable || 'project'}-${createHash('sha256').update(folder).digest('hex').slice(0, HASH_CHARS)}`
}

export interface AgentHome {
  readonly home: string
  /** The project's own, made at its first use; one that was chosen must be there. */
  readonly isProject: boolean
}

/** The home for a coding agent: what `--as`, `--home` or POSTHORN_HOME choose, else that of the project. */
export function agentHome(options: ProjectOptions, env: Env, cwd: string): AgentHome {
  const isChosen = options.as !== undefined || options.home !== undefined
  if (isChosen || (env['POSTHORN_HOME'] && options.dir === undefined))
    return { home: chosenHome(options, env), isProject: false }
  const folder = projectFolder(options.dir ?? env['CLAUDE_PROJECT_DIR'] ?? cwd)
  return { home: join(profilesRoot(env), projectProfileName(folder)), isProject: true }
}

/** Its profile. A project's first one is on the relays of the default profile. */
export function openAgentProfile(
  { home, isProject }: AgentHome,
  relays: readonly string[] | undefined,
  env: Env,
): Profile {
  try {
    return readProfile(home)
  } catch (error) {
    const isMissing = error instanceof ProfileError && error.code === 'profile-missing'
    if (!isMissing || !isProject) throw error
  }
  try {
    return createProfile({ home, relays: relays ?? defaultRelays(env) })
  } catch (error) {
    // Another server of the same project was faster.
    if (error instanceof ProfileError && error.code === 'profile-exists') return readProfile(home)
    throw error
  }
}

function defaultRelays(env: Env): readonly string[] | undefined {
  try {
    return readProfile(profileHome({ as: DEFAULT_PROFILE, env })).relays
  } catch {
    return undefined
  }
}
