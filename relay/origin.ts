/** True for hosts that only this machine can reach. */
export const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '::1' || host === '[::1]' || /^127(?:\.\d{1,3}){3}$/.test(host)

/**
 * Any web page can open a WebSocket to a relay on localhost, and browsers do not stop it (cross-site WebSocket hijacking).
 * So a relay that is for this machine only (`local`) takes pages from loopback itself or from the list. Programs send no Origin.
 */
export function originAllowed(origin: string | undefined, local: boolean, allowed: readonly string[]): boolean {
  if (origin === undefined || !local || allowed.includes(origin)) return true
  return isLoopbackUrl(origin)
}

/**
 * A page whose own name was made to point at 127.0.0.1 (DNS rebinding) is of the same origin as the relay, but its requests
 * still carry that name. So a relay that is for this machine only answers to this machine's names.
 */
export const hostAllowed = (host: string | undefined, local: boolean): boolean =>
  !local || (host !== undefined && isLoopbackUrl(`http://${host}`))

function isLoopbackUrl(text: string): boolean {
  try {
    return isLoopback(new URL(text).hostname)
  } catch {
    return false
  }
}
