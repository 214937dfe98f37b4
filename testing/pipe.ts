import type { Socket, SocketEvents } from '../platform/socket.ts'
import { SEQ_SUBPROTOCOL } from '../protocol/hints.ts'

/** One connection inside the process. */
export interface Pipe {
  readonly client: Socket
  /** Both sides learn of it at once, as when a cable is cut; frames under way are lost. */
  cut(): void
}

/**
 * Joins a client's handlers to a server that accepts sockets. Frames keep their order and arrive in later microtasks, never inside `send`,
 * so that both sides see the same interleavings as over a network. `onBytes` hears the size of every frame to the client.
 */
export function createPipe(
  clientEvents: SocketEvents,
  accept: (socket: Socket) => SocketEvents,
  onEnd: () => void,
): Pipe {
  let open = true
  const later = (run: () => void) =>
    queueMicrotask(() => {
      if (open) run()
    })
  const end = (code: number, reason: string) => {
    if (!open) return
    open = false
    onEnd()
    queueMicrotask(() => {
      serverEvents.onClose(code, reason)
      clientEvents.onClose(code, reason)
    })
  }
  const side = (deliver: (text: string) => void): Socket => ({
    protocol: SEQ_SUBPROTOCOL,
    send: text => later(() => deliver(text)),
    close: (code, reason) => later(() => end(code, reason)),
    terminate: () => end(1006, 'terminated'),
    unsentBytes: 0,
  })
  const serverEvents = accept(side(text => clientEvents.onText(text)))
  const client = side(text => serverEvents.onText(text))
  later(() => clientEvents.onOpen?.())
  return { client, cut: () => end(1006, 'connection lost') }
}
