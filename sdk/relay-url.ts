import { ProfileError } from './errors.ts'

export const DEFAULT_RELAY = 'ws://localhost:7678'
/** Relays of one agent: each costs a socket, and every message a copy. */
export const MAX_RELAYS = 16
/** Each is asked for everybody who is not known yet. */
export const MAX_DISCOVERY = 4

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
  if (given.length === 0) throw new ProfileError('profile-malformed', 'this profile has no relay; name one.')
  return atMost(MAX_RELAYS, 'relays', given)
}

/** Relays where others are looked for, likewise. */
export const discoveryRelays = (given: readonly string[]): readonly string[] =>
  atMost(MAX_DISCOVERY, 'discovery relays', given)

function atMost(most: number, what: string, given: readonly string[]): readonly string[] {
  const relays = [...new Set(given.map(checkRelayUrl))]
  if (relays.length > most)
    throw new ProfileError('profile-malformed', `a profile has at most ${most} ${what}, not ${relays.length}.`)
  return relays
}
