/** `bob@example.com`, or `example.com` for `_@example.com` (NIP-05). */
export interface InternetName {
  /** As it is shown, in lower case. */
  readonly name: string
  /** Before the @; `_` where a domain stands alone. */
  readonly local: string
  /** Domain, and port if one was given. */
  readonly host: string
}

/** Where somebody is found. */
export interface Found {
  /** 64 hex. */
  readonly pubkey: string
  /** Addresses said to be read by that key; unchecked. */
  readonly relays: readonly string[]
}

const MAX_CHARS = 320

/** This machine, by its own names and addresses. */
const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d{1,5})?$/
export const isLoopback = (host: string): boolean => LOOPBACK.test(host)

/** What is written like an internet name; undefined for anything else. A port is for servers of this machine alone. */
export function parseInternetName(text: string): InternetName | undefined {
  const [local, host, ...more] = text.includes('@') ? text.toLowerCase().split('@') : ['_', text.toLowerCase()]
  if (text.length > MAX_CHARS || more.length > 0 || local === undefined || host === undefined) return undefined
  if (!/^[a-z0-9_.-]+$/.test(local)) return undefined
  const isDomain = /^([a-z0-9-]+\.)+[a-z0-9-]+$/.test(host)
  // Alone, a domain has to look like one: other words are names of contacts.
  if (!text.includes('@') && !/\.[a-z][a-z0-9-]*[a-z]$/.test(host)) return undefined
  if ((!isDomain && !isLoopback(host)) || !URL.canParse(`https://${host}`)) return undefined
  return { name: local === '_' ? host : `${local}@${host}`, local, host }
}
