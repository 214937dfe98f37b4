import { setTimeout as delay } from 'node:timers/promises'
import { type FilterJson, type NostrEvent, SEQ_SUBPROTOCOL } from 'posthorn/protocol'
import { onTestFinished } from 'vitest'
import WebSocket from 'ws'

export type Frame = readonly unknown[]
export interface Closed {
  readonly code: number
  readonly reason: string
}

/** A raw client: frames in, frames out, nothing interpreted. Each frame is looked at once, in order. */
export interface Wire {
  /** Of the AUTH that greeted this connection (NIP-42); it is in no list of frames. */
  readonly challenge: string
  /** Every frame since the greeting, in order. */
  readonly received: readonly Frame[]
  readonly socket: WebSocket
  readonly closed: Promise<Closed>
  send(...frame: unknown[]): void
  sendText(text: string): void
  /** The very next frame. */
  next(): Promise<Frame>
  /** The next frame that fits, passing over others. */
  find(fits: (frame: Frame) => boolean): Promise<Frame>
  /** All frames up to and with the first that fits. */
  until(fits: (frame: Frame) => boolean): Promise<Frame[]>
  /** Everything not yet looked at. */
  rest(): Frame[]
  /** Publishes and waits for its OK. */
  publish(event: NostrEvent): Promise<Frame>
  /** REQ and everything up to its EOSE or CLOSED. */
  request(sub: string, ...filters: FilterJson[]): Promise<Frame[]>
  count(...filters: FilterJson[]): Promise<Frame>
  /** Time enough for whatever the relay still wanted to say. */
  quiet(): Promise<void>
  close(): Promise<Closed>
}

const PATIENCE_MS = 8_000

export const isFor =
  (...start: readonly unknown[]) =>
  (frame: Frame): boolean =>
    start.every((value, index) => frame[index] === value)

export const endOf = (sub: string) => (frame: Frame) =>
  (frame[0] === 'EOSE' || frame[0] === 'CLOSED') && frame[1] === sub

/** The hints of an EOSE, `name:value` split. */
export function hintsOf(frame: Frame | undefined): Record<string, string> {
  const hints = (frame?.[2] ?? []) as string[]
  return Object.fromEntries(hints.map(hint => hint.split(':', 2)).map(([name, value]) => [name, value ?? '']))
}

export const idsOf = (frames: readonly Frame[]): string[] =>
  frames.filter(frame => frame[0] === 'EVENT').map(frame => (frame[2] as NostrEvent).id)
export const seqsOf = (frames: readonly Frame[]): number[] =>
  frames.filter(frame => frame[0] === 'EVENT').map(frame => frame[3] as number)

/** The seq that an OK told. */
export function seqOf(ok: Frame): number {
  const match = /seq:? (\d+)$/.exec(String(ok[3]))
  if (ok[2] !== true || match === null) throw new Error(`no seq in ${JSON.stringify(ok)}`)
  return Number(match[1])
}

export interface WireOptions extends WebSocket.ClientOptions {
  /** Subprotocols that are offered. */
  readonly protocols?: readonly string[]
}

/** A client that reads EOSE hints and says so in its handshake. */
export const READS_HINTS: WireOptions = { protocols: [SEQ_SUBPROTOCOL] }

export async function connect(url: string, { protocols = [], ...options }: WireOptions = {}): Promise<Wire> {
  const socket = new WebSocket(url, [...protocols], { perMessageDeflate: false, ...options })
  const received: Frame[] = []
  let seen = 0
  let wake = () => {}
  let counts = 0
  let challenge: string | undefined
  socket.on('message', data => {
    const frame: Frame = JSON.parse(data.toString())
    if (challenge === undefined && frame[0] === 'AUTH') challenge = String(frame[1])
    else received.push(frame)
    wake()
  })
  const closed = new Promise<Closed>(resolve => {
    socket.on('close', (code, reason) => {
      resolve({ code, reason: reason.toString() })
      wake()
    })
  })
  await new Promise<void>((resolve, reject) => {
    socket.once('open', () => resolve())
    socket.once('error', reject)
  })
  socket.on('error', () => {})
  onTestFinished(() => socket.terminate())

  async function more(what: string): Promise<void> {
    if (socket.readyState === WebSocket.CLOSED) throw new Error(`closed while waiting for ${what}; got ${tail()}`)
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`no ${what} in ${PATIENCE_MS} ms; got ${tail()}`)), PATIENCE_MS)
      wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }
  const tail = () => JSON.stringify(received.slice(-5)).slice(0, 1_500)

  while (challenge === undefined) {
    if (received.length > 0) throw new Error(`greeted with ${tail()}, not with a challenge`)
    await more('challenge')
  }
  const wire: Wire = {
    challenge,
    received,
    socket,
    closed,
    send: (...frame) => socket.send(JSON.stringify(frame)),
    sendText: text => socket.send(text),
    async next() {
      while (seen >= received.length) await more('frame')
      seen += 1
      return received[seen - 1] ?? []
    },
    async find(fits) {
      return (await wire.until(fits)).at(-1) ?? []
    },
    async until(fits) {
      const frames: Frame[] = []
      for (;;) {
        while (seen >= received.length) await more('fitting frame')
        const frame = received[seen] ?? []
        seen += 1
        frames.push(frame)
        if (fits(frame)) return frames
      }
    },
    rest() {
      const frames = received.slice(seen)
      seen = received.length
      return frames
    },
    publish(event) {
      wire.send('EVENT', event)
      return wire.find(isFor('OK', event.id))
    },
    request(sub, ...filters) {
      wire.send('REQ', sub, ...filters)
      return wire.until(endOf(sub))
    },
    count(...filters) {
      counts += 1
      const sub = `count ${counts}`
      wire.send('COUNT', sub, ...filters)
      return wire.find(frame => (frame[0] === 'COUNT' || frame[0] === 'CLOSED') && frame[1] === sub)
    },
    async quiet() {
      await delay(60)
    },
    async close() {
      socket.close(1000)
      return closed
    },
  }
  return wire
}
