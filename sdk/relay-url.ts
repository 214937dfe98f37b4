import { ProfileError } from './errors.ts'

export const DEFAULT_RELAY = 'ws://localhost:7678'

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
