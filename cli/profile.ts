import { checkRelayUrl, DEFAULT_RELAY, type Profile, ProfileError, profileHome, readProfile } from '../sdk/index.ts'
import { UsageError } from './errors.ts'

export interface ProfileOptions {
  readonly as?: string | undefined
  readonly home?: string | undefined
}
type Env = Readonly<Record<string, string | undefined>>

/** The folder that `--as`, `--home` or POSTHORN_HOME choose. */
export function chosenHome(options: ProfileOptions, env: Env): string {
  if (options.as !== undefined && options.home !== undefined)
    throw new UsageError('--as and --home both choose the profile; give one of them')
  return profileHome({ as: options.as, home: options.home, env })
}

/** The profile in it. Throws ProfileError (`profile-missing`) with what to do. */
export const chosenProfile = (options: ProfileOptions, env: Env): Profile => readProfile(chosenHome(options, env))

/** `--relay` as an address, or undefined. */
export function givenRelay(text: string | undefined): string | undefined {
  if (text === undefined) return undefined
  try {
    return checkRelayUrl(text)
  } catch (error) {
    if (error instanceof ProfileError) throw new UsageError(`--relay: ${error.message}`)
    throw error
  }
}

/** The relays that `--relay` names, repeated or with commas; undefined if none. */
export function givenRelays(texts: readonly string[]): readonly string[] | undefined {
  if (texts.length === 0) return undefined
  const urls = texts.flatMap(text => text.split(',')).flatMap(text => givenRelay(text.trim()) ?? [])
  return [...new Set(urls)]
}

/** For verbs that need no key: `--relay`, else the profile's relay, else the default one if there is no profile yet. */
export function relayFor(options: ProfileOptions & { readonly relay?: string | undefined }, env: Env): string {
  const given = givenRelay(options.relay)
  if (given !== undefined) return given
  try {
    return chosenProfile(options, env).relays[0] ?? DEFAULT_RELAY
  } catch (error) {
    const chosen = options.as !== undefined || options.home !== undefined
    if (!chosen && error instanceof ProfileError && error.code === 'profile-missing') return DEFAULT_RELAY
    throw error
  }
}

/** The flags that chose the profile, for a command line that is printed; begins with a space unless it is empty. */
export const profileFlags = ({ as, home }: ProfileOptions): string =>
  home !== undefined ? ` --home ${quoted(home)}` : as !== undefined ? ` --as ${quoted(as)}` : ''

/** As a shell reads it as one word. */
const quoted = (word: string): string => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`)
