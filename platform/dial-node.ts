import WebSocket from 'ws'
import { LIMITS } from '../protocol/limits.ts'
import type { Dial } from './socket.ts'

/** A client may be sent frames larger than it may send (event plus envelope), still bounded. */
const MAX_INBOUND_BYTES = LIMITS.frameBytes.value * 4

/** WebSocket client for Node (`ws`): no compression, bounded frames, 10 s handshake. */
export const dialNode: Dial = (url, events) => {
  let closed = false
  const onClose = (code: number, reason: string) => {
    if (closed) return
    closed = true
    events.onClose(code, reason)
  }
  const socket = new WebSocket(url, {
    perMessageDeflate: false,
    maxPayload: MAX_INBOUND_BYTES,
    handshakeTimeout: 10_000,
  })
  let failure = ''
  socket.on('open', () => events.onOpen?.())
  socket.on('message', (data, isBinary) => {
    if (isBinary) return socket.close(1003, 'text frames only')
    events.onText(data.toString())
  })
  socket.on('error', error => {
    failure = error.message
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
