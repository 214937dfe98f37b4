/** True for hosts that only this machine can reach. */
export const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '::1' || host === '[::1]' || /^127(?:\.\d{1,3}){3}$/.test(host)

/**
 * Any web page can open a WebSocket to a relay on localhost, and browsers do not stop it (cross-site WebSocket hijacking).
 * So while bound to loopback a page must come from loopback itself or be listed. Programs send no Origin.
 */
export function originAllowed(origin: string | undefined, loopbackOnly: boolean, allowed: readonly string[]): boolean {
  if (origin === undefined || !loopbackOnly || allowed.includes(origin)) return true
  try {
    return isLoopback(new URL(origin).hostname)
  } catch {
    return false
  }
}
