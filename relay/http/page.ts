/** What a person sees who opens the relay in a browser. */
export const pageText = (name: string): string => `${name}: a posthorn relay

Connect with a WebSocket, or over HTTP:

  GET  /        with "Accept: application/nostr+json": about this relay (NIP-11)
  POST /        with "Content-Type: application/nostr+json+rpc": management by its owners (NIP-86)
  POST /event   one signed event as JSON
  GET  /healthz and /readyz : whether it lives, and takes mail
  GET  /sync    ?since_seq=0&epoch=&wait=0&filter={} : one page of the log
`
