import type { IncomingMessage } from 'node:http'
import { refuse, type UpgradeRefusal } from './refuse-upgrade.ts'

/** The version of RFC 6455. Earlier drafts carry the Origin in another header, which nothing here would look at. */
const VERSION = '13'
/** 16 bytes in base64. */
const KEY = /^[A-Za-z0-9+/]{22}==$/
const TOKEN = "[!#$%&'*+\\-.^_`|~0-9A-Za-z]+"
const TOKENS = new RegExp(`^[ \\t]*${TOKEN}(?:[ \\t]*,[ \\t]*${TOKEN})*[ \\t]*$`)

/** Sent once at most: of two nothing says which one counts, and whoever stands between may have looked at the other. */
const SINGLE = ['host', 'origin', 'authorization', 'sec-fetch-site', 'sec-websocket-key', 'sec-websocket-version']

/** What is wrong with the headers of any request (RFC 9112 §3.2 for Host). Undefined: nothing. */
export function refuseHeaders({ headersDistinct, httpVersion }: IncomingMessage): UpgradeRefusal | undefined {
  const repeated = SINGLE.find(name => (headersDistinct[name]?.length ?? 0) > 1)
  if (repeated !== undefined) return refuse(400, `the header ${repeated} came more than once`)
  if (headersDistinct['host'] === undefined && httpVersion === '1.1')
    return refuse(400, 'a request of HTTP/1.1 has the header Host')
  return undefined
}

/** True for a request that speaks of a WebSocket, also if what makes it a handshake was lost on the way. */
export const isHandshake = ({ headers }: IncomingMessage): boolean =>
  headers['sec-websocket-key'] !== undefined ||
  headers['sec-websocket-version'] !== undefined ||
  wantsWebSocket(headers.upgrade)

export const wantsWebSocket = (upgrade: string | undefined): boolean =>
  upgrade?.split(',').some(protocol => protocol.trim().toLowerCase() === 'websocket') === true

/** What is wrong with a WebSocket handshake (RFC 6455 §4.2.1), and the HTTP answer that says so. Undefined: nothing. */
export function refuseHandshake(request: IncomingMessage): UpgradeRefusal | undefined {
  const { headers, method, httpVersion } = request
  if (method !== 'GET') return refuse(405, 'a WebSocket handshake is a GET', { allow: 'GET' })
  if (httpVersion === '1.0') return refuse(400, 'a WebSocket handshake needs HTTP/1.1')
  if (!wantsWebSocket(headers.upgrade))
    return upgradeRequired('a WebSocket handshake has the header "Upgrade: websocket"')
  if (headers['sec-websocket-version']?.trim() !== VERSION)
    return upgradeRequired(`this relay speaks version ${VERSION} of the WebSocket protocol`)
  if (!KEY.test(headers['sec-websocket-key']?.trim() ?? ''))
    return refuse(400, 'Sec-WebSocket-Key is not the base64 of 16 bytes')
  const protocols = headers['sec-websocket-protocol']
  if (protocols !== undefined && !areTokens(protocols))
    return refuse(400, 'Sec-WebSocket-Protocol is not a list of different tokens')
  return undefined
}

/** A client that goes on must say so in both headers (RFC 9110 §15.5.22) and learns which version to use (RFC 6455 §4.4). */
export const upgradeRequired = (why: string): UpgradeRefusal =>
  refuse(426, why, { upgrade: 'websocket', connection: 'Upgrade, close', 'sec-websocket-version': VERSION })

function areTokens(list: string): boolean {
  if (!TOKENS.test(list)) return false
  const tokens = list.split(',').map(token => token.trim())
  return new Set(tokens).size === tokens.length
}
