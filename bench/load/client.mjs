// One connection to a relay. Answers are told apart by their first bytes; only what a scenario needs is decoded.
import { encodeFrame, openSocket } from './websocket.mjs'

const code = text => (text.charCodeAt(0) << 8) | text.charCodeAt(1)
const EVENT = code('EV')
const EOSE = code('EO')
const OK = code('OK')
const CLOSED = code('CL')
const NOTICE = code('NO')

/** The frame of a message to a relay, masked and ready to send as often as wanted. */
export const toFrame = message => encodeFrame(JSON.stringify(message))

/** Id of the event in the EVENT message at `start`, wherever in the object it stands. */
export function eventIdAt(buffer, start) {
  const at = buffer.indexOf('"id":"', start, 'latin1')
  return buffer.latin1Slice(at + 6, at + 70)
}

/**
 * Resolves to `{ on, send, close, … }`. `on` may be replaced at any time: `event(buffer, start, end)`, `eose(text)`,
 * `ok(id, accepted, text)`, `refused(text)` for CLOSED and NOTICE, `lost(reason)`.
 */
export async function openClient(url, on = {}) {
  const client = { on, lost: undefined }
  const socket = await openSocket(url, {
    onText(buffer, start, end) {
      const kind = buffer[start + 1] === 0x22 ? (buffer[start + 2] << 8) | buffer[start + 3] : 0
      if (kind === EVENT) client.on.event?.(buffer, start, end)
      else if (kind === OK && buffer[start + 5] === 0x2c && buffer[start + 6] === 0x22)
        client.on.ok?.(buffer.latin1Slice(start + 7, start + 71), buffer[start + 73] === 0x74, () =>
          buffer.toString('utf8', start, end),
        )
      else if (kind === EOSE) client.on.eose?.(buffer.toString('utf8', start, end))
      else if (kind === CLOSED || kind === NOTICE) client.on.refused?.(buffer.toString('utf8', start, end))
    },
    onClose(reason) {
      client.lost = reason
      client.on.lost?.(reason)
    },
  })
  client.send = socket.send
  client.close = socket.close
  client.bytes = () => ({ in: socket.bytesIn, out: socket.bytesOut })
  return client
}

export const openClients = (url, count) => Promise.all(Array.from({ length: count }, () => openClient(url)))

/** Bytes of all clients so far. */
export function bytesOf(clients) {
  const sum = { in: 0, out: 0 }
  for (const client of clients) {
    const bytes = client.bytes()
    sum.in += bytes.in
    sum.out += bytes.out
  }
  return sum
}
