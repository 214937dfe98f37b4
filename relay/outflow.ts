import { type FrameRun, messagesOf } from '../platform/frame-run.ts'
import type { SharedText } from '../platform/shared-text.ts'
import type { Socket } from '../platform/socket.ts'
import type { Cancel, Timers } from '../platform/timers.ts'
import type { Limits } from '../protocol/limits.ts'

type OutboundLimits = Pick<Limits, 'outboundHighBytes' | 'outboundHardBytes' | 'stalledMs'>

/** Whose outflow it is. */
export interface OutflowOwner {
  /** There is room again: whoever lagged may go on from the log. */
  onRoom(): void
  /** More is unsent than we are willing to hold. */
  onOverflow(): void
  /** Nothing has left for `stalledMs`. */
  onStall(): void
  /** Turns taken changed. */
  onTurn(): void
}

/**
 * What one connection has been sent and has not taken. Above the high mark nothing is pushed and pages wait; a quarter of it must
 * be reached again first. Reading and sending happens one turn at a time, so that many subscriptions cannot overfill it together.
 */
export class Outflow {
  readonly #owner: OutflowOwner
  readonly #socket: Socket
  readonly #timers: Timers
  readonly #limits: OutboundLimits
  #writable: { readonly promise: Promise<void>; readonly resolve: () => void } | undefined
  #cancelStall: Cancel | undefined
  #lowest = Number.POSITIVE_INFINITY
  #last: Promise<void> | undefined
  #turns = 0
  #ended = false

  constructor(owner: OutflowOwner, socket: Socket, host: { readonly timers: Timers; readonly limits: OutboundLimits }) {
    this.#owner = owner
    this.#socket = socket
    this.#timers = host.timers
    this.#limits = host.limits
  }

  /** Turns taken and waited for. */
  get turns(): number {
    return this.#turns
  }

  get congested(): boolean {
    return !this.#ended && this.#socket.unsentBytes > this.#limits.outboundHighBytes
  }

  send(text: string): void {
    if (this.#ended) return
    this.#socket.send(text)
    this.#weigh()
  }

  /** As {@link send} of the three joined. */
  sendParts(head: SharedText, body: string | SharedText, tail: string): void {
    const socket = this.#socket
    if (this.#ended) return
    if (socket.sendParts !== undefined) socket.sendParts(head, body, tail)
    else socket.send(`${head.text}${typeof body === 'string' ? body : body.text}${tail}`)
    this.#weigh()
  }

  sendRun(run: FrameRun): void {
    const socket = this.#socket
    if (this.#ended) return
    if (socket.sendRun !== undefined) socket.sendRun(run)
    else for (const message of messagesOf(run)) socket.send(message)
    this.#weigh()
  }

  #weigh(): void {
    const unsent = this.#socket.unsentBytes
    const limits = this.#limits
    if (unsent > limits.outboundHardBytes) return this.#owner.onOverflow()
    if (unsent > limits.outboundHighBytes) this.#watchForStall()
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
    if (unsent > this.#limits.outboundHighBytes / 4) return this.#watchForStall()
    this.#lowest = Number.POSITIVE_INFINITY
    this.#writable?.resolve()
    this.#writable = undefined
    this.#owner.onRoom()
  }

  /** Runs when the turns before are over and there is room, or the connection has ended. */
  async inTurn<T>(run: () => Promise<T>): Promise<T> {
    const before = this.#last
    const { promise, resolve } = withResolvers()
    this.#last = promise
    this.#turns += 1
    this.#owner.onTurn()
    await before
    try {
      await this.#untilWritable()
      return await run()
    } finally {
      resolve()
      this.#turns -= 1
      this.#owner.onTurn()
    }
  }

  /** Lets everything that waits see that the connection has ended. */
  end(): void {
    this.#ended = true
    this.#cancelStall?.()
    this.#writable?.resolve()
  }

  #untilWritable(): Promise<void> {
    if (!this.congested) return Promise.resolve()
    this.#writable ??= withResolvers()
    return this.#writable.promise
  }

  #watchForStall(): void {
    if (this.#cancelStall !== undefined || this.#ended) return
    this.#cancelStall = this.#timers.after(this.#limits.stalledMs, () => this.#owner.onStall(), {
      background: true,
    })
  }
}

function withResolvers(): { promise: Promise<void>; resolve: () => void } {
  let resolve = () => {}
  const promise = new Promise<void>(done => {
    resolve = done
  })
  return { promise, resolve }
}
