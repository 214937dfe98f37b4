import type { Socket as TcpSocket } from 'node:net'

/** How a relay lies on its connections, each as the share of events concerned, 0 to 1. */
export interface Lies {
  /** Not served to those who ask, though the page says that it was complete. */
  readonly withhold?: number
  /** Served with another signature. */
  readonly forge?: number
  /** Served twice, with the position it had. */
  readonly replay?: number
  /** Acknowledged, then thrown away. */
  readonly drop?: number
}

const TEXT = 0x1
const FIN = 0x80

/** A WebSocket frame, and the bytes it came in. */
interface Frame {
  readonly bytes: Buffer
  readonly text: string | undefined
}

/** Cuts a stream of WebSocket frames after the HTTP head of the handshake (RFC 6455 §5.2). */
function frames(onHead: (bytes: Buffer) => void, onFrame: (frame: Frame) => void): (chunk: Buffer) => void {
  let rest = Buffer.alloc(0)
  let isOpen = false
  return chunk => {
    rest = Buffer.concat([rest, chunk])
    if (!isOpen) {
      const end = rest.indexOf('\r\n\r\n')
      if (end < 0) return
      const head = rest.subarray(0, end + 4)
      // What is no handshake is HTTP, and passes as it is.
      isOpen = /^upgrade:\s*websocket/im.test(head.toString('latin1'))
      if (!isOpen) {
        onHead(rest)
        rest = Buffer.alloc(0)
        return
      }
      onHead(head)
      rest = rest.subarray(end + 4)
    }
    for (let frame = first(rest); frame !== undefined; frame = first(rest)) {
      rest = rest.subarray(frame.bytes.length)
      onFrame(frame)
    }
  }
}

function first(data: Buffer): Frame | undefined {
  if (data.length < 2) return undefined
  const isMasked = ((data[1] ?? 0) & 0x80) !== 0
  let length = (data[1] ?? 0) & 0x7f
  let at = 2
  if (length === 126) {
    if (data.length < 4) return undefined
    length = data.readUInt16BE(2)
    at = 4
  } else if (length === 127) {
    if (data.length < 10) return undefined
    length = Number(data.readBigUInt64BE(2))
    at = 10
  }
  const mask = isMasked ? data.subarray(at, at + 4) : undefined
  if (mask) at += 4
  if (data.length < at + length) return undefined
  const bytes = data.subarray(0, at + length)
  if (data[0] !== (FIN | TEXT)) return { bytes, text: undefined }
  const payload = Buffer.from(bytes.subarray(at))
  if (mask) for (let n = 0; n < payload.length; n += 1) payload[n] = (payload[n] ?? 0) ^ (mask[n % 4] ?? 0)
  return { bytes, text: payload.toString('utf8') }
}

/** An unmasked text frame, as servers send. */
function frameOf(text: string): Buffer {
  const payload = Buffer.from(text)
  const { length } = payload
  if (length < 126) return Buffer.concat([Buffer.from([FIN | TEXT, length]), payload])
  const head = Buffer.alloc(length < 65_536 ? 4 : 10)
  head[0] = FIN | TEXT
  head[1] = length < 65_536 ? 126 : 127
  if (length < 65_536) head.writeUInt16BE(length, 2)
  else head.writeBigUInt64BE(BigInt(length), 2)
  return Buffer.concat([head, payload])
}

/** Joins a client to a relay and lies in the relay's name, as `lies` has it at each frame. `chance` says yes that often. */
export function lieBetween(
  client: TcpSocket,
  relay: TcpSocket,
  lies: () => Lies,
  chance: (share: number | undefined) => boolean,
): void {
  const fromRelay = frames(
    head => client.write(head),
    ({ bytes, text }) => {
      if (!text?.startsWith('["EVENT",')) return client.write(bytes)
      if (chance(lies().withhold)) return undefined
      client.write(chance(lies().forge) ? frameOf(forged(text)) : bytes)
      if (chance(lies().replay)) client.write(bytes)
      return undefined
    },
  )
  const fromClient = frames(
    head => relay.write(head),
    ({ bytes, text }) => {
      if (!text?.startsWith('["EVENT",') || !chance(lies().drop)) return relay.write(bytes)
      const [, { id }] = JSON.parse(text) as ['EVENT', { id: string }]
      return client.write(frameOf(JSON.stringify(['OK', id, true, ''])))
    },
  )
  relay.on('data', chunk => fromRelay(chunk as Buffer))
  client.on('data', chunk => fromClient(chunk as Buffer))
}

function forged(text: string): string {
  const [verb, sub, event, ...seq] = JSON.parse(text) as ['EVENT', string, { sig: string }, ...unknown[]]
  return JSON.stringify([verb, sub, { ...event, sig: event.sig.slice(1) + event.sig.slice(0, 1) }, ...seq])
}
