import { ProfileError } from './errors.ts'

export const DEFAULT_RELAY = 'ws://localhost:7678'
/** Relays of one agent: each costs a socket, and every message a copy. */
export const MAX_RELAYS = 16

/** A ws:// or wss:// address, normalised. Throws {@link ProfileError}. */
export function checkRelayUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (!url || (url.protocol !== 'ws:' && url.protocol !== 'wss:') || url.username || url.password || url.hash)
    throw new ProfileError(
      'profile-malformed',
      `${JSON.stringify(text.slice(0, 200))} is not a relay address; it looks like wss://relay.example.org`,
    )
  return url.pathname === '/' && !url.search ? url.origin : url.href
}

/** An agent's own relays, normalised, each once. Throws {@link ProfileError}. */
export function ownRelays(given: readonly string[]): readonly string[] {
  const relays = [...new Set(given.map(checkRelayUrl))]
  if (relays.length === 0) throw new ProfileError('profile-malformed', 'this profile has no relay; name one.')
  if (relays.length > MAX_RELAYS)
    throw new ProfileError('profile-malformed', `a profile has at most ${MAX_RELAYS} relays, not ${relays.length}.`)
  return relays
}
