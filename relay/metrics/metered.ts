import { type FrameRun, messagesOf } from '../../platform/frame-run.ts'
import type { SharedText } from '../../platform/shared-text.ts'
import type { Socket, SocketEvents } from '../../platform/socket.ts'
import type { Verifier } from '../../platform/verifier.ts'
import type { Store } from '../log/store.ts'
import type { Peer } from '../policy/policy.ts'
import type { Meter } from './meter.ts'
import { timedStore } from './timed-store.ts'

// Counting happens at the seams: what is inside knows nothing of it, and a relay without metrics pays nothing.

export function meteredVerifier(verifier: Verifier, meter: Meter): Verifier {
  const methods: Partial<Verifier> = {
    async verify(events) {
      const start = meter.clock.monotonic()
      const verdicts = await verifier.verify(events)
      meter.observe.verify(meter.clock.monotonic() - start, events.length)
      return verdicts
    },
    close: () => verifier.close(),
  }
  return Object.assign(Object.create(verifier) as Verifier, methods)
}

export const meteredStore = (store: Store, meter: Meter): Store =>
  timedStore(store, meter.clock, {
    query: meter.observe.query,
    commit(ms, { outcomes }) {
      meter.observe.commit(ms, outcomes.length)
      for (const { status } of outcomes) meter.committed.add(status)
    },
  })

/** `accept` of a relay, with everything that passes its sockets counted. */
export function meteredAccept(
  accept: (socket: Socket, peer?: Peer) => SocketEvents,
  meter: Meter,
): (socket: Socket, peer?: Peer) => SocketEvents {
  return (socket, peer) => {
    meter.connections += 1
    meter.sockets.add(socket)
    const events = accept(new MeteredSocket(socket, meter), peer)
    return {
      onDrain: () => events.onDrain?.(),
      onOpen: () => events.onOpen?.(),
      onText(text) {
        meter.frameIn(text)
        events.onText(text)
      },
      onClose(code, reason) {
        meter.ends.add(String(code))
        meter.sockets.delete(socket)
        events.onClose(code, reason)
      },
    }
  }
}

class MeteredSocket implements Socket {
  readonly #socket: Socket
  readonly #meter: Meter

  constructor(socket: Socket, meter: Meter) {
    this.#socket = socket
    this.#meter = meter
  }

  sendParts(head: SharedText, body: string | SharedText, tail: string): void {
    const socket = this.#socket
    this.#meter.framesOut += 1
    this.#meter.deliveries += 1
    this.#meter.charsOut += head.text.length + body.length + tail.length
    if (socket.sendParts) socket.sendParts(head, body, tail)
    else socket.send(`${head.text}${typeof body === 'string' ? body : body.text}${tail}`)
  }

  sendRun(run: FrameRun): void {
    const { head, texts } = run
    const count = texts.ends.length
    this.#meter.framesOut += count
    this.#meter.deliveries += count
    this.#meter.charsOut += texts.bytes.length + count * (head.text.length + run.tail.length)
    if (this.#socket.sendRun) this.#socket.sendRun(run)
    else for (const message of messagesOf(run)) this.#socket.send(message)
  }

  get protocol(): string {
    return this.#socket.protocol ?? ''
  }

  get unsentBytes(): number {
    return this.#socket.unsentBytes
  }

  send(text: string): void {
    this.#meter.frameOut(text)
    this.#socket.send(text)
  }

  close(code: number, reason: string): void {
    this.#socket.close(code, reason)
  }

  terminate(): void {
    this.#socket.terminate()
  }

  pause(): void {
    this.#socket.pause?.()
  }

  resume(): void {
    this.#socket.resume?.()
  }
}
