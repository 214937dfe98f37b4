// A WebSocket client that costs as little as possible: frames are made beforehand, answers are found in the bytes as they
// arrive and handed on as a range of a buffer. No extensions, so a server cannot compress.
import { randomBytes } from 'node:crypto'
import { connect } from 'node:net'

const TEXT = 0x1
const CLOSE = 0x8
const PING = 0x9
const PONG = 0xa

/** A masked client frame. The mask is random: servers have a short cut for a mask of zeros. */
export function encodeFrame(payload, opcode = TEXT) {
  const body = typeof payload === 'string' ? Buffer.from(payload) : payload
  const extra = body.length < 126 ? 0 : body.length < 65_536 ? 2 : 8
  const frame = Buffer.allocUnsafe(6 + extra + body.length)
  frame[0] = 0x80 | opcode
  frame[1] = 0x80 | (extra === 0 ? body.length : extra === 2 ? 126 : 127)
  if (extra === 2) frame.writeUInt16BE(body.length, 2)
  if (extra === 8) frame.writeBigUInt64BE(BigInt(body.length), 2)
  const start = 6 + extra
  const mask = randomBytes(4)
  mask.copy(frame, start - 4)
  for (let i = 0; i < body.length; i++) frame[start + i] = body[i] ^ mask[i & 3]
  return frame
}

/**
 * Opens a connection. `onText(buffer, start, end)` is called for every message, `onClose(reason)` once when the connection
 * is lost without having been closed here.
 */
export function openSocket(url, { onText, onClose }) {
  const { hostname, port, pathname, search, protocol } = new URL(url)
  if (protocol !== 'ws:') throw new TypeError(`${url}: the load generator speaks plain ws:// only`)
  const host = hostname.replace(/^\[|\]$/g, '')
  return new Promise((resolve, reject) => {
    const tcp = connect({ host, port: Number(port || 80), noDelay: true })
    const socket = { bytesIn: 0, bytesOut: 0, closed: false, send, close }
    let parse = greet
    let rest
    let fragments = []
    let ended = false

    function send(frame) {
      socket.bytesOut += frame.length
      tcp.write(frame)
    }

    function close() {
      socket.closed = true
      ended = true
      tcp.destroy()
    }

    function end(reason) {
      if (ended) return
      ended = true
      socket.closed = true
      tcp.destroy()
      if (parse === greet) reject(new Error(`${url}: ${reason}`))
      else onClose?.(reason)
    }

    /** The answer to the upgrade; returns how many bytes it took. */
    function greet(chunk) {
      const at = chunk.indexOf('\r\n\r\n')
      if (at < 0) return 0
      const head = chunk.toString('latin1', 0, at)
      if (!/^HTTP\/1\.1 101 /.test(head)) {
        end(`no WebSocket: ${head.split('\r\n')[0]}`)
        return chunk.length
      }
      parse = frames
      resolve(socket)
      return at + 4
    }

    /** All whole frames of a chunk; returns how many bytes they took. */
    function frames(chunk) {
      let at = 0
      while (!ended && at + 2 <= chunk.length) {
        let length = chunk[at + 1] & 0x7f
        let head = 2
        if (length === 126) {
          if (at + 4 > chunk.length) break
          length = chunk.readUInt16BE(at + 2)
          head = 4
        } else if (length === 127) {
          if (at + 10 > chunk.length) break
          length = Number(chunk.readBigUInt64BE(at + 2))
          head = 10
        }
        const start = at + head
        if (start + length > chunk.length) break
        frame(chunk, chunk[at], start, start + length)
        at = start + length
      }
      return at
    }

    function frame(chunk, first, start, stop) {
      const opcode = first & 0x0f
      if (opcode === PING) return send(encodeFrame(chunk.subarray(start, stop), PONG))
      if (opcode === PONG) return
      if (opcode === CLOSE)
        return end(
          `closed ${stop - start < 2 ? '' : chunk.readUInt16BE(start)} ${chunk.toString('utf8', start + 2, stop)}`,
        )
      const final = (first & 0x80) !== 0
      if (final && fragments.length === 0) return onText(chunk, start, stop)
      fragments.push(Buffer.from(chunk.subarray(start, stop)))
      if (!final) return
      const whole = Buffer.concat(fragments)
      fragments = []
      onText(whole, 0, whole.length)
    }

    tcp.on('data', data => {
      socket.bytesIn += data.length
      const chunk = rest === undefined ? data : Buffer.concat([rest, data])
      // Whatever these answers make us send leaves as one write.
      tcp.cork()
      let taken = parse(chunk)
      if (taken > 0 && taken < chunk.length && parse === frames) taken += frames(chunk.subarray(taken))
      tcp.uncork()
      rest = taken < chunk.length ? chunk.subarray(taken) : undefined
    })
    tcp.on('error', error => end(error.message))
    tcp.on('close', () => end('connection lost'))
    tcp.on('connect', () =>
      tcp.write(
        `GET ${pathname}${search} HTTP/1.1\r\nHost: ${hostname}:${port || 80}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
          `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}\r\nSec-WebSocket-Version: 13\r\n\r\n`,
      ),
    )
  })
}
