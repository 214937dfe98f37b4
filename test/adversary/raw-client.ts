import { randomBytes } from 'node:crypto'
import { connect, type Socket } from 'node:net'
import { encode } from 'posthorn/protocol'
import { onTestFinished } from 'vitest'
import type { Person } from '../helpers/events.ts'
import { nowSeconds } from '../helpers/events.ts'

export const OPCODE = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const

export interface RawOptions {
  /** Headers of the handshake beside the required ones; `host` replaces the true one. */
  readonly headers?: Readonly<Record<string, string>>
  /** Do not answer pings. */
  readonly deaf?: boolean
}

export interface Closed {
  /** 1006 when the connection ended without a close frame. */
  readonly code: number
  readonly reason: string
}

/** A WebSocket client that keeps no rules but those it is told to: frames are made by hand. */
export interface RawClient {
  /** Of the answer to the handshake: 101, or a refusal with its body. */
  readonly status: number
  readonly body: string
  readonly closed: Promise<Closed>
  readonly isClosed: boolean
  /** A whole masked text frame. */
  send(text: string): void
  frame(opcode: number, payload: string | Uint8Array, fin?: boolean): void
  raw(bytes: string | Uint8Array): void
  /** The next message of the relay that is of one of these types; others before it are passed over. Rejects when closed. */
  next(...types: string[]): Promise<unknown[]>
  /** NIP-42: waits for the challenge, answers it, waits for OK. */
  authenticate(who: Person, relayUrl?: string): Promise<unknown[]>
  /** Stops reading from the network. */
  stopReading(): void
  readOn(): void
  /** Cuts the connection. */
  destroy(): void
}

export function encodeFrame(opcode: number, payload: string | Uint8Array, fin = true): Buffer {
  const data = Buffer.from(payload)
  const mask = randomBytes(4)
  const head =
    data.length < 126
      ? Buffer.from([0, 0x80 | data.length])
      : data.length < 65_536
        ? Buffer.from([0, 0x80 | 126, data.length >> 8, data.length & 0xff])
        : Buffer.concat([Buffer.from([0, 0x80 | 127, 0, 0, 0, 0]), uint32(data.length)])
  head[0] = (fin ? 0x80 : 0) | opcode
  for (const [index, byte] of data.entries()) data[index] = byte ^ (mask[index % 4] ?? 0)
  return Buffer.concat([head, mask, data])
}

const uint32 = (n: number): Buffer => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(n)
  return bytes
}

/** Opens a TCP connection without a word. */
export function openTcp(url: string): Promise<Socket> {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  socket.on('error', () => {})
  onTestFinished(() => {
    socket.destroy()
  })
  return new Promise((resolve, reject) => {
    socket.once('connect', () => resolve(socket))
    socket.once('error', reject)
  })
}

export async function connectRaw(url: string, options: RawOptions = {}): Promise<RawClient> {
  const socket = await openTcp(url)
  const messages: unknown[][] = []
  let wake = () => {}
  let ended: Closed | undefined
  let buffer = Buffer.alloc(0)
  let upgraded: { status: number; body: string } | undefined
  let onUpgrade = (_: { status: number; body: string }) => {}
  let onClosed = (_: Closed) => {}
  const closed = new Promise<Closed>(resolve => {
    onClosed = resolve
  })
  const end = (how: Closed) => {
    if (ended !== undefined) return
    ended = how
    onClosed(how)
    wake()
  }

  const readResponse = (atEnd: boolean) => {
    const text = buffer.toString('latin1')
    const headEnd = text.indexOf('\r\n\r\n')
    if (headEnd === -1) {
      if (atEnd) upgraded = { status: 0, body: '' }
    } else {
      const status = Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1])
      const length = Number(/content-length: (\d+)/i.exec(text.slice(0, headEnd))?.[1] ?? 0)
      if (status !== 101 && buffer.length < headEnd + 4 + length && !atEnd) return
      upgraded = { status, body: status === 101 ? '' : buffer.subarray(headEnd + 4).toString() }
      buffer = buffer.subarray(headEnd + 4)
    }
    if (upgraded !== undefined) onUpgrade(upgraded)
  }
  const readFrames = () => {
    while (buffer.length >= 2) {
      const [first = 0, second = 0] = buffer
      const short = second & 0x7f
      const headLength = short < 126 ? 2 : short === 126 ? 4 : 10
      if (buffer.length < headLength) return
      const length = short < 126 ? short : short === 126 ? buffer.readUInt16BE(2) : Number(buffer.readBigUInt64BE(2))
      if (buffer.length < headLength + length) return
      const payload = buffer.subarray(headLength, headLength + length)
      buffer = buffer.subarray(headLength + length)
      const opcode = first & 0x0f
      if (opcode === OPCODE.text) {
        messages.push(JSON.parse(payload.toString()) as unknown[])
        wake()
      } else if (opcode === OPCODE.ping && !options.deaf) {
        socket.write(encodeFrame(OPCODE.pong, payload))
      } else if (opcode === OPCODE.close) {
        end({ code: length >= 2 ? payload.readUInt16BE(0) : 1005, reason: payload.subarray(2).toString() })
        socket.end(encodeFrame(OPCODE.close, payload.subarray(0, 2)))
      }
    }
  }
  socket.on('data', (data: Buffer) => {
    buffer = Buffer.concat([buffer, data])
    if (upgraded === undefined) readResponse(false)
    if (upgraded?.status === 101) readFrames()
  })
  socket.on('close', () => {
    if (upgraded === undefined) readResponse(true)
    end({ code: 1006, reason: '' })
  })

  const { host } = new URL(url)
  const headers = {
    host,
    connection: 'Upgrade',
    upgrade: 'websocket',
    'sec-websocket-version': '13',
    'sec-websocket-key': randomBytes(16).toString('base64'),
    ...options.headers,
  }
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`)
  const response = await new Promise<{ status: number; body: string }>(resolve => {
    onUpgrade = resolve
    socket.write(`GET / HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`)
  })
  const frame = (opcode: number, payload: string | Uint8Array, fin = true) => {
    socket.write(encodeFrame(opcode, payload, fin))
  }
  const client: RawClient = {
    ...response,
    closed,
    get isClosed() {
      return ended !== undefined
    },
    send: text => frame(OPCODE.text, text),
    frame,
    raw: bytes => {
      socket.write(bytes)
    },
    async next(...types) {
      for (;;) {
        const message = messages.shift()
        if (message !== undefined) {
          if (types.length === 0 || types.includes(String(message[0]))) return message
          continue
        }
        if (ended !== undefined)
          throw new Error(`closed ${ended.code} ${ended.reason} while waiting for ${types.join(', ')}`)
        await new Promise<void>(resolve => {
          wake = resolve
        })
      }
    },
    async authenticate(who, relayUrl = url) {
      const [, challenge] = await client.next('AUTH')
      const event = who.sign({
        kind: 22_242,
        created_at: nowSeconds(),
        tags: [
          ['relay', relayUrl],
          ['challenge', String(challenge)],
        ],
      })
      client.send(encode.auth(event))
      return client.next('OK')
    },
    stopReading: () => {
      socket.pause()
    },
    readOn: () => {
      socket.resume()
    },
    destroy: () => {
      socket.destroy()
    },
  }
  return client
}
