import type { Socket, SocketEvents } from '../platform/socket.ts'
import type { Cancel, Timers } from '../platform/timers.ts'
import { CLOSE } from '../protocol/close-codes.ts'
import { byteLength, type NostrEvent } from '../protocol/event.ts'
import type { Filter } from '../protocol/filter.ts'
import { type ClientFrame, encode, type FrameError, parseClientFrame } from '../protocol/frames.ts'
import type { Limits } from '../protocol/limits.ts'
import { REASONS, reason } from '../protocol/reasons.ts'
import type { Follower, Outlet } from './follower.ts'
import type { Ingest } from './ingest.ts'
import type { LiveIndex } from './live.ts'

/** What a connection needs of the relay. */
export interface ConnectionHost {
  readonly limits: Limits
  readonly timers: Timers
  readonly ingest: Ingest
  readonly live: LiveIndex
  /** Starts a subscription; it is filed under its id before this returns. */
  subscribe(connection: Connection, sub: string, filters: readonly Filter[]): void
  count(connection: Connection, sub: string, filters: readonly Filter[]): void
}

/** One client: its frames in arrival order, its subscriptions, and how much it has left unread. */
export class Connection implements Outlet, SocketEvents {
  readonly #socket: Socket
  readonly #host: ConnectionHost
  readonly #onEnd: () => void
  readonly #followers = new Map<string, Follower>()
  #writable: { promise: Promise<void>; resolve: () => void } | undefined
  #cancelStall: Cancel | undefined
  #lowest = Number.POSITIVE_INFINITY
  #ended = false
  #deaf = false
  #unanswered = 0
  #turn: Promise<void> = Promise.resolve()

  constructor(socket: Socket, host: ConnectionHost, onEnd: () => void) {
    this.#socket = socket
    this.#host = host
    this.#onEnd = onEnd
  }

  /** Keys authenticated on this connection; none before NIP-42 is spoken. */
  readonly keys: readonly string[] = []

  /** From now on nothing more is read; what was, is still answered. */
  stopReading(): void {
    this.#deaf = true
  }

  onText(text: string): void {
    if (this.#deaf) return
    const { limits } = this.#host
    if (text.length > limits.frameBytes || byteLength(text) > limits.frameBytes)
      return this.end(CLOSE.tooBig, `a frame is at most ${limits.frameBytes} bytes`)
    const frame = parseClientFrame(text, limits)
    if (frame.ok) this.#handle(frame.value)
    else this.#refuse(frame.error)
  }

  onClose(): void {
    if (this.#ended) return
    this.#ended = true
    for (const follower of this.#followers.values()) this.#drop(follower)
    this.#cancelStall?.()
    this.#writable?.resolve()
    this.#onEnd()
  }

  /** The network took some bytes. */
  onDrain(): void {
    const unsent = this.#socket.unsentBytes
    if (unsent < this.#lowest) {
      this.#lowest = unsent
      this.#cancelStall?.()
      this.#cancelStall = undefined
    }
    // A quarter of the high mark: enough left to keep the network busy, room for a whole page.
    if (unsent <= this.#host.limits.outboundHighBytes / 4) {
      this.#lowest = Number.POSITIVE_INFINITY
      this.#writable?.resolve()
      this.#writable = undefined
      for (const follower of this.#followers.values()) follower.resume()
    } else this.#watchForStall()
  }

  send(text: string): void {
    if (this.#ended) return
    this.#socket.send(text)
    const unsent = this.#socket.unsentBytes
    if (unsent > this.#host.limits.outboundHardBytes)
      return this.end(CLOSE.tryLater, 'too slow; resume from your cursor')
    if (unsent > this.#host.limits.outboundHighBytes) this.#watchForStall()
  }

  get congested(): boolean {
    return !this.#ended && this.#socket.unsentBytes > this.#host.limits.outboundHighBytes
  }

  async inTurn<T>(run: () => Promise<T>): Promise<T> {
    const before = this.#turn
    const { promise, resolve } = withResolvers()
    this.#turn = promise
    await before
    try {
      await this.#untilWritable()
      return await run()
    } finally {
      resolve()
    }
  }

  #untilWritable(): Promise<void> {
    if (!this.congested) return Promise.resolve()
    if (this.#writable === undefined) {
      const { promise, resolve } = withResolvers()
      this.#writable = { promise, resolve }
    }
    return this.#writable.promise
  }

  /** Files a subscription under its id, in place of an older one. Its filters are live from here on. */
  adopt(follower: Follower): void {
    this.#followers.set(follower.sub, follower)
    this.#host.live.add(follower)
  }

  /** Ends a subscription from our side and says why. */
  closeSubscription(sub: string, message: string): void {
    this.retire(sub)
    this.send(encode.closed(sub, message))
  }

  /** Ends a subscription without a word: CLOSE, a page that is complete, a REQ that takes its id. */
  retire(sub: string): void {
    const follower = this.#followers.get(sub)
    if (follower === undefined) return
    this.#followers.delete(sub)
    this.#drop(follower)
  }

  get followers(): Iterable<Follower> {
    return this.#followers.values()
  }

  /** Closes the connection; `onClose` follows from the socket, our own bookkeeping ends now. */
  end(code: number, why: string): void {
    if (this.#ended) return
    this.#deaf = true
    this.#socket.close(code, why)
    this.onClose()
  }

  #handle(frame: ClientFrame): void {
    switch (frame.type) {
      case 'EVENT':
        return this.#publish(frame.event)
      case 'REQ': {
        this.retire(frame.sub)
        const { subscriptions } = this.#host.limits
        if (this.#followers.size >= subscriptions)
          return this.send(
            encode.closed(
              frame.sub,
              reason('rate-limited', `${subscriptions} subscriptions are open; CLOSE one first`),
            ),
          )
        return this.#host.subscribe(this, frame.sub, frame.filters)
      }
      case 'COUNT':
        return this.#host.count(this, frame.sub, frame.filters)
      case 'CLOSE':
        return this.retire(frame.sub)
    }
  }

  /** A client that sends faster than signatures are checked waits in its own socket, not in our memory. */
  #publish(event: NostrEvent): void {
    const { unverified } = this.#host.limits
    this.#unanswered += 1
    if (this.#unanswered === unverified) this.#socket.pause?.()
    this.#host.ingest.push(event, (accepted, message) => {
      this.#unanswered -= 1
      this.send(encode.ok(event.id, accepted, message))
      if (this.#unanswered === Math.floor(unverified / 2)) this.#socket.resume?.()
    })
  }

  #refuse({ to, reason: message }: FrameError): void {
    if (to === undefined) return this.send(encode.notice(message))
    if ('ok' in to) return this.send(encode.ok(to.ok, false, message))
    this.closeSubscription(to.closed, message)
  }

  #drop(follower: Follower): void {
    follower.close()
    this.#host.live.remove(follower)
  }

  #watchForStall(): void {
    if (this.#cancelStall !== undefined || this.#ended) return
    this.#cancelStall = this.#host.timers.after(
      this.#host.limits.stalledMs,
      () => {
        for (const { sub } of this.#followers.values()) this.#socket.send(encode.closed(sub, REASONS.tooSlow))
        this.end(CLOSE.tryLater, 'no progress; resume from your cursor')
      },
      { background: true },
    )
  }
}

function withResolvers(): { promise: Promise<void>; resolve: () => void } {
  let resolve = () => {}
  const promise = new Promise<void>(done => {
    resolve = done
  })
  return { promise, resolve }
}
