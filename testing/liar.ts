import { type Random, randomFloat } from '../platform/random.ts'
import type { Socket, SocketEvents } from '../platform/socket.ts'

/** How a relay lies, each as the share of events concerned, 0 to 1. */
export interface Lies {
  /** Acknowledged, then thrown away. */
  readonly drop?: number
  /** Not served to those who ask, though the end of the page says that it was complete. */
  readonly withhold?: number
  /** Served with other content, or another signature, under their right id, instead of as they are. */
  readonly forge?: number
  /** Served again, out of order. */
  readonly replay?: number
}

/** Events remembered for replay, per connection. */
const REMEMBERED = 20

type EventFrame = ['EVENT', string, { content: string; sig: string }, ...number[]]

/** Stands between an honest relay and one connection, and lies in its name. `lies` is asked anew for every frame. */
export function lieOn(
  socket: Socket,
  accept: (socket: Socket) => SocketEvents,
  lies: () => Lies,
  random: Random,
): SocketEvents {
  const served: string[] = []
  const chosen = (share: number | undefined) =>
    share !== undefined && share > 0 && (share >= 1 || randomFloat(random) < share)

  function told(text: string): readonly string[] {
    const { withhold, forge, replay } = lies()
    if (!text.startsWith('["EVENT",') || (!withhold && !forge && !replay)) return [text]
    if (chosen(withhold)) return []
    const out = [chosen(forge) ? forged(text) : text]
    const old = chosen(replay) ? served[Math.floor(randomFloat(random) * served.length)] : undefined
    if (old !== undefined) out.push(old)
    served.push(text)
    if (served.length > REMEMBERED) served.shift()
    return out
  }

  function forged(text: string): string {
    const [verb, sub, event, ...seq] = JSON.parse(text) as EventFrame
    const damage = chosen(0.5) ? { content: `${event.content}!` } : { sig: event.sig.slice(1) + event.sig.slice(0, 1) }
    return JSON.stringify([verb, sub, { ...event, ...damage }, ...seq])
  }

  const events = accept({
    close: (code, reason) => socket.close(code, reason),
    terminate: () => socket.terminate(),
    send(text) {
      for (const each of told(text)) socket.send(each)
    },
    get unsentBytes() {
      return socket.unsentBytes
    },
  })
  return {
    onOpen: () => events.onOpen?.(),
    onDrain: () => events.onDrain?.(),
    onClose: (code, reason) => events.onClose(code, reason),
    onText(text) {
      if (text.startsWith('["EVENT",') && chosen(lies().drop)) {
        const [, { id }] = JSON.parse(text) as ['EVENT', { id: string }]
        socket.send(JSON.stringify(['OK', id, true, '']))
      } else events.onText(text)
    },
  }
}
