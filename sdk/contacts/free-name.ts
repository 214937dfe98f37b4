import type { Contact } from '../api.ts'
import { checkName, DEFAULT_PROFILE } from '../profile-name.ts'

/**
 * A name for a key that names itself: what it suggests, unless that is no name or another's (whatever the case of its letters);
 * then with the beginning of its key. Nobody takes another's place by calling itself the same.
 */
export function freeName(suggested: string | undefined, pubkey: string, taken: readonly Contact[]): string {
  const lower = new Set(taken.filter(each => each.pubkey !== pubkey).map(({ name }) => name.toLowerCase()))
  const isFree = (name: string) => !lower.has(name.toLowerCase())
  const base = isName(suggested) ? suggested : 'agent'
  if (base === suggested && isFree(base)) return base
  const marked = [8, 16, 32].map(length => `${base.slice(0, 24)}-${pubkey.slice(0, length)}`)
  return marked.find(isFree) ?? `agent-${pubkey.slice(0, 56)}`
}

function isName(name: string | undefined): name is string {
  // What everybody is called by default names nobody; what looks like a secret key must not be shown around.
  if (name === undefined || name === DEFAULT_PROFILE || /^n(sec|pub)1/i.test(name)) return false
  try {
    return checkName(name) === name
  } catch {
    return false
  }
}
