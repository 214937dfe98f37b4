import { ProfileError } from './errors.ts'

export const DEFAULT_PROFILE = 'default'

/** Names are folder names: letters, digits, `.`, `_`, `-`, not starting with a dot or dash, at most 64. */
export function checkName(name: string): string {
  if (!/^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$/.test(name) || /^npub1/.test(name) || /^[0-9a-f]{64}$/.test(name))
    throw new ProfileError(
      'profile-name',
      `${JSON.stringify(name.slice(0, 80))} cannot name a profile; use letters, digits, dot, dash and underscore (at most 64), and nothing that looks like a key.`,
    )
  return name
}
