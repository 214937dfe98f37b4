import type { Relay } from 'posthorn/relay'
import { onTestFinished } from 'vitest'
import type { Socket, SocketEvents } from '#dist/platform/socket.js'
import type { Closed, Frame } from './wire.ts'

/** A client whose network takes exactly as much as it is told to: a slow reader without the kernel's buffers in between. */
export interface Pipe {
  /** What the network took, in order. */
  readonly taken: Frame[]
  /** Most bytes that ever waited. */
  readonly most: number
  readonly unsent: number
  readonly closed: Closed | undefined
  send(...frame: unknown[]): void
  /** The network takes up to so many frames. */
  take(frames?: number): void
  /** From here on everything is taken at once. */
  flow(): void
  stall(): void
}

export function pipeTo(relay: Relay): Pipe {
  const queue: string[] = []
  const taken: Frame[] = []
  let unsent = 0
  let most = 0
  let flowing = true
  let closed: Closed | undefined
  const socket: Socket = {
    send(text) {
      if (closed !== undefined) return
      queue.push(text)
      unsent += text.length
      most = Math.max(most, unsent)
      if (flowing) queueMicrotask(() => take())
    },
    close(code, reason) {
      closed ??= { code, reason }
      queueMicrotask(() => events.onClose(code, reason))
    },
    terminate: () => socket.close(1006, ''),
    get unsentBytes() {
      return unsent
    },
  }
  const events: SocketEvents = relay.accept(socket)
  onTestFinished(() => socket.terminate())
  function take(frames = Number.POSITIVE_INFINITY): void {
    for (let n = 0; n < frames; n += 1) {
      const text = queue.shift()
      if (text === undefined) return
      unsent -= text.length
      taken.push(JSON.parse(text))
      events.onDrain?.()
    }
  }
  return {
    taken,
    get most() {
      return most
    },
    get unsent() {
      return unsent
    },
    get closed() {
      return closed
    },
    send: (...frame) => events.onText(JSON.stringify(frame)),
    take,
    flow() {
      flowing = true
      take()
    },
    stall() {
      flowing = false
    },
  }
}
