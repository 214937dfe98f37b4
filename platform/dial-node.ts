import type { IncomingMessage } from 'node:http'
import WebSocket from 'ws'
import { SEQ_SUBPROTOCOL } from '../protocol/hints.ts'
import { WIRE_LIMITS } from '../protocol/wire-limits.ts'
import { isPublicHost } from './address-class.ts'
import { connectReason } from './connect-reason.ts'
import { routeTo } from './proxy.ts'
import { publicLookup } from './public-lookup.ts'
import type { Dial, Socket } from './socket.ts'

/** A client may be sent frames larger than it may send (event plus envelope), still bounded. */
const MAX_INBOUND_BYTES = WIRE_LIMITS.frameBytes * 4

const NO_SOCKET: Socket = { send() {}, close() {}, terminate() {}, unsentBytes: 0 }

/** Addresses that refused the handshake while a subprotocol was offered, and took it without. Forgotten when there are many. */
const plainOnly = new Set<string>()
const MOST_PLAIN_ONLY = 1_000

/**
 * WebSocket client for Node (`ws`): compression only if asked for, bounded frames, 10 s handshake, no redirects. It offers the
 * subprotocol `nostr-seq`. Where the environment names a proxy for the address, it goes through that. A server may select none (RFC 6455 §4.1); one that refuses the offer (400, or a hang-up) is asked once more
 * without it.
 */
export const dialNode: Dial = (url, events, { publicOnly = false, deflate = false } = {}) => {
  let closed = false
  /** The owner has ended it: no second attempt. */
  let isEnded = false
  let socket: WebSocket
  const onClose = (code: number, reason: string) => {
    if (closed) return
    closed = true
    events.onClose(code, reason)
  }
  const open = (offers: boolean): WebSocket => {
    const { agent, proxy } = routeTo(url, publicOnly)
    const current = new WebSocket(url, offers ? [SEQ_SUBPROTOCOL] : [], {
      perMessageDeflate: deflate,
      maxPayload: MAX_INBOUND_BYTES,
      handshakeTimeout: 10_000,
      ...(agent ? { agent } : publicOnly ? { lookup: publicLookup } : {}),
    })
    let failure = ''
    let isRefused = false
    // `ws` fails where the server selects none, which RFC 6455 allows and servers that know no subprotocol do.
    if (offers)
      current.once('upgrade', ({ headers }: IncomingMessage) => {
        headers['sec-websocket-protocol'] ??= SEQ_SUBPROTOCOL
      })
    current.on('open', () => {
      if (!offers) rememberPlain(url)
      events.onOpen?.()
    })
    current.on('message', (data, isBinary) => {
      if (isBinary) return current.close(1003, 'text frames only')
      events.onText(data.toString())
    })
    current.on('error', (error: NodeJS.ErrnoException) => {
      failure = throughProxy(connectReason(error, url), proxy)
      isRefused = error.code === 'ECONNRESET' || error.message === 'Unexpected server response: 400'
    })
    current.on('close', (code, reason) => {
      if (offers && isRefused && !isEnded) socket = open(false)
      else onClose(code, reason.toString() || failure)
    })
    return current
  }
  try {
    // Literal addresses are never looked up, so they are checked here.
    if (publicOnly && !isPublicHost(new URL(url).hostname)) throw new Error('not on the public internet')
    socket = open(!plainOnly.has(url))
  } catch (error) {
    // An address that is none. Told like any other failure to connect, and like any other not before the caller has its socket.
    queueMicrotask(() => onClose(1006, error instanceof Error ? error.message : String(error)))
    return NO_SOCKET
  }
  return {
    send: text => {
      if (socket.readyState === WebSocket.OPEN) socket.send(text)
    },
    close: (code, reason) => {
      isEnded = true
      socket.close(code, reason)
    },
    terminate: () => {
      isEnded = true
      socket.terminate()
    },
    get unsentBytes() {
      return socket.bufferedAmount
    },
  }
}

/** Who reads why a relay was not reached is told that a proxy was between. */
const throughProxy = (reason: string, proxy: string | undefined): string =>
  proxy === undefined || reason.includes(proxy) ? reason : `${reason}, through the proxy ${proxy}`

function rememberPlain(url: string): void {
  if (plainOnly.size >= MOST_PLAIN_ONLY) plainOnly.clear()
  plainOnly.add(url)
}
