/**
 * A relay URL in one spelling, so that two can be compared: scheme, host, port and path; lowercase host, no default port, no
 * trailing slash, http(s) read as ws(s). Undefined for anything that is not a WebSocket URL.
 */
export function normalizeRelayUrl(text: string): string | undefined {
  let url: URL
  try {
    url = new URL(text)
  } catch {
    return undefined
  }
  const scheme = { 'ws:': 'ws', 'wss:': 'wss', 'http:': 'ws', 'https:': 'wss' }[url.protocol]
  if (scheme === undefined || url.hostname === '') return undefined
  const port = url.port === '' || url.port === (scheme === 'ws' ? '80' : '443') ? '' : `:${url.port}`
  return `${scheme}://${url.hostname}${port}${url.pathname.replace(/\/+$/, '')}`
}
