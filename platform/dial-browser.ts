import { isPublicHost } from './address-class.ts'
import type { Dial, Socket } from './socket.ts'
import { systemTimers } from './timers.ts'

/** As with the Node client; browsers would wait for minutes. */
const HANDSHAKE_MS = 10_000
/** The close codes that a page may send (WHATWG WebSockets, `close()`). */
const maySend = (code: number): boolean => code === 1000 || (code >= 3000 && code <= 4999)

const NO_SOCKET: Socket = { send() {}, close() {}, terminate() {}, unsentBytes: 0 }

/** The host's own WebSocket: browsers, workers, and wherever else there is one. It tells no reason for a failure to connect. */
export const dialBrowser: Dial = (url, events, { publicOnly = false } = {}) => {
  let closed = false
  let opened = false
  let socket: WebSocket
  const end = (code: number, reason: string) => {
    if (closed) return
    closed = true
    cancel()
    events.onClose(code, reason)
  }
  const cancel = systemTimers.after(HANDSHAKE_MS, () => terminate('no answer to the handshake'))
  const endLater = (reason: string) => queueMicrotask(() => end(1006, reason))
  // There is no hard end here: we stop listening, and the browser closes when it can.
  const terminate = (reason: string) => {
    socket.close()
    endLater(reason)
  }
  try {
    // What a name resolves to cannot be seen here; browsers guard private networks themselves, as far as they do.
    if (publicOnly && !isPublicHost(new URL(url).hostname)) throw new Error('not on the public internet')
    socket = new WebSocket(url)
  } catch (error) {
    // An address that is none, or ws: from a page served over https.
    endLater(error instanceof Error ? error.message : String(error))
    return NO_SOCKET
  }
  socket.onopen = () => {
    if (closed) return
    opened = true
    cancel()
    events.onOpen?.()
  }
  socket.onmessage = ({ data }) => {
    if (closed) return
    if (typeof data === 'string') events.onText(data)
    else terminate('text frames only')
  }
  socket.onclose = ({ code, reason }) => end(code, reason || (opened ? '' : 'cannot connect'))
  return {
    send: text => {
      if (socket.readyState === WebSocket.OPEN) socket.send(text)
    },
    close: (code, reason) => (maySend(code) ? socket.close(code, reason) : socket.close()),
    terminate: () => terminate('terminated'),
    get unsentBytes() {
      return socket.bufferedAmount
    },
  }
}
