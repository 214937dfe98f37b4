import type { FrameRun } from './frame-run.ts'
import type { SharedText } from './shared-text.ts'

/** One end of an open text-frame connection: a WebSocket, or a pipe inside one process. */
export interface Socket {
  /** The subprotocol chosen in the WebSocket handshake. Absent or empty: none. */
  readonly protocol?: string
  /** Queues a text frame. On a closed socket it does nothing. */
  send(text: string): void
  /**
   * Queues a text frame of three parts, for transports that gain by not joining them. `body` may be the same for many sockets;
   * `tail` is ASCII. Default: `send` of the three joined.
   */
  sendParts?(head: SharedText, body: string | SharedText, tail: string): void
  /** Queues many text frames that lie together. Default: `send` of each. */
  sendRun?(run: FrameRun): void
  /** Starts the closing handshake; `onClose` follows. */
  close(code: number, reason: string): void
  /** Drops the connection without a handshake. */
  terminate(): void
  /** Stops and continues delivery of inbound frames, where the transport can; a few already received may still come. */
  pause?(): void
  resume?(): void
  /** Bytes handed to `send` and not yet taken by the network. */
  readonly unsentBytes: number
}

/** What the owner of a socket wants to hear. Exactly one `onClose` ends every socket, opened or not. */
export interface SocketEvents {
  /** Some bytes given to `send` were taken; `unsentBytes` fell. */
  onDrain?(): void
  onOpen?(): void
  onText(text: string): void
  onClose(code: number, reason: string): void
}

export interface DialOptions {
  /**
   * The address was given by a stranger: connect to the public internet only, whatever the name resolves to. A host that cannot
   * look at what names resolve to (a browser) refuses what is local by its spelling.
   */
  readonly publicOnly?: boolean
  /** Ask for compression (permessage-deflate). Browsers ask by themselves. */
  readonly deflate?: boolean
}

/** Opens a connection to `url`. Failure to connect is an `onClose` too. */
export type Dial = (url: string, events: SocketEvents, options?: DialOptions) => Socket
