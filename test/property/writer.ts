import { setTimeout as delay } from 'node:timers/promises'
import { encode, type NostrEvent, parseRelayFrame, seqOfOk } from 'posthorn/protocol'
import WebSocket from 'ws'

export interface WriterOptions {
  /** Where the relay is now; it may move. */
  readonly url: () => string
  /** Events on their way at once. */
  readonly window: number
  /** Called before the next event goes out. */
  readonly onOk: (event: NostrEvent, seq: number, duplicate: boolean) => void
  readonly onRefused: (event: NostrEvent, reason: string) => void
  /** Stops the writer with events left. */
  readonly stopped?: () => boolean
}

/** Publishes events in order at full speed, and after a lost connection again whatever was not answered. */
export async function writeAll(events: Iterable<NostrEvent>, options: WriterOptions): Promise<void> {
  const source = events[Symbol.iterator]()
  let open: NostrEvent[] = []
  let ended = false
  const stopped = () => options.stopped?.() === true
  while (!(ended && open.length === 0) && !stopped()) {
    await new Promise<void>(resolve => {
      const socket = new WebSocket(options.url(), { perMessageDeflate: false })
      const fill = () => {
        while (open.length < options.window && !ended && !stopped()) {
          const next = source.next()
          if (next.done === true) ended = true
          else {
            open.push(next.value)
            socket.send(encode.publish(next.value))
          }
        }
        if (open.length === 0 || stopped()) socket.terminate()
      }
      socket.on('open', () => {
        for (const event of open) socket.send(encode.publish(event))
        fill()
      })
      socket.on('message', data => {
        const frame = parseRelayFrame(data.toString())
        if (!frame.ok || frame.value.type !== 'OK') return
        const { id, accepted, message } = frame.value
        const event = open.find(one => one.id === id)
        if (event === undefined) return
        if (!accepted && message.startsWith('error:')) return socket.terminate()
        open = open.filter(one => one !== event)
        if (accepted) options.onOk(event, seqOfOk(message) ?? 0, message.startsWith('duplicate:'))
        else options.onRefused(event, message)
        fill()
      })
      socket.on('error', () => {})
      socket.on('close', () => resolve())
    })
    await delay(10)
  }
}
