/** True for hosts that only this machine can reach. */
export const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '::1' || host === '[::1]' || /^127(?:\.\d{1,3}){3}$/.test(host)

/**
 * Schemes whose pages a browser runs: the web's own, files that were downloaded, the browser's internal pages, and extensions.
 * `null` is what sandboxed frames, `data:` pages and some `file:` pages send.
 */
const BROWSER_ORIGIN =
  /(?:^|[\s,])(?:null(?=$|[\s,])|(?:https?|wss?|ftp|file|filesystem|blob|data|about|javascript|content|resource|isolated-app|[a-z-]*extension|(?:chrome|edge|brave|opera|vivaldi|devtools)(?:-[a-z]+)*):)/i

/**
 * Any web page can open a WebSocket to a server on localhost, and browsers do not stop it (cross-site WebSocket hijacking). So a
 * server that is for this machine only (`local`) takes pages from loopback itself or from the list. What no browser can have written
 * passes: no Origin, a word that is no origin, or the scheme of a desktop application (`app://obsidian.md`).
 */
export function originAllowed(origin: string | undefined, local: boolean, allowed: readonly string[]): boolean {
  if (origin === undefined || !local || allowed.includes(origin)) return true
  if (origin !== '' && !BROWSER_ORIGIN.test(origin)) return true
  const host = originHost(origin)
  return host !== undefined && isLoopback(host)
}

/**
 * A page whose own name was made to point at 127.0.0.1 (DNS rebinding) is of the same origin as the server, but its requests
 * still carry that name. So a server that is for this machine only answers to this machine's names.
 */
export function hostAllowed(host: string | undefined, local: boolean): boolean {
  if (!local) return true
  const name = hostName(host)
  return name !== undefined && isLoopback(name)
}

/** The name in a Host header (RFC 9110 §7.2), in lower case, an IPv6 address in its brackets. Undefined for what is no host. */
export function hostName(host: string | undefined): string | undefined {
  const [, name] = /^(\[[0-9a-f:.]+\]|[^\s:/?#@\\[\]]+)(?::\d{0,5})?$/i.exec(host ?? '') ?? []
  if (name === undefined) return undefined
  try {
    return new URL(`http://${name}`).hostname
  } catch {
    return undefined
  }
}

/** The host in the Origin of a page of the web. Undefined where none is named. */
export const originHost = (origin: string | undefined): string | undefined =>
  hostName(/^https?:\/\/([^/]+)$/i.exec(origin ?? '')?.[1])
