import WebSocket from 'ws'
import { WIRE_LIMITS } from '../protocol/wire-limits.ts'
import { isPublicHost } from './address-class.ts'
import { connectReason } from './connect-reason.ts'
import { publicLookup } from './public-lookup.ts'
import type { Dial, Socket } from './socket.ts'

/** A client may be sent frames larger than it may send (event plus envelope), still bounded. */
const MAX_INBOUND_BYTES = WIRE_LIMITS.frameBytes * 4

const NO_SOCKET: Socket = { send() {}, close() {}, terminate() {}, unsentBytes: 0 }

/** WebSocket client for Node (`ws`): compression only if asked for, bounded frames, 10 s handshake, no redirects. */
export const dialNode: Dial = (url, events, { publicOnly = false, deflate = false } = {}) => {
  let closed = false
  const onClose = (code: number, reason: string) => {
    if (closed) return
    closed = true
    events.onClose(code, reason)
  }
  let socket: WebSocket
  try {
    // Literal addresses are never looked up, so they are checked here.
    if (publicOnly && !isPublicHost(new URL(url).hostname)) throw new Error('not on the public internet')
    socket = new WebSocket(url, {
      perMessageDeflate: deflate,
      maxPayload: MAX_INBOUND_BYTES,
      handshakeTimeout: 10_000,
      ...(publicOnly ? { lookup: publicLookup } : {}),
    })
  } catch (error) {
    // An address that is none. Told like any other failure to connect, and like any other not before the caller has its socket.
    queueMicrotask(() => onClose(1006, error instanceof Error ? error.message : String(error)))
    return NO_SOCKET
  }
  let failure = ''
  socket.on('open', () => events.onOpen?.())
  socket.on('message', (data, isBinary) => {
    if (isBinary) return socket.close(1003, 'text frames only')
    events.onText(data.toString())
  })
  socket.on('error', error => {
    failure = connectReason(error, url)
  })
  socket.on('close', (code, reason) => onClose(code, reason.toString() || failure))
  return {
    send: text => {
      if (socket.readyState === WebSocket.OPEN) socket.send(text)
    },
    close: (code, reason) => socket.close(code, reason),
    terminate: () => socket.terminate(),
    get unsentBytes() {
      return socket.bufferedAmount
    },
  }
}
