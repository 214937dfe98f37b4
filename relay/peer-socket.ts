import type { Duplex } from 'node:stream'
import { type RawData, WebSocket } from 'ws'
import { type FrameRun, messagesOf } from '../platform/frame-run.ts'
import type { FrameWriter, FrameWriters } from '../platform/frame-writer.ts'
import type { SharedText } from '../platform/shared-text.ts'
import type { Socket, SocketEvents } from '../platform/socket.ts'
import { CLOSE } from '../protocol/close-codes.ts'
import { DEFLATED_FROM } from './deflate.ts'

/** A peer that misses this many pings in a row is gone. */
const MISSED_PINGS = 2

/** What the sockets of one server share. */
export interface PeerSockets {
  readonly writers: FrameWriters
  readonly open: Set<PeerSocket>
  /** How many pings and pongs one peer may send between two pings of ours. */
  readonly controlFrames: number
}

/**
 * A client's WebSocket. `ws` reads it, answers pings and shakes hands; what is sent goes through a frame writer, for one socket's
 * frames of one turn in one write. With permessage-deflate a frame is this socket's alone, so `ws` compresses and sends it. There are thousands of these: nothing here is a closure or a timer of its own.
 */
export class PeerSocket extends WebSocket implements Socket {
  #writer: FrameWriter | undefined
  #events: SocketEvents | undefined
  #missedPings = 0
  /** Pings and pongs since our last ping. */
  #controls = 0
  #shared: PeerSockets | undefined
  #sent: ((error?: Error) => void) | undefined

  /** Begins to send over the stream that it was upgraded from. */
  attach(stream: Duplex, shared: PeerSockets): void {
    this.#shared = shared
    if (this.extensions === '') this.#writer = shared.writers.open(stream, this)
    shared.open.add(this)
    this.on('message', this.#onMessage)
    this.on('ping', this.#onPing)
    this.on('pong', this.#onPong)
    this.on('close', this.#onClose)
    // The close event follows; without a listener an error would end the process.
    this.on('error', ignore)
  }

  /** Who is told what this socket does. */
  listen(events: SocketEvents): void {
    this.#events = events
  }

  override send(text: string): void {
    if (this.readyState !== WebSocket.OPEN) return
    if (this.#writer !== undefined) this.#writer.send(text)
    else super.send(text, { compress: text.length >= DEFLATED_FROM }, this.#onSent)
  }

  sendParts(head: SharedText, body: string | SharedText, tail: string): void {
    if (this.#writer === undefined) this.send(`${head.text}${typeof body === 'string' ? body : body.text}${tail}`)
    else if (this.readyState === WebSocket.OPEN) this.#writer.send(body, head, tail)
  }

  sendRun(run: FrameRun): void {
    if (this.#writer === undefined) for (const message of messagesOf(run)) this.send(message)
    else if (this.readyState === WebSocket.OPEN) this.#writer.sendRun(run)
  }

  get unsentBytes(): number {
    return this.#writer?.unsentBytes ?? this.bufferedAmount
  }

  /** Also called by `ws` when the peer closes: nothing may follow the close frame, so what waits goes first. */
  override close(code?: number, reason?: string | Buffer): void {
    this.#writer?.flushAll()
    super.close(code, reason)
  }

  /** Asks for a sign of life; a peer that has given none for too long is dropped. */
  pingOrDrop(): void {
    if (this.#missedPings >= MISSED_PINGS) return this.terminate()
    this.#controls = 0
    this.#missedPings += 1
    this.ping()
  }

  /** The system took some of what was written. */
  onTaken(): void {
    this.#events?.onDrain?.()
  }

  /** Of a failed stream the close follows. */
  get #onSent(): (error?: Error) => void {
    this.#sent ??= error => {
      if (error == null) this.onTaken()
    }
    return this.#sent
  }

  #onMessage(data: RawData, isBinary: boolean): void {
    if (isBinary) return this.close(CLOSE.unsupportedData, 'text frames only')
    this.#events?.onText(data.toString())
  }

  #onPing(): void {
    this.#controls += 1
    if (this.#shared !== undefined && this.#controls > this.#shared.controlFrames)
      this.close(CLOSE.policy, 'too many pings')
  }

  #onPong(): void {
    this.#missedPings = 0
    this.#onPing()
  }

  #onClose(code: number, reason: Buffer): void {
    this.#shared?.open.delete(this)
    this.#events?.onClose(code, reason.toString())
  }
}

const ignore = () => {}
