import { createHmac } from 'node:crypto'

/** HMAC-SHA-256 by the host: a tenth of what it costs in JavaScript. */
export function hmacSha256(key: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array {
  const mac = createHmac('sha256', key)
  for (const part of parts) mac.update(part)
  return mac.digest()
}
