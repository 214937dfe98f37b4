import type { ServerResponse } from 'node:http'
import { parseReason } from '../../protocol/reasons.ts'

/** What a handler answers. Bodies are whole: pages are bounded before they come here. */
export interface Reply {
  readonly status: number
  readonly type: string
  readonly body: string
  readonly headers?: Readonly<Record<string, string>>
}

export const TEXT = 'text/plain; charset=utf-8'
const JSON_TYPE = 'application/json; charset=utf-8'

/** Any page may read what we answer; which pages may ask is decided before (router.ts). */
const CORS = {
  'access-control-allow-origin': '*',
  'access-control-allow-headers': 'content-type, accept, authorization',
  'access-control-allow-methods': 'GET, HEAD, POST, OPTIONS',
  'access-control-expose-headers': 'allow, retry-after, www-authenticate',
  'access-control-max-age': '86400',
}

/** Answers for one reader at one moment: never kept by anybody in between. */
export const json = (status: number, body: string | object, headers: Readonly<Record<string, string>> = {}): Reply => ({
  status,
  type: JSON_TYPE,
  body: typeof body === 'string' ? body : JSON.stringify(body),
  headers: { 'cache-control': 'no-store', ...headers },
})

export const text = (status: number, body: string, headers: Readonly<Record<string, string>> = {}): Reply => ({
  status,
  type: TEXT,
  body,
  headers,
})

/** Seconds after which to ask again, where a reason does not name its own. */
const RETRY_S = 1

/** The HTTP status of a refusal, by its machine-readable word (docs/protocol.md, "HTTP"). */
function statusOf(message: string): number {
  switch (parseReason(message).prefix) {
    case 'invalid':
    case 'unsupported':
    case 'pow':
      return 400
    case 'auth-required':
      return 401
    case 'restricted':
    case 'blocked':
    case 'mute':
      return 403
    case 'rate-limited':
      return 429
    default:
      return message.startsWith('error: storage full') ? 507 : 500
  }
}

/** Refuses with the same reason that OK or CLOSED would carry, the status that goes with it, and what HTTP wants beside it. */
export function refusal(message: string, body: object = { message }, status: number = statusOf(message)): Reply {
  const wait = /try again in (\d+) s/.exec(message)?.[1] ?? String(RETRY_S)
  if (status === 401) return json(status, body, { 'www-authenticate': 'Nostr' })
  return json(status, body, status === 429 || status === 503 ? { 'retry-after': wait } : {})
}

export function sendReply(response: ServerResponse, reply: Reply, withBody: boolean): void {
  response.writeHead(reply.status, {
    ...CORS,
    'content-type': reply.type,
    'x-content-type-options': 'nosniff',
    ...(reply.status === 204 ? {} : { 'content-length': Buffer.byteLength(reply.body) }),
    ...reply.headers,
  })
  response.end(withBody ? reply.body : undefined)
}
